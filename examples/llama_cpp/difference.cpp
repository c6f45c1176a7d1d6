// SPDX-License-Identifier: MIT
#include "difference.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "copyspec/draft.hpp"
#include "copyspec/greedy_verifier.hpp"
#include "copyspec/logits.hpp"
#include "copyspec/sequence.hpp"
#include "copyspec/token.hpp"
#include "copyspec/verifier.hpp"
#include "recorded_drafts.hpp"

namespace copyspec_llama {
namespace {

using copyspec::Token;

// What two tokens got in the row that decided one place of the context.
struct Probe {
  std::size_t place = 0;
  std::size_t plain = 0;
  std::size_t copy = 0;
  Difference::Logits logits = {};
  bool armed = false;  // places are of the context, and only one turn is looked at
};

// The greedy verifier, with a look at the probe's row. Several passes may have a row for its place, when a draft was
// rejected before it; the last of them is the one that decided.
class ProbingVerifier {
 public:
  explicit ProbingVerifier(Probe& probe) : probe_(&probe) {}

  [[nodiscard]] copyspec::Verdict verify(copyspec::LogitsView<float> rows, std::span<Token const> tokens,
                                         std::size_t length) const {
    if (probe_->armed && length <= probe_->place && probe_->place < length + rows.rows()) {
      std::span<float const> const row = rows.row(probe_->place - length);
      probe_->logits = {.plain = row[probe_->plain], .copy = row[probe_->copy]};
    }
    return copyspec::GreedyVerifier().verify(rows, tokens, length);
  }

 private:
  Probe* probe_;
};

template <class Proposer>
Difference::Logits probe(Difference const& difference, Decoder const& decoder, Conversation const& conversation,
                         Proposer const& proposer) {
  Probe probe{.plain = static_cast<std::size_t>(difference.plain), .copy = static_cast<std::size_t>(difference.copy)};
  auto const aim = [&](std::size_t turn, copyspec::Sequence const& sequence) {
    probe.armed = turn == difference.turn;
    probe.place = sequence.length() - sequence.generated().size() + difference.position;
  };
  static_cast<void>(decode(decoder, conversation, proposer, ProbingVerifier(probe), aim));
  return probe.logits;
}

}  // namespace

std::optional<Difference> find_difference(Run const& plain, Run const& copy) {
  for (std::size_t turn = 0; turn < plain.turns.size(); ++turn) {
    std::vector<Token> const& expected = plain.turns[turn].tokens;
    std::vector<Token> const& tokens = copy.turns[turn].tokens;
    // None is a mere beginning of the other: with the same limits, the same tokens end in the same place.
    auto const found = std::ranges::mismatch(expected, tokens);
    if (found.in1 == expected.end() || found.in2 == tokens.end()) continue;
    return Difference{.turn = turn,
                      .position = static_cast<std::size_t>(found.in1 - expected.begin()),
                      .plain = *found.in1,
                      .copy = *found.in2};
  }
  return std::nullopt;
}

void measure_margins(Difference& difference, RecordedDrafts const& drafts, Decoder const& decoder,
                     Conversation const& conversation) {
  difference.in_plain_pass = probe(difference, decoder, conversation, copyspec::NoProposer());
  difference.in_copy_pass = probe(difference, decoder, conversation, Playback(drafts));
}

}  // namespace copyspec_llama
