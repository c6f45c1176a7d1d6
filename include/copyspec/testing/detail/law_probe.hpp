// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/model.hpp"
#include "../law_report.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Feeds a model, compares rows that should be equal, and records which law is violated and how. The base of
/// `ModelLaws` and `TreeLaws`.
template <Model M>
class LawProbe {
 public:
  using Scalar = typename LogitsOf<M>::Scalar;
  using Rows = std::vector<std::vector<Scalar>>;

  LawProbe(M& model, testing::LawOptions const& options) : model_(model), options_(options) {}

  [[nodiscard]] testing::LawReport const& report() const noexcept { return report_; }

  [[nodiscard]] std::vector<Token> draw(std::mt19937_64& random) const {
    std::vector<Token> tokens(options_.length);
    for (Token& token : tokens) token = static_cast<Token>(random() % as_count(model_.vocabulary_size()));
    return tokens;
  }

  void violated(std::string const& law, std::string const& what) { report_.violations.push_back(law + ": " + what); }

  void forget(SequenceId sequence) {
    if (as_count(model_.truncate(sequence, 0)) != 0) violated("rewind", "truncate to nothing must return 0");
  }

  void forget_all() {
    forget(options_.first);
    if (options_.second) forget(*options_.second);
  }

  /// Runs a pass and copies the rows out of the view.
  template <class AnySegment>
  Rows pass(std::span<AnySegment const> batch) {
    std::size_t asked = 0;
    for (AnySegment const& segment : batch) asked += segment.rows;
    auto const view = model_.forward(batch);
    if (view.rows() != asked)
      violated("rows", std::to_string(asked) + " rows were requested and " + std::to_string(view.rows()) + " returned");
    if (view.rows() > 0 && view.vocabulary() != as_count(model_.vocabulary_size()))
      violated("rows", "a row has " + std::to_string(view.vocabulary()) + " logits where vocabulary_size() is " +
                           std::to_string(as_count(model_.vocabulary_size())));
    Rows rows;
    for (std::size_t i = 0; i < view.rows(); ++i) rows.emplace_back(view.row(i).begin(), view.row(i).end());
    return rows;
  }

  /// Feeds `tokens` after what is held, at most `chunk` per pass, and requests a row after each.
  Rows feed(SequenceId sequence, std::span<Token const> tokens, std::size_t chunk) {
    Rows rows;
    for (chunk = std::min<std::size_t>(chunk, as_count(model_.max_tokens())); !tokens.empty();) {
      std::span<Token const> const part = tokens.first(std::min(chunk, tokens.size()));
      Segment const segment{.sequence = sequence, .tokens = part, .rows = part.size()};
      for (auto& row : pass(std::span<Segment const>(&segment, 1))) rows.push_back(std::move(row));
      tokens = tokens.subspan(part.size());
    }
    return rows;
  }

  /// The rows of `tokens` in a sequence that held nothing before; it holds nothing afterwards either.
  Rows fresh(SequenceId sequence, std::span<Token const> tokens) {
    forget(sequence);
    Rows rows = feed(sequence, tokens, tokens.size());
    forget(sequence);
    return rows;
  }

  static Rows first(Rows const& rows, std::size_t count) {
    return Rows(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(std::min(count, rows.size())));
  }

  static Rows last(Rows const& rows, std::size_t count) {
    return Rows(rows.end() - static_cast<std::ptrdiff_t>(std::min(count, rows.size())), rows.end());
  }

  /// Records a violation of `law` unless `expected` and `actual` are equal up to the tolerance. `what`, a plural,
  /// begins the message. `position` is that of the token before the first row, in its sequence, if they are of one
  /// chain.
  void expect(std::string const& law, std::string const& what, Rows const& expected, Rows const& actual,
              std::optional<std::size_t> position = std::nullopt) {
    if (expected.size() != actual.size()) return violated(law, what + " differ in number");
    double worst = 0;
    for (std::size_t row = 0; row < expected.size(); ++row) {
      if (expected[row].size() != actual[row].size()) return violated(law, what + " differ in length");
      for (std::size_t token = 0; token < expected[row].size(); ++token) {
        if (expected[row][token] == actual[row][token]) continue;
        double const difference =
            std::abs(static_cast<double>(expected[row][token]) - static_cast<double>(actual[row][token]));
        // Written so that a NaN on one side counts as a difference.
        if (!(difference <= options_.tolerance))
          return violated(law, what + " differ by " + std::to_string(difference) +
                                   (position ? " after the token at position " + std::to_string(*position + row)
                                             : " at row " + std::to_string(row)) +
                                   ", in the logit of token " + std::to_string(token));
        worst = std::max(worst, difference);
      }
    }
    report_.largest_difference = std::max(report_.largest_difference, worst);
  }

 protected:
  M& model_;
  testing::LawOptions options_;

 private:
  testing::LawReport report_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
