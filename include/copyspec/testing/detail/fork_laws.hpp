// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/forking_model.hpp"
#include "../../model/model.hpp"
#include "../law_report.hpp"
#include "law_probe.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Checks whether `model` satisfies the laws of `ForkingModel`: copies a sequence whole and in part, goes on with
/// either, and compares the rows with those of sequences that were fed. Otherwise as `ModelLaws`. Checks nothing
/// without a second sequence.
///
/// Costs about twelve passes over `options.length` tokens.
template <Model M>
  requires ForkingModel<M>
class ForkLaws : LawProbe<M> {
  using Probe = LawProbe<M>;

 public:
  explicit ForkLaws(M& model, testing::LawOptions const& options = {}) : Probe(model, options) {}

  /// Runs all checks. Both sequences hold nothing afterwards.
  [[nodiscard]] testing::LawReport check() {
    if (!options_.second) return report();
    std::mt19937_64 random(options_.seed);
    std::vector<Token> const tokens = draw(random);
    std::vector<Token> const others = draw(random);
    forget_all();
    check_copies(options_.first, *options_.second, tokens, others);
    check_copies(*options_.second, options_.first, others, tokens);
    forget_all();
    return report();
  }

 private:
  using Probe::draw;
  using Probe::expect;
  using Probe::feed;
  using Probe::forget;
  using Probe::forget_all;
  using Probe::fresh;
  using Probe::last;
  using Probe::model_;
  using Probe::options_;
  using Probe::report;
  using Probe::violated;
  using typename Probe::Rows;

  // Copies the first `length` tokens of `from`. Returns how many are held of `to`.
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    std::size_t const held = as_count(model_.fork(from, to, length));
    if (held > length)
      violated("copy", "of " + std::to_string(length) + " tokens, fork copied " + std::to_string(held));
    std::size_t const counted = as_count(model_.truncate(to, length + 1));
    if (counted != held)
      violated("copy",
               "fork returned " + std::to_string(held) + ", and then " + std::to_string(counted) + " tokens were held");
    return std::min(counted, length);
  }

  // Feeds the tokens of `all` after the first `held`, and compares the last `count` rows with `reference`.
  void go_on(std::string const& law, SequenceId sequence, std::span<Token const> all, std::size_t held,
             std::size_t count, Rows const& reference, std::string const& what) {
    expect(law, what, last(reference, count), last(feed(sequence, all.subspan(held), all.size()), count),
           all.size() - count);
  }

  void check_copies(SequenceId from, SequenceId to, std::span<Token const> tokens, std::span<Token const> others) {
    std::size_t const length = tokens.size();
    Rows const reference = fresh(from, tokens);
    for (std::size_t const shared : {length / 2, length - 1}) {
      std::vector<Token> branch(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(shared));
      branch.insert(branch.end(), others.begin() + static_cast<std::ptrdiff_t>(shared), others.end());
      Rows const branch_reference = fresh(to, branch);
      std::size_t const rest = length - shared;

      feed(from, tokens.first(length - 1), length);
      std::size_t held = fork(from, to, shared);
      go_on("copy", to, branch, held, rest, branch_reference, "the rows after a copy, and after the tokens fed");
      go_on("isolation", from, tokens, length - 1, 1, reference,
            "the rows of a sequence whose copy was fed, and alone");
      forget(from);
      std::size_t const kept = std::min<std::size_t>(as_count(model_.truncate(to, shared)), shared);
      go_on("isolation", to, branch, kept, rest, branch_reference,
            "the rows of a copy whose source was forgotten, and alone");
      forget(to);

      feed(from, tokens.first(length - 1), length);
      held = fork(from, to, shared);
      std::size_t const left = as_count(model_.truncate(from, shared / 2));
      feed(from, others.subspan(left).first(1), 1);
      go_on("isolation", to, branch, held, rest, branch_reference,
            "the rows of a copy whose source was truncated and fed, and alone");
      forget(from);
      forget(to);

      feed(from, tokens.first(length - 1), length);
      fork(from, to, shared);
      model_.truncate(to, shared / 2);
      forget(to);
      go_on("isolation", from, tokens, length - 1, 1, reference,
            "the rows of a sequence whose copy was forgotten, and alone");
      forget(from);
    }
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
