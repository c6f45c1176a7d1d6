// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../logprobs.hpp"
#include "block_maxima.hpp"
#include "sampling_filters.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Log-probabilities under a row's softmax. A function of the row's bits, the same on every machine. O(row), mostly one
/// exponential per token. Allocates as `BlockMaxima` and `SamplingFilters` do. Threads: one call at a time.
class RowLogprobs {
 public:
  /// Appends to `out` the log-probability of `token`, then those of the `top` likeliest tokens, the likeliest first.
  /// Returns false, and appends nothing, for a row that gives no token. Requires `top` at most its length, and a
  /// `token` within it.
  [[nodiscard]] bool append(std::span<float const> row, Token token, std::size_t top, std::vector<TokenLogprob>& out) {
    COPYSPEC_ASSERT(top <= row.size(), "a row of at least `top` logits");
    if (!maxima_.take(row)) return false;
    double const log_mass = log_of_softmax_sum(softmax_sum(row, maxima_.greatest(), 1));
    out.push_back({token, logprob_of(maxima_.greatest(), row[static_cast<std::size_t>(token)], log_mass)});
    if (top == 0) return true;
    std::span<Candidate const> const greatest = filters_.greatest(maxima_, top);
    for (Candidate const& candidate : greatest)
      out.push_back({candidate.token(), logprob_of(maxima_.greatest(), candidate.logit(), log_mass)});
    return true;
  }

 private:
  BlockMaxima maxima_;
  SamplingFilters filters_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
