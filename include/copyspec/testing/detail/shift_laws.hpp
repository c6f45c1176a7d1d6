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
#include "../../detail/recovery.hpp"
#include "../../model/model.hpp"
#include "../../model/shifting_model.hpp"
#include "../law_report.hpp"
#include "law_probe.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Checks what `ShiftingModel` promises: no more tokens are held after a shift than are left, that those before it and
/// those of other sequences are as they were, and that a sequence can be fed again up to the context limit. Rows after
/// a shift are not compared, as they depend on what was removed. Otherwise as `ModelLaws`.
///
/// Costs about six passes over `options.length` tokens.
template <Model M>
  requires ShiftingModel<M>
class ShiftLaws : LawProbe<M> {
  using Probe = LawProbe<M>;

 public:
  explicit ShiftLaws(M& model, testing::LawOptions const& options = {}) : Probe(model, options) {}

  /// Runs all checks. Both sequences hold nothing afterwards.
  [[nodiscard]] testing::LawReport check() {
    std::mt19937_64 random(options_.seed);
    std::vector<Token> const tokens = draw(random);
    std::vector<Token> const others = draw(random);
    forget_all();
    std::size_t const half = tokens.size() / 2;
    Rows const reference = fresh(options_.first, tokens);
    Rows const other_reference = options_.second ? fresh(*options_.second, others) : Rows();
    for (std::size_t const end : {half + 1, tokens.size()}) {
      if (options_.second) feed(*options_.second, std::span<Token const>(others).first(half), half);
      feed(options_.first, tokens, tokens.size());
      std::size_t const held = shift(half, end - half, tokens.size());
      // The places that became free can be fed.
      std::size_t const more = tokens.size() - held;
      if (more > 0 && feed(options_.first, std::span<Token const>(others).first(more), more).size() != more)
        violated("shift", "there must be a row for each token fed after it");
      // Of the tokens before the shift, fewer may have stayed.
      std::size_t const stayed = std::min(half, held);
      std::size_t const kept = as_count(model_.truncate(options_.first, stayed));
      if (kept > stayed) violated("shift", "truncate before it kept " + std::to_string(kept) + " tokens");
      expect("shift", "the rows after the tokens before a shift, and without it", last(reference, tokens.size() - half),
             last(feed(options_.first, std::span<Token const>(tokens).subspan(std::min(kept, stayed)), tokens.size()),
                  tokens.size() - half),
             half);
      if (options_.second)
        expect("isolation", "the rows of a sequence, with and without a shift of another",
               last(other_reference, others.size() - half),
               feed(*options_.second, std::span<Token const>(others).subspan(half), others.size()), half);
      forget_all();
    }
    return report();
  }

 private:
  using Probe::draw;
  using Probe::expect;
  using Probe::feed;
  using Probe::forget_all;
  using Probe::fresh;
  using Probe::last;
  using Probe::model_;
  using Probe::options_;
  using Probe::report;
  using Probe::violated;
  using typename Probe::Rows;

  // Removes `count` of `length` tokens from position `first` on. Returns how many are held then.
  std::size_t shift(std::size_t first, std::size_t count, std::size_t length) {
    // A model that cannot shift throws, and has changed nothing.
    std::size_t held = length;
    bool const shifted =
        with_recovery([&] { held = as_count(model_.shift(options_.first, first, count)); }, [] {}, false);
    if (shifted && held > length - count)
      violated("shift", "of " + std::to_string(length) + " tokens, " + std::to_string(count) +
                            " were removed, and it returned " + std::to_string(held));
    std::size_t const counted = as_count(model_.truncate(options_.first, length + 1));
    if (counted != held)
      violated("shift",
               "it returned " + std::to_string(held) + ", and then " + std::to_string(counted) + " tokens were held");
    return std::min(counted, length);
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
