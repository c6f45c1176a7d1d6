// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <log.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contenders.hpp"
#include "llama_peer.hpp"

namespace copyspec::bench {
namespace {

using Sizes = std::vector<std::uint16_t>;

constexpr std::size_t no_limit = std::numeric_limits<std::int32_t>::max();

Contender contender(std::string_view drafter, std::string setting, common_params_speculative params,
                    std::size_t longest = no_limit) {
  params.types = {common_speculative_type_from_name(std::string(drafter))};
  return {.peer = fmt::format("llama.cpp {}", drafter),
          .setting = std::move(setting),
          .make = [params = std::move(params), longest](Sharing sharing) {
            return std::make_unique<LlamaPeer>(params, longest, sharing);
          }};
}

// Nothing is drafted with m < n: fewer tokens would be copied than must match.
void add_simple(std::vector<Contender>& contenders) {
  for (std::uint16_t const n : Sizes{1, 2, 3, 4, 6, 8, 12})
    for (std::uint16_t const m : Sizes{1, 2, 4, 8, 16, 48}) {
      if (m < n) continue;
      common_params_speculative params;
      auto const& standard = params.ngram_simple;
      bool const is_default = n == standard.size_n && m == standard.size_m;
      params.ngram_simple.size_n = n;
      params.ngram_simple.size_m = m;
      Contender& added = contenders.emplace_back(contender("ngram-simple", fmt::format("n {}, m {}", n, m), params));
      added.default_setting = is_default;
      added.shares_history = false;
    }
}

// ngram-map-k does not look at min_hits.
void add_map(std::vector<Contender>& contenders, std::string_view drafter, Sizes const& min_hits,
             common_params_speculative_ngram_map common_params_speculative::*member) {
  for (std::uint16_t const n : Sizes{1, 2, 3, 4, 6, 8, 12})
    for (std::uint16_t const m : Sizes{2, 4, 8, 16, 48})
      for (std::uint16_t const hits : min_hits) {
        common_params_speculative params;
        auto& map = params.*member;
        bool const is_default = n == map.size_n && m == map.size_m && hits == map.min_hits;
        map.size_n = n;
        map.size_m = m;
        map.min_hits = hits;
        contenders.push_back(contender(drafter, fmt::format("n {}, m {}, min_hits {}", n, m, hits), params));
        contenders.back().default_setting = is_default;
      }
}

void add_mod(std::vector<Contender>& contenders) {
  constexpr std::pair<int, int> lengths[] = {{0, 2}, {0, 4}, {0, 8}, {0, 16}, {0, 64}, {4, 16}, {48, 64}};
  for (int const n_match : {1, 2, 3, 4, 6, 8, 12, 24})
    for (auto const& [n_min, n_max] : lengths) {
      common_params_speculative params;
      auto& mod = params.ngram_mod;
      bool const is_default = n_match == mod.n_match && n_min == mod.n_min && n_max == mod.n_max;
      mod.n_match = n_match;
      mod.n_min = n_min;
      mod.n_max = n_max;
      contenders.push_back(
          contender("ngram-mod", fmt::format("n_match {}, n_min {}, n_max {}", n_match, n_min, n_max), params));
      contenders.back().default_setting = is_default;
    }
}

// Its eight tokens are fixed; only the limit of a call makes them fewer.
void add_cache(std::vector<Contender>& contenders) {
  for (std::size_t const longest : {1UL, 2UL, 3UL, 4UL, 6UL, 8UL}) {
    contenders.push_back(contender("ngram-cache", fmt::format("limit {}", longest), {}, longest));
    contenders.back().default_setting = longest == 8;
  }
}

}  // namespace

std::vector<Contender> llama_contenders() {
  common_log_set_verbosity_thold(LOG_LEVEL_ERROR);  // it warns of short n_match
  std::vector<Contender> contenders;
  add_simple(contenders);
  add_map(contenders, "ngram-map-k", {1}, &common_params_speculative::ngram_map_k);
  add_map(contenders, "ngram-map-k4v", {1, 2}, &common_params_speculative::ngram_map_k4v);
  add_mod(contenders);
  add_cache(contenders);
  return contenders;
}

}  // namespace copyspec::bench
