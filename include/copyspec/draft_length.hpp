// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "assert.hpp"

namespace copyspec::inline v0 {

/// Most tokens of a chain that `draft_length` looks at.
inline constexpr std::size_t longest_chain = 64;

/// How many tokens of a predicted chain to draft now, so that most tokens come out a unit of cost in the long run.
///
/// `chances[i]` is the chance that chain token `i` is the model's own, given that all before it are; a chain longer
/// than `longest_chain` is cut there. `rate` >= 0 is the long-run rate, tokens a unit of cost; `cost(rows)` is what a
/// pass of so many rows costs, a draft of n tokens taking n + 1 of them. The cost may have any shape: steps, free rows,
/// jumps. At rate zero time is worth nothing, and nothing is drafted.
///
/// The worth of standing at token i of the chain, against drafting nothing ever, is
///
///     V(i) = max over n of  expected accepted among the next n  +  1  -  rate * cost(n + 1)
///                           +  chance that all n and the token behind them are right  *  V(i + n + 1)
///
/// and the answer is the smallest n that attains V(0): a chain that is cut here goes on in the next pass, behind the
/// token that the model adds itself. That is the stopping rule of a renewal reward process (Ross, "Applied Probability
/// Models with Optimization Applications", 1970), and beats asking of each token whether it pays for its row.
///
/// O(chain squared): `cost` is asked once a row count, and the rest is a loop of multiplications that vectorises. No
/// allocation. Needs: chances within [0, 1]; finite costs and rate; `cost` does not throw. Threads: a function of its
/// arguments.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<float const> chances, double rate, Cost const& cost) noexcept {
  COPYSPEC_ASSERT(rate >= 0, "a rate of tokens is not negative");
  std::size_t const length = std::min(chances.size(), longest_chain);
  std::array<double, longest_chain + 1> charge;  // for a draft of so many tokens
  for (std::size_t n = 0; n <= length; ++n) charge[n] = rate * static_cast<double>(cost(n + 1));

  // worth[end]: tokens expected after token i, the model's own not counted, if the pass drafts as far as `end` and the
  // chain goes on from there. One token earlier it is chance * (1 + worth), whatever the end.
  std::array<double, longest_chain + 1> worth;
  double best = 0.0;
  for (std::size_t i = length + 1; i-- > 0;) {
    double const value = 1.0 + best;
    double const chance = i < length ? static_cast<double>(chances[i]) : 0.0;
    COPYSPEC_ASSERT(chance >= 0.0 && chance <= 1.0, "a chance lies within [0, 1]");
    worth[i] = chance * value;
    for (std::size_t end = i + 1; end <= length; ++end) worth[end] = chance * (1.0 + worth[end]);
    best = worth[i] - charge[0];
    for (std::size_t end = i + 1; end <= length; ++end) best = std::max(best, worth[end] - charge[end - i]);
  }
  // Rounding does not decide between equals.
  constexpr double tie = 1e-12;
  std::size_t n = 0;
  while (n < length && worth[n] - charge[n] < best - tie) ++n;
  return n;
}

}  // namespace copyspec::inline v0
