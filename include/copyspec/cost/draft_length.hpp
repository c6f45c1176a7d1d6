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
#include "detail/row_classes.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Most tokens of a draft.
inline constexpr std::size_t max_draft_tokens = 512;

/// Most tokens of a draft that are predicted one by one, and most nodes of a tree. A longer draft goes on as a copy.
inline constexpr std::size_t max_predicted_tokens = 64;

namespace detail {

/// Expected number of tokens that a pass generates with a draft of these acceptance probabilities: the accepted tokens
/// and the bonus token. Each probability is conditional on all tokens before it being right. O(probabilities). No
/// allocation.
[[nodiscard]] inline double expected_tokens(std::span<float const> probabilities) noexcept {
  double tokens = 1;
  double survival = 1;
  for (float const probability : probabilities) tokens += survival *= static_cast<double>(probability);
  return tokens;
}

/// How many tokens of a chain to draft, if more than `max_predicted_tokens` pay: those with the least cost per expected
/// token, which is what the same draft costs if it is made again and again (renewal reward). Considers drafts whose
/// pass has the largest row count of its class (`RowClasses`), and the whole chain, unless its pass would have more
/// rows than any class. Only the first `max_draft_tokens` count. `rejection` is as in `draft_length`. O(probabilities).
/// No allocation.
template <class Cost, class Rejection>
[[nodiscard]] std::size_t longer_draft(std::span<float const> probabilities, Cost const& cost,
                                       Rejection const& rejection) noexcept {
  probabilities = probabilities.first(std::min(probabilities.size(), max_draft_tokens));
  double reach = 1;
  double tokens = 1;
  double rejected = 0;
  double least = std::numeric_limits<double>::infinity();
  std::size_t best = 0;
  for (std::size_t n = 1; n <= probabilities.size(); ++n) {
    auto const probability = static_cast<double>(probabilities[n - 1]);
    rejected += reach * (1 - probability) * rejection(n - 1);
    tokens += reach *= probability;
    bool const whole = n == probabilities.size() && n < RowClasses::most;
    if (n + 1 < max_predicted_tokens || !(whole || RowClasses::is_largest(n + 1))) continue;
    if (double const rate = (static_cast<double>(cost(n + 1)) + rejected) / tokens; rate < least) {
      least = rate;
      best = n;
    }
  }
  return best;
}

}  // namespace detail

/// How many tokens of a predicted chain to draft now, to minimise the long-run cost per generated token.
///
/// `probabilities[i]` is the probability that chain token `i` is the target model's own, given that all before it are.
/// Only the first `max_draft_tokens` tokens of the chain are considered. `cost(rows)` is the cost of a pass of that
/// many rows; a draft of n tokens takes n + 1 rows. The cost may have any shape: steps, free rows, jumps.
///
/// Wherever the chain is cut, the same tokens are generated: the drafted ones up to the first mismatch, then the target
/// model's token. So the best cut is the cheapest one, and the resulting token rate need not be known. From token i of
/// the chain on, the minimum expected cost of the passes is
///
///     W(i) = min over n of  cost(n + 1)  +  P(all n tokens and the one after them are right) * W(i + n + 1)
///
/// with W beyond the chain zero. The result is the smallest n that attains W(0). A chain that is cut here continues in
/// the next pass, after the token that the target model adds itself. This is dynamic programming (Bellman 1957). It
/// beats deciding for each token alone whether it pays for its row. Where all of the first `max_predicted_tokens` pay,
/// more may: then the result is the draft with the least cost per expected token, as if the chain went on like that.
///
/// O(chain squared) up to `max_predicted_tokens`: `cost` is called once per row count, and the rest is a loop of
/// multiplications that vectorises. O(1) for each token beyond these. No allocation. Requires: probabilities within [0,
/// 1]; costs that are not negative, with a finite cost of one row; `cost` does not throw. Threads: a function of its
/// arguments.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<float const> probabilities, Cost const& cost) noexcept {
  std::size_t const length = std::min(probabilities.size(), max_predicted_tokens);
  std::array<double, max_predicted_tokens + 1> charge;  // indexed by the number of draft tokens
  for (std::size_t n = 0; n <= length; ++n) charge[n] = static_cast<double>(cost(n + 1));

  // later[end]: expected cost of the passes after the current one, if that drafts up to `end`. One token earlier, it is
  // multiplied by that token's probability, whatever the end.
  std::array<double, max_predicted_tokens + 1> later;
  later[length] = 0.0;
  double least = charge[0];
  for (std::size_t i = length; i-- > 0;) {
    double const probability = static_cast<double>(probabilities[i]);
    COPYSPEC_ASSERT(probability >= 0.0 && probability <= 1.0, "a probability lies within [0, 1]");
    later[i] = probability * least;
    for (std::size_t end = i + 1; end < length; ++end) later[end] *= probability;
    least = charge[0] + later[i];
    for (std::size_t end = i + 1; end <= length; ++end) least = std::min(least, charge[end - i] + later[end]);
  }
  // Rounding must not decide between equal costs.
  constexpr double tie = 1e-12;
  std::size_t n = 0;
  while (n < length && charge[n] + later[n] > least + tie) ++n;
  if (n < max_predicted_tokens || n == probabilities.size()) return n;
  return detail::longer_draft(probabilities, cost, [](std::size_t) { return 0.0; });
}

