// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../model.hpp"
#include "../token.hpp"

namespace copyspec::inline v0::testing {

/// How a model is examined.
struct LawOptions {
  std::size_t length = 24;  ///< Tokens in each test sequence, at least 4.
  double tolerance = 0;     ///< Greatest difference between logits that counts as rounding.
  std::uint64_t seed = 1;   ///< Chooses the tokens.
  SequenceId first{0};
  /// A second sequence, for the laws about several. Nothing: the engine serves only one, and they are not examined.
  std::optional<SequenceId> second = SequenceId{1};
};

/// What was found out about a model.
struct LawReport {
  std::vector<std::string> violations;  ///< One sentence each, beginning with the name of the law.
  double largest_difference = 0;        ///< Between logits that should be equal, where no law was broken.

  [[nodiscard]] bool ok() const noexcept { return violations.empty(); }
};

/// Examines whether `model` keeps the laws of `Model`, by feeding it random tokens in different ways and comparing the
/// rows. Says in words which law broke. Both sequences are forgotten before and after; others are left alone.
///
/// Costs some fifteen passes over `options.length` tokens, and memory for four times as many rows. A model that passes
/// may still break a law elsewhere: this finds adapters that mix up positions, sequences, rows or caches. What `forward`
/// throws passes through.
template <Model M>
class ModelLaws {
 public:
  using Scalar = typename LogitsOf<M>::Scalar;

  explicit ModelLaws(M& model, LawOptions const& options = {}) : model_(model), options_(options) {}

  [[nodiscard]] LawReport check() {
    forget_all();
    std::mt19937_64 random(options_.seed);
    std::vector<Token> const tokens = draw(random);
    std::vector<Token> const others = draw(random);
    std::size_t const half = options_.length / 2;
    std::vector<Token> mixed(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(half));
    mixed.insert(mixed.end(), others.begin() + static_cast<std::ptrdiff_t>(half), others.end());
    if (mixed[half] == tokens[half])
      mixed[half] = static_cast<Token>((static_cast<std::size_t>(mixed[half]) + 1) % model_.vocabulary_size());

    Rows const reference = fresh(options_.first, tokens);
    Rows const mixed_reference = fresh(options_.first, mixed);
    expect("causal", "the rows after a common beginning, when later tokens differ", first(reference, half),
           first(mixed_reference, half));
    check_chunks(tokens, reference);
    check_rewind(tokens, mixed, half, mixed_reference);
    if (options_.second) {
      Rows const other_reference = fresh(*options_.second, others);
      check_batching(tokens, others, reference, other_reference);
      check_isolation(tokens, others, half, reference);
    }
    forget_all();
    return std::move(report_);
  }

 private:
  using Rows = std::vector<std::vector<Scalar>>;

  std::vector<Token> draw(std::mt19937_64& random) const {
    std::vector<Token> tokens(options_.length);
    for (Token& token : tokens) token = static_cast<Token>(random() % model_.vocabulary_size());
    return tokens;
  }

  void violated(std::string const& law, std::string const& what) { report_.violations.push_back(law + ": " + what); }

  void forget(SequenceId sequence) {
    if (model_.truncate(sequence, 0) != 0) violated("rewind", "truncate to nothing must return 0");
  }

  void forget_all() {
    forget(options_.first);
    if (options_.second) forget(*options_.second);
  }

  // Runs a pass and takes the rows out of the view.
  Rows pass(std::span<Segment const> batch) {
    std::size_t asked = 0;
    for (Segment const& segment : batch) asked += segment.rows;
    auto const view = model_.forward(batch);
    if (view.rows() != asked)
      violated("rows", std::to_string(asked) + " rows were asked for and " + std::to_string(view.rows()) + " returned");
    if (view.rows() > 0 && view.vocabulary() != model_.vocabulary_size())
      violated("rows", "a row has " + std::to_string(view.vocabulary()) + " logits where vocabulary_size() is " +
                           std::to_string(model_.vocabulary_size()));
    Rows rows;
    for (std::size_t i = 0; i < view.rows(); ++i) rows.emplace_back(view.row(i).begin(), view.row(i).end());
    return rows;
  }

  // Feeds `tokens` behind what is held, at most `chunk` a pass, with a row after each.
  Rows feed(SequenceId sequence, std::span<Token const> tokens, std::size_t chunk) {
    Rows rows;
    for (chunk = std::min<std::size_t>(chunk, model_.max_tokens()); !tokens.empty();) {
      std::span<Token const> const part = tokens.first(std::min(chunk, tokens.size()));
      Segment const segment{.sequence = sequence, .tokens = part, .rows = part.size()};
      for (auto& row : pass({&segment, 1})) rows.push_back(std::move(row));
      tokens = tokens.subspan(part.size());
    }
    return rows;
  }

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

