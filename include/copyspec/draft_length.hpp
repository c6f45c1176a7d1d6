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
/// than `longest_chain` is cut there. `cost(rows)` is what a pass of so many rows costs, a draft of n tokens taking n +
/// 1 of them. The cost may have any shape: steps, free rows, jumps.
///
/// However the chain is cut, the passes over it say the same tokens: its own up to the first that is wrong, and the
/// model's there. So the best cut is the cheapest, and which rate of tokens that amounts to need not be known. From
/// token i of the chain on, the passes cost at least, as expected,
///
///     W(i) = min over n of  cost(n + 1)  +  chance that all n and the token behind them are right  *  W(i + n + 1)
///
/// with W beyond the chain zero, and the answer is the smallest n that attains W(0): a chain that is cut here goes on
/// in the next pass, behind the token that the model adds itself. It is dynamic programming (Bellman 1957), and beats
/// asking of each token whether it pays for its row.
///
/// O(chain squared): `cost` is asked once a row count, and the rest is a loop of multiplications that vectorises. No
/// allocation. Needs: chances within [0, 1]; costs that are not negative, that of one row finite; `cost` does not
/// throw. Threads: a function of its arguments.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<float const> chances, Cost const& cost) noexcept {
  std::size_t const length = std::min(chances.size(), longest_chain);
  std::array<double, longest_chain + 1> charge;  // for a draft of so many tokens
  for (std::size_t n = 0; n <= length; ++n) charge[n] = static_cast<double>(cost(n + 1));

  // later[end]: cost expected of the passes after the one at hand, if that drafts as far as `end`. One token earlier it
  // is chance times as much, whatever the end.
  std::array<double, longest_chain + 1> later;
  later[length] = 0.0;
  double least = charge[0];
  for (std::size_t i = length; i-- > 0;) {
    double const chance = static_cast<double>(chances[i]);
    COPYSPEC_ASSERT(chance >= 0.0 && chance <= 1.0, "a chance lies within [0, 1]");
    later[i] = chance * least;
    for (std::size_t end = i + 1; end < length; ++end) later[end] *= chance;
    least = charge[0] + later[i];
    for (std::size_t end = i + 1; end <= length; ++end) least = std::min(least, charge[end - i] + later[end]);
  }
  // Rounding does not decide between equals.
  constexpr double tie = 1e-12;
  std::size_t n = 0;
  while (n < length && charge[n] + later[n] > least + tie) ++n;
  return n;
}

}  // namespace copyspec::inline v0
