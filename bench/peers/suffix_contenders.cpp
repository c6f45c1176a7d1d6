// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "contenders.hpp"
#include "suffix_peer.hpp"

namespace copyspec::bench {

namespace {

// With those of the class among them.
std::vector<SuffixOptions> suffix_options() {
  std::vector<SuffixOptions> all;
  auto const add = [&](float factor, float offset, float probability) {
    all.push_back({.max_spec_factor = factor, .max_spec_offset = offset, .min_token_prob = probability});
  };
  for (float const factor : {0.5F, 1.0F, 2.0F, 4.0F})
    for (float const probability : {0.1F, 0.3F, 0.5F, 0.7F}) add(factor, 0, probability);
  for (float const factor : {1.0F, 2.0F})
    for (float const probability : {0.1F, 0.3F, 0.5F}) add(factor, 4, probability);
  for (float const probability : {0.3F, 0.5F}) add(0.25F, 0, probability);
  add(8, 0, 0.1F);
  return all;
}

}  // namespace

std::vector<Contender> suffix_contenders() {
  std::vector<Contender> contenders;
  for (bool const tree : {false, true})
    for (SuffixOptions options : suffix_options()) {
      constexpr SuffixOptions standard;
      bool const is_default = options.max_spec_factor == standard.max_spec_factor &&
                              options.max_spec_offset == standard.max_spec_offset &&
                              options.min_token_prob == standard.min_token_prob;
      options.use_tree_spec = tree;
      contenders.push_back(
          {.peer = tree ? "ArcticInference suffix, trees" : "ArcticInference suffix, chains",
           .setting = fmt::format("factor {}, offset {}, min_token_prob {}", options.max_spec_factor,
                                  options.max_spec_offset, options.min_token_prob),
           .default_setting = is_default,
           .make = [options](Sharing sharing) { return std::make_unique<SuffixPeer>(options, sharing); }});
    }
  return contenders;
}

}  // namespace copyspec::bench
