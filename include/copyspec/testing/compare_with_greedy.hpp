// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// The first token where a decoder differs from greedy decoding.
struct Divergence {
  std::size_t position = 0;       ///< Counted from the first generated token.
  std::optional<Token> expected;  ///< Greedy decoding's token; nothing if it had ended.
  std::optional<Token> actual;    ///< The decoder's token; nothing if it had ended.
  double expected_logit = std::numeric_limits<double>::quiet_NaN();  ///< In the reference row; NaN without a token.
  double actual_logit = std::numeric_limits<double>::quiet_NaN();    ///< In the same row; NaN without a token.

  /// How far the logit of the decoder's token is below the greatest. A margin near the engine's rounding is a near-tie,
  /// where a pass of another shape may legitimately choose otherwise. A much greater one is a bug.
  [[nodiscard]] double margin() const noexcept { return expected_logit - actual_logit; }

  /// All of it in one line.
  [[nodiscard]] std::string describe() const {
    auto const say = [](std::optional<Token> token, double logit) {
      return token ? "token " + std::to_string(*token) + " (logit " + std::to_string(logit) + ")"
                   : std::string("the end");
    };
    return "position " + std::to_string(position) + ": expected " + say(expected, expected_logit) + ", got " +
           say(actual, actual_logit) + ", margin " + std::to_string(margin());
  }
};

/// The outcome of a comparison.
struct GreedyComparison {
  std::size_t agreed = 0;  ///< Tokens that are equal, up to the first difference.
  std::optional<Divergence> divergence;

  [[nodiscard]] bool identical() const noexcept { return !divergence; }
};

/// What to compare.
struct GreedyComparisonOptions {
  std::size_t max_new_tokens = 64;
  std::span<Token const> stop_tokens = {};  ///< Generation ends with the first of these; both sides include it.
  SequenceId sequence{0};                   ///< For the reference; forgotten before and after.
};

/// Runs `decode(prompt)`, any decoder of the caller, which returns a range of generated tokens. Compares them with
/// greedy decoding by `model`: one token per pass, the greatest logit, the lowest id if logits are equal. The reference
/// shares no code with the library's composer and verifiers.
///
/// The decoder has returned before the reference begins, so both may use one engine. Requires a prompt of at least one
/// token. One pass per token up to the first difference. Allocates. Exceptions of either side pass through.
template <Model M, class Decoder>
[[nodiscard]] GreedyComparison compare_with_greedy(M& model, std::span<Token const> prompt, Decoder&& decode,
                                                   GreedyComparisonOptions const& options = {}) {
  auto const decoded = decode(prompt);
  std::vector<Token> const actual(std::begin(decoded), std::end(decoded));

  GreedyComparison comparison;
  model.truncate(options.sequence, 0);
  std::vector<Token> pending(prompt.begin(), prompt.end());
  bool ended = options.max_new_tokens == 0;
  for (std::size_t position = 0;; ++position) {
    if (ended && position >= actual.size()) break;
    Divergence difference{.position = position, .expected = std::nullopt, .actual = std::nullopt};
    if (position < actual.size()) difference.actual = actual[position];
    if (!ended) {
      LogitsOf<M> rows;
      for (std::size_t fed = 0; fed < pending.size();) {
        std::size_t const count = std::min<std::size_t>(pending.size() - fed, detail::as_count(model.max_tokens()));
        Segment const segment{.sequence = options.sequence,
                              .tokens = std::span<Token const>(pending).subspan(fed, count),
                              .rows = fed + count == pending.size() ? 1U : 0U};
        rows = model.forward({&segment, 1});
        fed += count;
      }
      auto const row = rows.row(0);
      auto const best = std::max_element(row.begin(), row.end());
      difference.expected = static_cast<Token>(best - row.begin());
      difference.expected_logit = static_cast<double>(*best);
      if (difference.actual && *difference.actual >= 0 && static_cast<std::size_t>(*difference.actual) < row.size())
        difference.actual_logit = static_cast<double>(row[static_cast<std::size_t>(*difference.actual)]);
    }
    if (difference.expected != difference.actual) {
      comparison.divergence = difference;
      break;
    }
    ++comparison.agreed;
    pending.assign(1, *difference.expected);
    ended = comparison.agreed == options.max_new_tokens ||
            prompt.size() + comparison.agreed == detail::as_count(model.context_limit()) ||
            std::ranges::find(options.stop_tokens, *difference.expected) != options.stop_tokens.end();
  }
  model.truncate(options.sequence, 0);
  return comparison;
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
