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

/// The chance of each token of a row to be drawn by a `TokenSampler`: of what the filters leave, the softmax at the
/// temperature; at temperature zero, or where a logit is infinite, the token with the greatest logit is certain, the
/// lowest among equals. Bias, penalties and hooks are not its concern.
///
/// Chances are shares of `reproducible_weight`s, so they are the same on every machine: to within 2e-6 of themselves,
/// and 2^-40 of the likeliest one. Cost: O(row) without filters, most of it for an exponential a token; with filters,
/// that of `SamplingFilters` and O(n log n) in what is left. Memory: a double and an integer a token. Allocates only
/// for a longer row, or more candidates, than ever before. Threads: one call at a time.
class TokenDistribution {
 public:
  /// After it, rows of up to `vocabulary` tokens allocate nothing for their probabilities.
  void reserve(std::size_t vocabulary) {
    tokens_.reserve(vocabulary);
    if (chances_.size() < vocabulary) chances_.resize(vocabulary);
  }

  /// Takes those of `row`. False if it gives no token, as it holds a NaN or nothing above minus infinity; then no token
  /// has a chance.
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
      chance(token) = static_cast<double>(weight);
      mass += weight;
    }
    for (Token const token : tokens_) chance(token) /= static_cast<double>(mass);
    return true;
  }

  /// `token`, which is not negative, is certain.
  void take(Token token) {
    clear();
    reserve(static_cast<std::size_t>(token) + 1);
    tokens_.push_back(token);
    chance(token) = 1;
  }

  /// No token has a chance.
  void clear() noexcept {
    for (Token const token : tokens_) chance(token) = 0;
    tokens_.clear();
  }

  /// The tokens that may have a chance, ascending. Valid until the next change.
  [[nodiscard]] std::span<Token const> tokens() const noexcept { return tokens_; }

  /// The chance of `token`, which may be any.
  [[nodiscard]] double of(Token token) const noexcept {
    auto const index = static_cast<std::size_t>(token);
    return index < chances_.size() ? chances_[index] : 0;
  }

 private:
  [[nodiscard]] double& chance(Token token) noexcept { return chances_[static_cast<std::size_t>(token)]; }

  // What the filters leave of the row that was taken.
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
  std::vector<double> chances_;  // of all tokens; zero but for `tokens_`
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
