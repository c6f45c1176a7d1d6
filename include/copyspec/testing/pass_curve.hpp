// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../cost/pass_level.hpp"
#include "../detail/stopwatch.hpp"
#include "../model/model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// Which passes to time.
struct PassCurveOptions {
  /// Row counts, ascending. A `PassCost` can be made of those up to 64.
  std::vector<std::size_t> rows = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
  std::size_t context = 256;    ///< Tokens that each sequence holds before a pass.
  std::size_t sequences = 1;    ///< That share a pass; its rows are divided among them.
  std::size_t repetitions = 5;  ///< Of each row count.
  SequenceId first{0};          ///< The sequences have the ids from here on. They are forgotten before and after.
  /// Called before each round of passes, with the number of rounds done and of all.
  std::function<void(std::size_t, std::size_t)> on_round = {};
};

/// Times passes of a model by their number of rows: the median of each row count, as levels that `PassCost::remembered`
/// takes. Each round times every row count once, so that what slows a machine down for a while hits all alike; a first
/// round is not counted. Tokens are random.
///
/// Throws `Error` if the row counts do not ascend from at least 1, if a pass or a context would exceed the limits of
/// the model, or if anything else is zero. What the model throws passes through. Costs `repetitions` + 1 passes of each
/// row count. Threads: as the model; nothing else should run meanwhile.
template <Model M, class Clock = std::chrono::steady_clock>
[[nodiscard]] std::vector<PassLevel> measure_pass_curve(M& model, PassCurveOptions const& options = {}) {
  auto const refuse = [](std::string const& what) { raise_error(ErrorCode::bad_options, what); };
  if (options.rows.empty() || options.repetitions == 0 || options.sequences == 0)
    refuse("no passes to time: there are no row counts, repetitions or sequences");
  std::size_t const most = options.rows.back();
  std::size_t const limit = detail::as_count(model.context_limit());
  for (std::size_t before = 0; std::size_t const rows : options.rows) {
    if (rows <= before) refuse("passes of " + std::to_string(rows) + " rows come after " + std::to_string(before));
    before = rows;
  }
  if (std::size_t const tokens = detail::as_count(model.max_tokens()); most > tokens)
    refuse("a pass of " + std::to_string(most) + " rows has more than " + std::to_string(tokens) + " tokens");
  if (options.context == 0 || options.context > limit || limit - options.context < most)
    refuse("a sequence of " + std::to_string(options.context) + " tokens, and a pass of " + std::to_string(most) +
           " rows, do not fit into a context of 1 to " + std::to_string(limit) + " tokens");

  std::mt19937_64 random(1);
  std::vector<Token> tokens(std::max(options.context, most));
  std::size_t const vocabulary = detail::as_count(model.vocabulary_size());
  for (Token& token : tokens) token = static_cast<Token>(random() % vocabulary);
  auto const id = [&](std::size_t sequence) {
    return SequenceId{static_cast<std::int32_t>(options.first) + static_cast<std::int32_t>(sequence)};
  };
  for (std::size_t i = 0; i < options.sequences; ++i) {
    model.truncate(id(i), 0);
    for (std::span<Token const> left = std::span(tokens).first(options.context); !left.empty();) {
      Segment const part{id(i), left.first(std::min(left.size(), detail::as_count(model.max_tokens()))), 0};
      (void)model.forward({&part, 1});
      left = left.subspan(part.tokens.size());
    }
  }
  std::vector<std::vector<double>> seconds(options.rows.size());
  std::vector<Segment> segments;
  for (std::size_t round = 0; round <= options.repetitions; ++round) {
    if (options.on_round) options.on_round(round, options.repetitions + 1);
    for (std::size_t at = 0; at < options.rows.size(); ++at) {
      std::size_t const rows = options.rows[at];
      segments.clear();
      for (std::size_t i = 0; i < std::min(rows, options.sequences); ++i) {
        std::size_t const own = rows / options.sequences + (i < rows % options.sequences ? 1 : 0);
        segments.push_back({id(i), std::span(tokens).first(own), own});
      }
      typename Clock::duration spent{};
      detail::timed<Clock>(spent, [&] { (void)model.forward(segments); });
      for (Segment const& segment : segments) model.truncate(segment.sequence, options.context);
      if (round > 0) seconds[at].push_back(std::chrono::duration<double>(spent).count());
    }
  }
  for (std::size_t i = 0; i < options.sequences; ++i) model.truncate(id(i), 0);
  std::vector<PassLevel> levels;
  for (std::size_t at = 0; at < options.rows.size(); ++at) {
    auto const middle = seconds[at].begin() + static_cast<std::ptrdiff_t>(seconds[at].size() / 2);
    std::nth_element(seconds[at].begin(), middle, seconds[at].end());
    levels.push_back({.rows = options.rows[at], .seconds = *middle, .passes = options.repetitions});
  }
  return levels;
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
