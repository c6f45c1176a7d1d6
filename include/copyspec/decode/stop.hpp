// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The decision of a stop rule after a token was generated.
struct StopDecision {
  bool stop = false;     ///< Generation ends with this token.
  std::size_t held = 0;  ///< Number of newest tokens that are or may become part of a stop: do not show them.

  /// The stricter of two decisions.
  [[nodiscard]] friend constexpr StopDecision operator|(StopDecision a, StopDecision b) noexcept {
    if (a.stop != b.stop) return a.stop ? a : b;
    return {a.stop, std::max(a.held, b.held)};
  }
};

/// A caller's own stop rule, for example on text: `predicate(id, generated)`. `generated` is everything generated in
/// this turn so far. It is called once for each token, in order, whether the token was drafted or not, so it may keep
/// state. After an exception it may see the same token again.
template <class F>
concept StopPredicate = requires(F& predicate, SequenceId id, std::span<Token const> generated) {
  { predicate(id, generated) } -> std::same_as<StopDecision>;
};

namespace detail {

/// The predicate that never stops.
struct NeverStop {
  [[nodiscard]] constexpr StopDecision operator()(SequenceId, std::span<Token const>) const noexcept { return {}; }
};

}  // namespace detail

/// Single tokens and token sequences that end a turn.
struct StopRules {
  std::vector<Token> tokens = {};
  std::vector<std::vector<Token>> sequences = {};

  /// The decision for `generated` and its newest token. If not `may_stop`, no stop may be complete at this token: what
  /// may become part of a later one is held. O(sum of the lengths squared), independent of how much was generated.
  /// Allocates nothing. Empty sequences never stop.
  [[nodiscard]] StopDecision operator()(std::span<Token const> generated, bool may_stop = true) const noexcept {
    if (generated.empty()) return {};
    StopDecision decision;
    if (may_stop && std::find(tokens.begin(), tokens.end(), generated.back()) != tokens.end())
      decision = {.stop = true, .held = 1};
    for (auto const& sequence : sequences) decision = decision | match(generated, sequence, may_stop);
    return decision;
  }

 private:
  // Finds the longest prefix of `sequence` that is a suffix of `generated`. Only if `may_stop`, it may be all of it.
  [[nodiscard]] static StopDecision match(std::span<Token const> generated, std::span<Token const> sequence,
                                          bool may_stop) noexcept {
    if (sequence.empty()) return {};
    std::size_t const longest = sequence.size() - (may_stop ? 0 : 1);
    for (std::size_t count = std::min(generated.size(), longest); count > 0; --count) {
      if (std::ranges::equal(generated.last(count), sequence.first(count)))
        return {.stop = count == sequence.size(), .held = count};
    }
    return {};
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
