// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What one sequence could draft in a pass that several sequences share, and how much of it is drafted.
struct DraftOffer {
  /// The acceptance probability of each token, given that those before it are accepted. Valid until the next call of
  /// the proposer that offered it, other than `share_rows`.
  std::span<float const> probabilities = {};
  double weight = 1;       ///< What an accepted token counts, in tokens: less if drafts have lost credit.
  std::size_t length = 0;  ///< How many of the tokens are drafted.
  std::size_t place = 0;   ///< Names the sequence, since offers change their order.
  double gain = 0;         ///< Expected of the token after these: the weight, times the probability to accept it.
};

/// What a pass has besides drafts.
struct PassWithoutDrafts {
  std::size_t rows = 0;    ///< At least one.
  std::size_t tokens = 0;  ///< That it generates: one for each sequence that waits for one. At least one.
  std::size_t room = 0;    ///< Most draft tokens that the pass can feed, all sequences together.
};

/// A `DraftProposer` whose drafts share the rows of a pass. Law: in a pass in which several sequences wait for a token,
/// three calls replace `propose`. For each of these sequences, `offer(context, space)` writes what could be drafted
/// after `context`. Then `share_rows(offers, pass)`, on the proposer that the composer was made with, sets the lengths
/// of all offers, together at most `pass.room`. Then `draft_offered(context, length)` returns the draft of the first
/// `length` tokens that were offered, or of fewer; an offer may also be left.
template <class P>
concept OfferingProposer = requires(P& proposer, std::span<Token const> context, std::span<Token> space,
                                    std::size_t length, std::span<DraftOffer> offers, PassWithoutDrafts const& pass) {
  { proposer.offer(context, space) } -> std::same_as<DraftOffer>;
  {proposer.share_rows(offers, pass)};
  { proposer.draft_offered(context, length) } -> std::same_as<Draft>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
