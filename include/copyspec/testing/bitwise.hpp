// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// Which rows to compare.
struct BitwiseOptions {
  /// Rows of the passes, ascending from at least 2.
  std::vector<std::size_t> rows = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 32};
  std::vector<std::size_t> contexts = {32, 400};  ///< Tokens held before the first row that is compared.
  /// Rows compared for each number of rows and each context; fewer where they do not fill the last pass.
  std::size_t length = 64;
  std::vector<Token> tokens = {};  ///< The text. If empty, it is random.
  std::uint64_t seed = 1;          ///< Of the random text.
  SequenceId sequence{0};          ///< Forgotten before and after.
  /// Called before each of the rounds of passes, with the number of rounds done and of all.
  std::function<void(std::size_t, std::size_t)> on_round = {};
};

/// What came of comparing rows with those of a reference.
struct BitwiseCount {
  std::size_t compared = 0;
  std::size_t differing = 0;  ///< In any bit.
  double largest = 0;         ///< The greatest difference between two logits.
  std::size_t flips = 0;      ///< Rows whose best token is another one.
};

/// What came of passes of `rows` rows after a context.
struct BitwiseRows {
  std::size_t context = 0;
  std::size_t rows = 0;
  BitwiseCount one;  ///< Compared with passes of one row.
  BitwiseCount two;  ///< Compared with passes of two rows, of which the second was thrown away.
};

}  // namespace testing
namespace detail {

/// Adds two rows to a count. O(row).
template <class Scalar>
void compare_rows(std::span<Scalar const> expected, std::span<Scalar const> row, testing::BitwiseCount& count) {
  ++count.compared;
  if (std::memcmp(expected.data(), row.data(), row.size_bytes()) == 0) return;
  ++count.differing;
  for (std::size_t i = 0; i < row.size(); ++i)
    // A NaN is no difference that could be measured.
    count.largest = std::max(count.largest, std::abs(static_cast<double>(row[i]) - static_cast<double>(expected[i])));
  auto const best = [](std::span<Scalar const> logits) { return std::ranges::max_element(logits) - logits.begin(); };
  if (best(expected) != best(row)) ++count.flips;
}

/// Feeds a text in passes of different numbers of rows. See `testing::check_bitwise`.
template <Model M>
class BitwiseCheck {
  using Scalar = typename LogitsOf<M>::Scalar;

 public:
  BitwiseCheck(M& model, testing::BitwiseOptions options) : model_(model), options_(std::move(options)) {
    auto const refuse = [](std::string const& what) { raise_error(ErrorCode::bad_options, what); };
    if (options_.rows.empty() || options_.contexts.empty()) refuse("no rows to compare: no row counts, or no contexts");
    for (std::size_t before = 1; std::size_t const rows : options_.rows) {
      if (rows <= before)
        refuse("passes of " + std::to_string(rows) + " rows come after " + std::to_string(before) + ": ascend from 2");
      before = rows;
    }
    if (std::size_t const most = as_count(model_.max_tokens()); options_.rows.back() > most)
      refuse("a pass of " + std::to_string(options_.rows.back()) + " rows has more than " + std::to_string(most) +
             " tokens");
    if (options_.rows.back() > options_.length)
      refuse(std::to_string(options_.length) + " rows do not fill a pass of " + std::to_string(options_.rows.back()));
    // A pass of two rows at the last position has a token beyond it.
    std::size_t const needed = std::ranges::max(options_.contexts) + options_.length + 1;
    if (std::size_t const limit = as_count(model_.context_limit()); needed > limit)
      refuse(std::to_string(needed) + " tokens do not fit into a context of " + std::to_string(limit));
    if (options_.tokens.empty()) {
      std::mt19937_64 random(options_.seed);
      std::size_t const vocabulary = as_count(model_.vocabulary_size());
      options_.tokens.resize(needed);
      for (Token& token : options_.tokens) token = static_cast<Token>(random() % vocabulary);
    }
    if (options_.tokens.size() < needed)
      refuse("a text of " + std::to_string(options_.tokens.size()) + " tokens is shorter than the " +
             std::to_string(needed) + " that are fed");
  }

