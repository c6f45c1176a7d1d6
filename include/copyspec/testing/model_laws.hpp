// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/forking_model.hpp"
#include "../model/model.hpp"
#include "../model/shifting_model.hpp"
#include "../model/tree_model.hpp"
#include "detail/fork_laws.hpp"
#include "detail/law_probe.hpp"
#include "detail/shift_laws.hpp"
#include "detail/tree_laws.hpp"
#include "law_report.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Checks whether `model` satisfies the laws of `Model`: feeds it random tokens in different ways, compares the rows,
/// and reports each violated law in words.
template <Model M>
class ModelLaws : LawProbe<M> {
  using Probe = LawProbe<M>;

 public:
  explicit ModelLaws(M& model, testing::LawOptions const& options = {}) : Probe(model, options) {}

  /// Runs all checks. Both sequences hold nothing afterwards.
  [[nodiscard]] testing::LawReport check() {
    forget_all();
    std::mt19937_64 random(options_.seed);
    std::vector<Token> const tokens = draw(random);
    std::vector<Token> const others = draw(random);
    std::size_t const half = options_.length / 2;
    std::vector<Token> mixed(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(half));
    mixed.insert(mixed.end(), others.begin() + static_cast<std::ptrdiff_t>(half), others.end());
    if (mixed[half] == tokens[half])
      mixed[half] =
          static_cast<Token>((static_cast<std::size_t>(mixed[half]) + 1) % as_count(model_.vocabulary_size()));

    Rows const reference = fresh(options_.first, tokens);
    Rows const mixed_reference = fresh(options_.first, mixed);
    expect("causal", "the rows after a common beginning, when later tokens differ", first(reference, half),
           first(mixed_reference, half), 0);
    check_chunks(tokens, reference);
    check_rewind(tokens, mixed, half, mixed_reference);
    if (options_.second) {
      Rows const other_reference = fresh(*options_.second, others);
      check_batching(tokens, others, reference, other_reference);
      check_isolation(tokens, others, half, reference);
    }
    forget_all();
    return report();
  }

 private:
  using Probe::draw;
  using Probe::expect;
  using Probe::feed;
  using Probe::first;
  using Probe::forget;
  using Probe::forget_all;
  using Probe::fresh;
  using Probe::last;
  using Probe::model_;
  using Probe::options_;
  using Probe::pass;
  using Probe::report;
  using Probe::violated;
  using typename Probe::Rows;

  void check_chunks(std::span<Token const> tokens, Rows const& reference) {
    for (std::size_t const chunk : std::array<std::size_t, 2>{1, 3}) {
      forget(options_.first);
      expect("chunks", "the rows of tokens fed " + std::to_string(chunk) + " a pass and of all at once", reference,
             feed(options_.first, tokens, chunk), 0);
    }
    forget(options_.first);
    // As a prompt is fed: only the newest token has a row.
    std::size_t const chunk = std::min<std::size_t>(as_count(model_.max_tokens()), 5);
    for (std::size_t fed = 0; fed < tokens.size();) {
      auto const part = tokens.subspan(fed, std::min(chunk, tokens.size() - fed));
      fed += part.size();
      Segment const segment{.sequence = options_.first, .tokens = part, .rows = fed == tokens.size() ? 1U : 0U};
      Rows const rows = pass(std::span<Segment const>(&segment, 1));
      if (fed == tokens.size())
        expect("rows", "the last row, asked for alone or with all others", last(reference, 1), rows, tokens.size() - 1);
    }
    forget(options_.first);
  }

