// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../draft/offering_proposer.hpp"
#include "../../draft/proposer.hpp"
#include "../../draft/proposer_traits.hpp"
#include "../../draft/tree_proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Asks for the drafts of a pass: of all sequences together where the proposer can, then of one after the other.
///
/// After `reserve(sequences)`, no call allocates here. What a proposer throws passes through. Each piece of work of a
/// proposer is passed to `timed`, which calls it.
template <DraftProposer Proposer>
class PassDrafts {
  using Traits = ProposerTraits<Proposer>;

 public:
  void reserve(std::size_t sequences) {
    if constexpr (OfferingProposer<Proposer>) offers_.reserve(sequences);
  }

  /// Lets a proposer that drafts for several sequences together do so at once. None can have more than `spare` draft
  /// tokens.
  template <class Slots, class Timed>
  static void prepare(Slots& slots, std::size_t spare, Timed& timed) {
    if constexpr (Traits::prepares)
      timed([&] {
        for (std::size_t i = 0; i < slots.places(); ++i) {
          auto& slot = slots[i];
          if (!slot.ready) continue;
          std::size_t const room = slot.draft_space(spare + 1).size();
          if (room > 0) Traits::prepare(slot.proposer, slot.sequence.context(), room);
        }
      });
  }

  /// Lets the ready sequences that wait for one token offer drafts, and shares the rows that the pass has room for out
  /// among these. Drafts that may be trees are not shared.
  template <class Slots, class Timed>
  void share(Slots& slots, PassWithoutDrafts const& pass, Timed& timed) {
    if constexpr (OfferingProposer<Proposer>) {
      if (TreeProposer<Proposer> && slots.limits().max_branches > 0) return;
      offers_.clear();
      for (std::size_t i = 0; i < slots.places(); ++i) {
        auto& slot = slots[i];
        if (!slot.ready || slot.sequence.pending() != 1) continue;
        std::span<Token> const space = slot.draft_space(pass.room + 1);
        if (space.empty()) continue;
        DraftOffer offer = timed([&] { return slot.proposer.offer(slot.sequence.context(), space); });
        COPYSPEC_ASSERT(offer.probabilities.size() <= space.size(), "an offer fits into the space it was given");
        offer.place = i;
        offers_.push_back(offer);
        slot.offered = true;
      }
      timed([&] { slots.proposer().share_rows(std::span(offers_), pass); });
      for (DraftOffer const& offer : offers_) slots[offer.place].share = offer.length;
    }
  }

  /// Drafts for a sequence into `space`, which lies directly after its context.
  template <class Slots>
  [[nodiscard]] static Draft propose(Slots& slots, typename Slots::Slot& slot, std::span<Token> space) {
    std::span<Token const> const context = slot.sequence.context();
    if constexpr (OfferingProposer<Proposer>)
      if (slot.offered) return slot.proposer.draft_offered(context, slot.share);
    return slots.drafts().propose(slot.proposer, slot.draft, context, space);
  }

 private:
  std::vector<DraftOffer> offers_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
