// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/reproducible_math.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../filter_rule.hpp"
#include "../sampling_options.hpp"
#include "block_maxima.hpp"
#include "sampling_filters.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The probability of each token of a row to be drawn by a `TokenSampler`: the softmax at the temperature over the
/// tokens that the filters keep. At temperature zero, or if the greatest logit is infinite, the token with the greatest
/// logit has probability one; of equal logits, the lowest token. Bias, penalties and hooks are not applied.
///
/// Probabilities are ratios of `reproducible_weight`s, so they are the same on every machine. Each is exact to within
/// 2e-6 of itself plus 2^-40 of the greatest one.
///
/// Cost: O(row) without filters, mostly one exponential per token; with filters, that of `SamplingFilters` and O(n log
/// n) for the n tokens kept. Memory: a double and an integer per token. Allocates only for a longer row, or more
/// candidates, than ever before. Threads: one call at a time.
class TokenDistribution {
 public:
  /// Afterwards, the probabilities of rows of up to `vocabulary` tokens allocate nothing.
  void reserve(std::size_t vocabulary) {
    tokens_.reserve(vocabulary);
    if (probabilities_.size() < vocabulary) probabilities_.resize(vocabulary);
  }

  /// Computes the probabilities of `row`. Returns false if the row holds a NaN or nothing above minus infinity; then
  /// every probability is zero.
  [[nodiscard]] bool take(std::span<float const> row, SamplingOptions const& options) {
    clear();
    if (!maxima_.take(row)) return false;
    reserve(row.size());
    list(FilterRule::of(options));
    auto const logit = [&](Token token) { return row[static_cast<std::size_t>(token)]; };
    Token const best = *std::ranges::max_element(tokens_, {}, logit);
    float const greatest = logit(best);
    if (options.temperature == 0 || std::isinf(greatest)) {
      take(best);
      return true;
    }
    float const scale = 1 / options.temperature;
    std::uint64_t mass = 0;
    for (Token const token : tokens_) {
      std::uint64_t const weight = reproducible_weight(distance_below(greatest, logit(token), scale));
      probability(token) = static_cast<double>(weight);
      mass += weight;
    }
    for (Token const token : tokens_) probability(token) /= static_cast<double>(mass);
    return true;
  }

  /// Gives `token`, which is not negative, probability one.
  void take(Token token) {
    clear();
    reserve(static_cast<std::size_t>(token) + 1);
    tokens_.push_back(token);
    probability(token) = 1;
  }

  /// Sets every probability to zero.
  void clear() noexcept {
    for (Token const token : tokens_) probability(token) = 0;
    tokens_.clear();
  }

  /// The tokens whose probability may be above zero, ascending. Valid until the next change.
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return tokens_; }

  /// The probability of `token`; zero for a token outside the row. O(1).
  [[nodiscard]] double of(Token token) const noexcept {
    auto const index = static_cast<std::size_t>(token);
    return index < probabilities_.size() ? probabilities_[index] : 0;
  }

 private:
  [[nodiscard]] double& probability(Token token) noexcept { return probabilities_[static_cast<std::size_t>(token)]; }

  // Lists the tokens of the row that the filters keep.
  void list(FilterRule const& rule) {
    if (!rule.any()) {
      tokens_.resize(maxima_.row().size());
      std::iota(tokens_.begin(), tokens_.end(), Token{0});
      return;
    }
    for (Candidate const& candidate : filters_.apply(maxima_, rule)) tokens_.push_back(candidate.token());
    std::ranges::sort(tokens_);
  }

  BlockMaxima maxima_;
  SamplingFilters filters_;
  std::vector<Token> tokens_;
  std::vector<double> probabilities_;  // by token; zero except for `tokens_`
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