  [[nodiscard]] std::vector<testing::BitwiseRows> check() {
    std::vector<testing::BitwiseRows> results;
    for (std::size_t const context : options_.contexts) {
      model_.truncate(options_.sequence, 0);
      for (std::size_t fed = 0; fed < context;) {
        std::size_t const part = std::min(context - fed, as_count(model_.max_tokens()));
        feed(fed, part, 0);
        fed += part;
      }
      std::vector<Scalar> const one = reference(context, 1);
      std::vector<Scalar> const two = reference(context, 2);
      for (std::size_t const rows : options_.rows) {
        begin_round();
        results.push_back({.context = context, .rows = rows, .one = {}, .two = {}});
        for (std::size_t at = 0; at + rows <= options_.length; at += rows) {
          auto const view = feed(context + at, rows, rows);
          for (std::size_t i = 0; i < rows; ++i) {
            compare_rows<Scalar>(row_of(one, at + i), view.row(i), results.back().one);
            compare_rows<Scalar>(row_of(two, at + i), view.row(i), results.back().two);
          }
        }
        cut(context);
      }
    }
    model_.truncate(options_.sequence, 0);
    return results;
  }

 private:
  // The rows after the context, of passes of `rows`, of which only the first is kept.
  std::vector<Scalar> reference(std::size_t context, std::size_t rows) {
    begin_round();
    std::vector<Scalar> kept;
    kept.reserve(options_.length * as_count(model_.vocabulary_size()));
    for (std::size_t at = context; at < context + options_.length; ++at) {
      auto const row = feed(at, rows, rows).row(0);
      kept.insert(kept.end(), row.begin(), row.end());
      if (rows > 1) cut(at + 1);
    }
    cut(context);
    return kept;
  }

  LogitsOf<M> feed(std::size_t at, std::size_t count, std::size_t rows) {
    Segment const segment{options_.sequence, std::span<Token const>(options_.tokens).subspan(at, count), rows};
    return model_.forward({&segment, 1});
  }

  void cut(std::size_t length) {
    if (std::size_t const held = as_count(model_.truncate(options_.sequence, length)); held != length)
      raise_error(ErrorCode::engine, "the model truncates to " + std::to_string(held) + " tokens instead of " +
                                         std::to_string(length) + ": rows of other passes would be compared");
  }

  std::span<Scalar const> row_of(std::vector<Scalar> const& rows, std::size_t index) const {
    std::size_t const vocabulary = as_count(model_.vocabulary_size());
    return std::span<Scalar const>(rows).subspan(index * vocabulary, vocabulary);
  }

  void begin_round() {
    if (options_.on_round) options_.on_round(round_, options_.contexts.size() * (options_.rows.size() + 2));
    ++round_;
  }

  M& model_;
  testing::BitwiseOptions options_;
  std::size_t round_ = 0;
};

}  // namespace detail
namespace testing {

/// Compares the rows of passes of several rows, bit for bit, with those of passes of one row, and with those of passes
/// of two rows of which the second is thrown away. Everything after the context is fed in such passes, as decoding
/// does. One result for each context and number of rows, in their order. `describe_bitwise` shows them.
///
/// Throws `Error` if row counts do not ascend from 2, if there is nothing to compare, if passes or the text do not fit
/// the model or the options, or if the model cannot be truncated to every length. What the model throws passes through.
///
/// Costs two passes for each row of `length` and each context, and `length` / n of each row count n. Memory: twice
/// `length` rows. Threads: as the model.
template <Model M>
[[nodiscard]] std::vector<BitwiseRows> check_bitwise(M& model, BitwiseOptions const& options = {}) {
  return detail::BitwiseCheck<M>(model, options).check();
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