  void expect(std::string const& law, std::string const& what, Rows const& expected, Rows const& actual) {
    if (expected.size() != actual.size()) return violated(law, what + " differ in number");
    double worst = 0;
    for (std::size_t row = 0; row < expected.size(); ++row) {
      if (expected[row].size() != actual[row].size()) return violated(law, what + " differ in length");
      for (std::size_t token = 0; token < expected[row].size(); ++token) {
        if (expected[row][token] == actual[row][token]) continue;
        double const difference =
            std::abs(static_cast<double>(expected[row][token]) - static_cast<double>(actual[row][token]));
        // Written so that a NaN on one side is a difference.
        if (!(difference <= options_.tolerance))
          return violated(law, what + " differ by " + std::to_string(difference) + " at row " + std::to_string(row) +
                                   ", token " + std::to_string(token));
        worst = std::max(worst, difference);
      }
    }
    report_.largest_difference = std::max(report_.largest_difference, worst);
  }

  void check_chunks(std::span<Token const> tokens, Rows const& reference) {
    for (std::size_t const chunk : std::array<std::size_t, 2>{1, 3}) {
      forget(options_.first);
      expect("chunks", "the rows of tokens fed " + std::to_string(chunk) + " a pass and of all at once", reference,
             feed(options_.first, tokens, chunk));
    }
    forget(options_.first);
    // As a prompt is fed: no row before the newest token.
    std::size_t const chunk = std::min<std::size_t>(model_.max_tokens(), 5);
    for (std::size_t fed = 0; fed < tokens.size();) {
      auto const part = tokens.subspan(fed, std::min(chunk, tokens.size() - fed));
      fed += part.size();
      Segment const segment{.sequence = options_.first, .tokens = part, .rows = fed == tokens.size() ? 1U : 0U};
      Rows const rows = pass({&segment, 1});
      if (fed == tokens.size()) expect("rows", "the last row, asked for alone or with all others", last(reference, 1), rows);
    }
    forget(options_.first);
  }

  void check_rewind(std::span<Token const> tokens, std::span<Token const> mixed, std::size_t kept,
                    Rows const& mixed_reference) {
    feed(options_.first, tokens, tokens.size());
    std::size_t const untouched = model_.truncate(options_.first, tokens.size() + 1);
    if (untouched != tokens.size())
      violated("rewind", "truncate beyond the end must change nothing and return the " + std::to_string(tokens.size()) +
                             " tokens held; it returned " + std::to_string(untouched));
    std::size_t const held = model_.truncate(options_.first, kept);
    if (held > kept)
      return violated("rewind", "truncate to " + std::to_string(kept) + " tokens kept " + std::to_string(held));
    Rows const rows = feed(options_.first, mixed.subspan(held), mixed.size());
    expect("rewind", "the rows after truncate and other tokens, and those of a sequence that never held the first",
           last(mixed_reference, mixed.size() - kept), last(rows, mixed.size() - kept));
    forget(options_.first);
  }

  void check_batching(std::span<Token const> tokens, std::span<Token const> others, Rows const& reference,
                      Rows const& other_reference) {
    // Of different lengths, with rows at the end only, as when one sequence has a draft and the other has none.
    std::size_t const room = std::max<std::size_t>(1, std::min<std::size_t>(tokens.size(), model_.max_tokens() / 2));
    if (model_.max_tokens() < 2) return;
    auto const a = tokens.first(room);
    auto const b = others.first(std::max<std::size_t>(1, room / 2));
    for (bool const swapped : {false, true}) {
      forget_all();
      Segment const first_segment{.sequence = options_.first, .tokens = a, .rows = a.size()};
      Segment const second_segment{.sequence = *options_.second, .tokens = b, .rows = 1};
      std::array<Segment, 2> const batch = swapped ? std::array{second_segment, first_segment}
                                                   : std::array{first_segment, second_segment};
      Rows const rows = pass(batch);
      if (rows.size() != a.size() + 1) return;
      expect("batching", "the rows of a sequence alone and beside another", first(reference, a.size()),
             swapped ? last(rows, a.size()) : first(rows, a.size()));
      expect("batching", "the row of a sequence alone and beside another", last(first(other_reference, b.size()), 1),
             swapped ? first(rows, 1) : last(rows, 1));
    }
    forget_all();
  }

  void check_isolation(std::span<Token const> tokens, std::span<Token const> others, std::size_t half,
                       Rows const& reference) {
    feed(options_.first, tokens.first(half), half);
    feed(*options_.second, others, others.size());
    model_.truncate(*options_.second, half / 2);
    forget(*options_.second);
    expect("isolation", "the rows of a sequence, with and without another fed and cut back in between",
           last(reference, tokens.size() - half), feed(options_.first, tokens.subspan(half), tokens.size()));
    forget_all();
  }

  M& model_;
  LawOptions options_;
  LawReport report_;
};

/// `ModelLaws(model, options).check()`.
template <Model M>
[[nodiscard]] LawReport check_model_laws(M& model, LawOptions const& options = {}) {
  return ModelLaws<M>(model, options).check();
}

}  // namespace copyspec::inline v0::testing
