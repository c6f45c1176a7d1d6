// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

#include "conversation.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/model/model.hpp"
#include "decode.hpp"
#include "probing_verifier.hpp"
#include "recorded_drafts.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// Where `copy`, decoded in some way of copying, first differs from `plain`, if it does. Neither the way nor the logits
/// are filled in.
[[nodiscard]] std::optional<Difference> find_difference(Run const& plain, Run const& copy);

/// What the two tokens of `difference` get in the pass that decides its place, decoded with `proposer`.
template <copyspec::Model M, class Proposer>
[[nodiscard]] Difference::Scores probe(Difference const& difference, Decoder<M> const& decoder,
                                       Conversation const& conversation, Proposer const& proposer) {
  Probe probe{.plain = difference.plain, .copy = difference.copy};
  auto const aim = [&](std::size_t turn, copyspec::Sequence const& sequence) {
    probe.armed = turn == difference.turn;
    probe.place = sequence.length() - sequence.generated().size() + difference.position;
  };
  static_cast<void>(decode(decoder, conversation, proposer, ProbingVerifier(probe, sampling_of(decoder)), aim));
  return probe.scores;
}

/// Fills the logits of `difference` in, by decoding the conversation once more plainly and with `drafts`, those of the
/// run it was found in, pass by pass as before.
template <copyspec::Model M>
void measure_margins(Difference& difference, RecordedDrafts const& drafts, Decoder<M> const& decoder,
                     Conversation const& conversation) {
  difference.in_plain_pass = probe(difference, decoder, conversation, copyspec::NoProposer());
  difference.in_copy_pass = probe(difference, decoder, conversation, Playback(drafts));
}

}  // namespace copyspec_llama
