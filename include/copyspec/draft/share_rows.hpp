// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../core/assert.hpp"
#include "../core/version.hpp"
#include "offering_proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Shares the rows of a pass out among sequences: sets the `length` of each offer, and changes the order of the offers.
///
/// The next row goes to the draft where it gains most: to the token that is most probably accepted. As many rows are
/// given as make a generated token cheapest: of all n, that which minimises
///
///     cost(pass.rows + n) / (pass.tokens + expected gain of the n best rows)
///
/// and the smallest of several. Along a draft the gains fall, so the n best rows are the first tokens of drafts, and no
/// other choice of n rows gains more. The cost may have any shape: if rows are free up to some number, the best drafts
/// get them up to that number.
///
/// `cost(rows)` is the cost of a pass of so many rows, in any unit. O(r log s) for s offers and r rows, at most
/// `pass.room`. No allocation. Requires: probabilities within [0, 1]; weights that are not negative; costs that are
/// positive and finite; `cost` does not throw. Threads: a function of its arguments.
template <class Cost>
void share_rows(std::span<DraftOffer> offers, PassWithoutDrafts const& pass, Cost const& cost) noexcept {
  COPYSPEC_ASSERT(pass.rows > 0 && pass.tokens > 0, "a pass generates a token at least");
  auto const gains_less = [](DraftOffer const& a, DraftOffer const& b) {
    return a.gain != b.gain ? a.gain < b.gain : a.place > b.place;
  };
  auto const find_gain = [](DraftOffer& offer, double before) {
    bool const more = offer.length < offer.probabilities.size();
    offer.gain = more ? before * static_cast<double>(offer.probabilities[offer.length]) : 0.0;
  };
  // `visit(n, gained)` after each of up to `most` rows.
  auto const give = [&](std::size_t most, auto const& visit) {
    for (DraftOffer& offer : offers) {
      offer.length = 0;
      find_gain(offer, offer.weight);
    }
    std::make_heap(offers.begin(), offers.end(), gains_less);
    double gained = 0;
    for (std::size_t n = 1; n <= most && !offers.empty() && offers.front().gain > 0; ++n) {
      std::pop_heap(offers.begin(), offers.end(), gains_less);
      DraftOffer& best = offers.back();
      gained += best.gain;
      ++best.length;
      find_gain(best, best.gain);
      std::push_heap(offers.begin(), offers.end(), gains_less);
      visit(n, gained);
    }
  };

  // Rounding must not decide between equal rates.
  constexpr double tie = 1e-12;
  auto const tokens = static_cast<double>(pass.tokens);
  double least = static_cast<double>(cost(pass.rows)) / tokens;
  std::size_t best = 0;
  give(pass.room, [&](std::size_t n, double gained) {
    double const rate = static_cast<double>(cost(pass.rows + n)) / (tokens + gained);
    if (!(rate < least * (1 - tie))) return;
    least = rate;
    best = n;
  });
  give(best, [](std::size_t, double) {});
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
