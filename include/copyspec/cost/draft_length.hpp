// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "../core/assert.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Most tokens of a chain, or nodes of a tree, that `draft_length` looks at.
inline constexpr std::size_t max_draft_tokens = 64;

/// How many tokens a pass is expected to say that drafts tokens with these probabilities, each given that all before it
/// are right: those that are, and the one that the model adds. O(probabilities). No allocation.
[[nodiscard]] inline double expected_tokens(std::span<float const> probabilities) noexcept {
  double tokens = 1;
  double survival = 1;
  for (float const chance : probabilities) tokens += survival *= static_cast<double>(chance);
  return tokens;
}

/// How many tokens of a predicted chain to draft now, so that most tokens come out a unit of cost in the long run.
///
/// `probabilities[i]` is the chance that chain token `i` is the model's own, given that all before it are; a chain
/// longer than `max_draft_tokens` is cut there. `cost(rows)` is what a pass of so many rows costs, a draft of n tokens
/// taking n + 1 of them. The cost may have any shape: steps, free rows, jumps.
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
/// allocation. Needs: probabilities within [0, 1]; costs that are not negative, that of one row finite; `cost` does not
/// throw. Threads: a function of its arguments.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<float const> probabilities, Cost const& cost) noexcept {
  std::size_t const length = std::min(probabilities.size(), max_draft_tokens);
  std::array<double, max_draft_tokens + 1> charge;  // for a draft of so many tokens
  for (std::size_t n = 0; n <= length; ++n) charge[n] = static_cast<double>(cost(n + 1));

  // later[end]: cost expected of the passes after the one at hand, if that drafts as far as `end`. One token earlier it
  // is chance times as much, whatever the end.
  std::array<double, max_draft_tokens + 1> later;
  later[length] = 0.0;
  double least = charge[0];
  for (std::size_t i = length; i-- > 0;) {
    double const chance = static_cast<double>(probabilities[i]);
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

/// The same where a draft that is rejected costs more than its pass, because the model cannot be cut back:
/// `rejection(n)` is what it costs in addition if the first n of its tokens are right and the next is not. Then
///
///     W(i) = min over n of  cost(n + 1)  +  sum over k < n of chance that k are right and the next is not *
///     rejection(k)
///                           +  chance that all n and the token behind them are right  *  W(i + n + 1)
///
/// O(chain squared), of which each step waits for the one before. Needs: rejections that cost a finite amount and not
/// less than nothing, and do not throw; the rest as above.
template <class Cost, class Rejection>
[[nodiscard]] std::size_t draft_length(std::span<float const> probabilities, Cost const& cost,
                                       Rejection const& rejection) noexcept {
  std::size_t const length = std::min(probabilities.size(), max_draft_tokens);
  std::array<double, max_draft_tokens + 1> charge;  // for a draft of so many tokens
  std::array<double, max_draft_tokens + 1> regret;  // of a draft of which so many were right
  for (std::size_t n = 0; n <= length; ++n) charge[n] = static_cast<double>(cost(n + 1));
  for (std::size_t n = 0; n < length; ++n) regret[n] = static_cast<double>(rejection(n));

  std::array<double, max_draft_tokens + 2> least;  // cost expected of the passes from so far on
  least[length + 1] = 0.0;
  std::size_t best = 0;
  for (std::size_t i = length + 1; i-- > 0;) {
    double right = 1.0;     // the chance that the whole draft is
    double rejected = 0.0;  // the cost expected of a rejection
    least[i] = std::numeric_limits<double>::infinity();
    best = 0;
    for (std::size_t n = 0; i + n <= length; ++n) {
      double const chance = i + n < length ? static_cast<double>(probabilities[i + n]) : 0.0;
      COPYSPEC_ASSERT(chance >= 0.0 && chance <= 1.0, "a chance lies within [0, 1]");
      double const expected = charge[n] + rejected + right * chance * least[i + n + 1];
      // Rounding does not decide between equals.
      if (expected < least[i] - 1e-12) {
        least[i] = expected;
        best = n;
      }
      if (n < length) rejected += right * (1.0 - chance) * regret[n];
      right *= chance;
    }
  }
  return best;
}

/// The same of a predicted tree: how many of its first nodes to draft.
///
/// The nodes stand in falling order of `reaches`, the chance that a node and all before it on its path are the model's
/// own; `parents` is as in `TreeSpace`. From node u on, the passes over what is predicted behind it cost at least, as
/// expected,
///
///     V(u) = min over n of  cost(n + 1)  +  sum of reach(v) / reach(u) * V(v)
///
/// where the draft is the first n nodes behind u, and the sum is over the nodes v that stand next to it, undrafted,
/// each of which the model may add itself and the next pass go on from. Behind the last predicted token a pass is left.
/// On a chain this is `draft_length(probabilities, cost)`.
///
/// O(nodes squared). Needs: parents before children, at most `max_draft_tokens` nodes; the rest as above.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<std::int32_t const> parents, std::span<float const> reaches,
                                       Cost const& cost) noexcept {
  COPYSPEC_ASSERT(parents.size() == reaches.size() && parents.size() <= max_draft_tokens, "a parent and a reach each");
  std::size_t const size = parents.size();
  std::array<double, max_draft_tokens + 1> charge;  // for a draft of so many nodes
  for (std::size_t n = 0; n <= size; ++n) charge[n] = static_cast<double>(cost(n + 1));

  // Nodes count from one here, and the context is node 0. Of each node reach * V, and what its children have together.
  std::array<double, max_draft_tokens + 1> value;
  std::array<double, max_draft_tokens + 1> of_children{};
  auto const parent = [&](std::size_t node) { return static_cast<std::size_t>(parents[node - 1] + 1); };
  std::size_t best = 0;
  for (std::size_t u = size + 1; u-- > 0;) {
    double const reach = u == 0 ? 1.0 : static_cast<double>(reaches[u - 1]);
    std::array<bool, max_draft_tokens + 1> behind{};
    behind[u] = true;
    double next = of_children[u];
    value[u] = reach * charge[0] + next;
    best = 0;
    std::size_t drafted = 0;
    for (std::size_t v = u + 1; v <= size; ++v) {
      if (!behind[parent(v)]) continue;
      behind[v] = true;
      next += of_children[v] - value[v];
      double const expected = reach * charge[++drafted] + next;
      // Rounding does not decide between equals, nor an infinite cost of what is never reached, which is no number.
      if (expected < value[u] - 1e-12) {
        value[u] = expected;
        best = drafted;
      }
    }
    if (u > 0) of_children[parent(u)] += value[u];
  }
  return best;
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