  void check_rewind(std::span<Token const> tokens, std::span<Token const> mixed, std::size_t kept,
                    Rows const& mixed_reference) {
    feed(options_.first, tokens, tokens.size());
    std::size_t const untouched = as_count(model_.truncate(options_.first, tokens.size() + 1));
    if (untouched != tokens.size())
      violated("rewind", "truncate beyond the end must change nothing and return the " + std::to_string(tokens.size()) +
                             " tokens held; it returned " + std::to_string(untouched));
    std::size_t const held = as_count(model_.truncate(options_.first, kept));
    if (held > kept)
      return violated("rewind", "truncate to " + std::to_string(kept) + " tokens kept " + std::to_string(held));
    Rows const rows = feed(options_.first, mixed.subspan(held), mixed.size());
    expect("rewind", "the rows after truncate and other tokens, and those of a sequence that never held the first",
           last(mixed_reference, mixed.size() - kept), last(rows, mixed.size() - kept), kept);
    forget(options_.first);
  }

  void check_batching(std::span<Token const> tokens, std::span<Token const> others, Rows const& reference,
                      Rows const& other_reference) {
    // Different lengths, with rows at the end only, as when one sequence has a draft and the other has none.
    std::size_t const room =
        std::max<std::size_t>(1, std::min<std::size_t>(tokens.size(), as_count(model_.max_tokens()) / 2));
    if (as_count(model_.max_tokens()) < 2) return;
    auto const a = tokens.first(room);
    auto const b = others.first(std::max<std::size_t>(1, room / 2));
    for (bool const swapped : {false, true}) {
      forget_all();
      Segment const first_segment{.sequence = options_.first, .tokens = a, .rows = a.size()};
      Segment const second_segment{.sequence = *options_.second, .tokens = b, .rows = 1};
      std::array<Segment, 2> const batch =
          swapped ? std::array{second_segment, first_segment} : std::array{first_segment, second_segment};
      Rows const rows = pass(std::span<Segment const>(batch));
      if (rows.size() != a.size() + 1) return;
      expect("batching", "the rows of a sequence alone and beside another", first(reference, a.size()),
             swapped ? last(rows, a.size()) : first(rows, a.size()), 0);
      expect("batching", "the row of a sequence alone and beside another", last(first(other_reference, b.size()), 1),
             swapped ? first(rows, 1) : last(rows, 1), b.size() - 1);
    }
    forget_all();
  }

  void check_isolation(std::span<Token const> tokens, std::span<Token const> others, std::size_t half,
                       Rows const& reference) {
    feed(options_.first, tokens.first(half), half);
    feed(*options_.second, others, others.size());
    model_.truncate(*options_.second, half / 2);
    forget(*options_.second);
    expect("isolation", "the rows of a sequence, with and without another fed and truncated in between",
           last(reference, tokens.size() - half), feed(options_.first, tokens.subspan(half), tokens.size()), half);
    forget_all();
  }
};

}  // namespace detail
namespace testing {

/// Checks whether `model` satisfies the laws of `Model` and, if it refines it, those of `TreeModel`, `ForkingModel` and
/// `ShiftingModel`: feeds it random tokens in different ways, compares the rows, and reports each violated law in
/// words. Forgets both sequences before and after; other sequences stay as they are.
///
/// Costs about fifteen passes over `options.length` tokens, as many again for copies, a few for shifts, and memory for
/// four times as many rows. Trees cost up to eight passes per node, for three trees of up to `options.length` / 2
/// nodes. A model that passes may still violate a law elsewhere. The checks find adapters that mix up positions,
/// sequences, rows or caches. Exceptions of `forward` pass through.
template <Model M>
[[nodiscard]] LawReport check_model_laws(M& model, LawOptions const& options = {}) {
  LawReport report = detail::ModelLaws<M>(model, options).check();
  auto const add = [&](LawReport const& more) {
    report.violations.insert(report.violations.end(), more.violations.begin(), more.violations.end());
    report.largest_difference = std::max(report.largest_difference, more.largest_difference);
  };
  if constexpr (TreeModel<M>) add(detail::TreeLaws<M>(model, options).check());
  if constexpr (ForkingModel<M>) add(detail::ForkLaws<M>(model, options).check());
  if constexpr (ShiftingModel<M>) add(detail::ShiftLaws<M>(model, options).check());
  return report;
}

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