/// The same for a model that cannot roll back, where a rejected draft costs more than its pass. `rejection(n)` is the
/// additional cost if the first n draft tokens are right and the next is not. Then
///
///     W(i) = min over n of  cost(n + 1)
///                           +  sum over k < n of  P(k tokens are right and the next is not) * rejection(k)
///                           +  P(all n tokens and the one after them are right) * W(i + n + 1)
///
/// O(chain squared), where each step depends on the one before. No allocation. Requires: rejection costs that are
/// finite and not negative; `rejection` does not throw; the rest as above.
template <class Cost, class Rejection>
[[nodiscard]] std::size_t draft_length(std::span<float const> probabilities, Cost const& cost,
                                       Rejection const& rejection) noexcept {
  std::size_t const length = std::min(probabilities.size(), max_predicted_tokens);
  std::array<double, max_predicted_tokens + 1> charge;  // indexed by the number of draft tokens
  std::array<double, max_predicted_tokens + 1> regret;  // indexed by the number of accepted tokens
  for (std::size_t n = 0; n <= length; ++n) charge[n] = static_cast<double>(cost(n + 1));
  for (std::size_t n = 0; n < length; ++n) regret[n] = static_cast<double>(rejection(n));

  std::array<double, max_predicted_tokens + 2> least;  // of the passes from token i on, expected
  least[length + 1] = 0.0;
  std::size_t best = 0;
  for (std::size_t i = length + 1; i-- > 0;) {
    double right = 1.0;     // probability that the whole draft is right
    double rejected = 0.0;  // expected cost of a rejection
    least[i] = std::numeric_limits<double>::infinity();
    best = 0;
    for (std::size_t n = 0; i + n <= length; ++n) {
      double const probability = i + n < length ? static_cast<double>(probabilities[i + n]) : 0.0;
      COPYSPEC_ASSERT(probability >= 0.0 && probability <= 1.0, "a probability lies within [0, 1]");
      double const expected = charge[n] + rejected + right * probability * least[i + n + 1];
      // Rounding must not decide between equal costs.
      if (expected < least[i] - 1e-12) {
        least[i] = expected;
        best = n;
      }
      if (n < length) rejected += right * (1.0 - probability) * regret[n];
      right *= probability;
    }
  }
  if (best < max_predicted_tokens || best == probabilities.size()) return best;
  return detail::longer_draft(probabilities, cost, rejection);
}

/// The same for a predicted tree: how many of its first nodes to draft.
///
/// The nodes are sorted by falling `reaches`: the probability that a node and all nodes before it on its path are the
/// target model's own. `parents` is as in `TreeSpace`. From node u on, the minimum expected cost of the passes over its
/// predicted descendants is
///
///     V(u) = min over n of  cost(n + 1)  +  sum over v of  reach(v) / reach(u) * V(v)
///
/// The draft is the first n descendants of u. The sum is over the undrafted nodes v whose parent is u or in the draft:
/// the target model may add any of them itself, and the next pass continues from it. After the last predicted token,
/// one pass remains. On a chain this is `draft_length(probabilities, cost)`.
///
/// O(nodes squared). No allocation. Requires: parents before children, at most `max_predicted_tokens` nodes; the rest
/// as above.
template <class Cost>
[[nodiscard]] std::size_t draft_length(std::span<std::int32_t const> parents, std::span<float const> reaches,
                                       Cost const& cost) noexcept {
  COPYSPEC_ASSERT(parents.size() == reaches.size() && parents.size() <= max_predicted_tokens,
                  "a parent and a reach each");
  std::size_t const size = parents.size();
  std::array<double, max_predicted_tokens + 1> charge;  // indexed by the number of draft nodes
  for (std::size_t n = 0; n <= size; ++n) charge[n] = static_cast<double>(cost(n + 1));

  // Nodes count from one here, and the context is node 0. `value` is reach * V of each node, `of_children` the sum of
  // it over a node's children.
  std::array<double, max_predicted_tokens + 1> value;
  std::array<double, max_predicted_tokens + 1> of_children{};
  auto const parent = [&](std::size_t node) { return static_cast<std::size_t>(parents[node - 1] + 1); };
  std::size_t best = 0;
  for (std::size_t u = size + 1; u-- > 0;) {
    double const reach = u == 0 ? 1.0 : static_cast<double>(reaches[u - 1]);
    std::array<bool, max_predicted_tokens + 1> in_subtree{};
    in_subtree[u] = true;
    double next = of_children[u];
    value[u] = reach * charge[0] + next;
    best = 0;
    std::size_t drafted = 0;
    for (std::size_t v = u + 1; v <= size; ++v) {
      if (!in_subtree[parent(v)]) continue;
      in_subtree[v] = true;
      next += of_children[v] - value[v];
      double const expected = reach * charge[++drafted] + next;
      // Rounding must not decide between equal costs. Nor must the NaN of an infinite cost times a reach of zero.
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
