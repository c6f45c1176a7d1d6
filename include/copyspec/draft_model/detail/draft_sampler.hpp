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

/// What a draft model says at a place.
struct DraftToken {
  Token token = 0;
  float confidence = 0;  ///< The probability that its row gives the token, before any filter.
};

/// Makes guesses of rows, as a turn is drawn: greedily, or with its options, seed and positions, so that like rows give
/// like tokens; or independently of what is drawn, with numbers of `RandomStream::draft`, as a `RejectionVerifier`
/// needs it. Penalties, bias and hooks are left out.
///
/// O(row), one exponential a token. Allocates for a longer row than ever before. Threads: one call at a time.
class DraftSampler {
 public:
  void set_sampling(SamplingOptions const& options, bool independently) {
    options_.temperature = options.temperature;
    options_.temperature_first = options.temperature_first;
    options_.top_k = options.top_k;
    options_.typical_p = options.typical_p;
    options_.top_p = options.top_p;
    options_.min_p = options.min_p;
    options_.seed = independently ? seed_for(RandomStream::draft, options.seed) : options.seed;
    independently_ = independently;
  }

  [[nodiscard]] bool independently() const noexcept { return independently_; }

  /// The row of the last guess, as long as that row is valid.
  [[nodiscard]] std::span<float const> row() const noexcept { return row_; }

  /// Of the row behind `position` tokens; nothing if it gives no token.
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
  std::uint64_t draws_ = 0;  // in all turns
  TokenSampler sampler_;
  std::vector<float> space_;
  std::span<float const> row_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
