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

/// What a stop rule says after a token was generated.
struct StopDecision {
  bool stop = false;     ///< Generation ends with this token.
  std::size_t held = 0;  ///< How many of the newest tokens are, or may still become, part of a stop: not to be shown.
};

/// The stricter of two decisions.
[[nodiscard]] constexpr StopDecision operator|(StopDecision a, StopDecision b) noexcept {
  if (a.stop != b.stop) return a.stop ? a : b;
  return {a.stop, std::max(a.held, b.held)};
}

/// A caller's own stop rule, for example on text: `predicate(id, generated)`, where `generated` is everything said in
/// this turn so far. It is called once for each token, in order, whether the token was drafted or not, so it may keep
/// state; after an exception it may see the same token again.
template <class F>
concept StopPredicate = requires(F& predicate, SequenceId id, std::span<Token const> generated) {
  { predicate(id, generated) } -> std::same_as<StopDecision>;
};

/// The predicate that never stops.
struct NeverStop {
  [[nodiscard]] constexpr StopDecision operator()(SequenceId, std::span<Token const>) const noexcept { return {}; }
};

/// Tokens and runs of tokens that end a turn.
struct StopRules {
  std::vector<Token> tokens = {};
  std::vector<std::vector<Token>> sequences = {};

  /// What the rules say once `generated` ends with its newest token. O(sum of the lengths squared), independent of how
  /// much was generated; allocates nothing. Empty sequences never stop.
  [[nodiscard]] StopDecision operator()(std::span<Token const> generated) const noexcept {
    if (generated.empty()) return {};
    StopDecision decision;
    if (std::find(tokens.begin(), tokens.end(), generated.back()) != tokens.end()) decision = {.stop = true, .held = 1};
    for (auto const& sequence : sequences) decision = decision | match(generated, sequence);
    return decision;
  }

 private:
  // The longest beginning of `sequence` that `generated` ends with.
  [[nodiscard]] static StopDecision match(std::span<Token const> generated, std::span<Token const> sequence) noexcept {
    for (std::size_t count = std::min(generated.size(), sequence.size()); count > 0; --count) {
      if (std::ranges::equal(generated.last(count), sequence.first(count)))
        return {.stop = count == sequence.size(), .held = count};
    }
    return {};
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
