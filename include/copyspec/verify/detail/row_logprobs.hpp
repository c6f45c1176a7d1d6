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
  /// Requires a row that gives a token, `top` at most its length, and a `token` within it.
  void append(std::span<float const> row, Token token, std::size_t top, std::vector<TokenLogprob>& out) {
    bool const valid = maxima_.take(row);
    COPYSPEC_ASSERT(valid && top <= row.size(), "a row that gives a token, of at least `top` logits");
    static_cast<void>(valid);
    double const log_mass = log_of_softmax_sum(softmax_sum(row, maxima_.greatest(), 1));
    out.push_back({token, logprob_of(maxima_.greatest(), row[static_cast<std::size_t>(token)], log_mass)});
    if (top == 0) return;
    std::span<Candidate const> const greatest = filters_.greatest(maxima_, top);
    for (Candidate const& candidate : greatest)
      out.push_back({candidate.token(), logprob_of(maxima_.greatest(), candidate.logit(), log_mass)});
  }

 private:
  BlockMaxima maxima_;
  SamplingFilters filters_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
