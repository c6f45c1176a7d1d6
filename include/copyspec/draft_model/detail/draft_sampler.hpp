// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/reproducible_math.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../../model/logits.hpp"
#include "../../verify/random_streams.hpp"
#include "../../verify/sampling_options.hpp"
#include "../../verify/token_sampler.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A token of the draft model at one position.
struct DraftToken {
  Token token = 0;
  float confidence = 0;  ///< Probability of the token in its row, before any filter.
};

/// Takes draft tokens from rows as the turn is sampled: greedily, or with its options, seed and positions, so that like
/// rows give like tokens. Or it draws independently of the turn, with numbers of `RandomStream::draft`, as a
/// `RejectionVerifier` requires. Penalties, bias and hooks are left out.
///
/// O(row), with one exponential for each token of the row. Allocates for a row longer than all before. Threads: one
/// call at a time.
class DraftSampler {
 public:
  void set_sampling(SamplingOptions const& options, bool independently) {
    options_.temperature = options.temperature;
    options_.temperature_first = options.temperature_first;
    options_.top_k = options.top_k;
    options_.typical_p = options.typical_p;
    options_.top_p = options.top_p;
    options_.min_p = options.min_p;
    options_.seed = options.seed;
    if (independently && options.seed) options_.seed = seed_for(RandomStream::draft, *options.seed);
    independently_ = independently;
  }

  [[nodiscard]] bool independently() const noexcept { return independently_; }

  /// The row of the last call of `guess`. Valid as long as the row passed to it.
  [[nodiscard]] std::span<float const> row() const noexcept { return row_; }

  /// The token for the row after `position` tokens; nothing if the row gives no token.
  template <class Scalar>
  [[nodiscard]] std::optional<DraftToken> guess(std::span<Scalar const> row, std::size_t position) {
    row_ = as_floats(row, space_);
    std::optional<Token> const token = sampler_.draw(row_, options_, independently_ ? draws_++ : position);
    if (!token) return std::nullopt;
    float const greatest = *std::ranges::max_element(row_);
    float const scale = options_.temperature == 0 ? 1 : 1 / options_.temperature;
    float const distance = distance_below(greatest, row_[static_cast<std::size_t>(*token)], scale);
    auto const share =
        static_cast<double>(reproducible_weight(distance)) / static_cast<double>(softmax_sum(row_, greatest, scale));
    return DraftToken{.token = *token, .confidence = static_cast<float>(share)};
  }

 private:
  SamplingOptions options_{.temperature = 0};
  bool independently_ = false;
  std::uint64_t draws_ = 0;  // of all turns
  TokenSampler sampler_;
  std::vector<float> space_;
  std::span<float const> row_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
