// SPDX-License-Identifier: MIT
#include "difference.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "copyspec/draft.hpp"
#include "copyspec/gumbel_noise.hpp"
#include "copyspec/logits.hpp"
#include "copyspec/logprobs.hpp"
#include "copyspec/sampling_options.hpp"
#include "copyspec/sampling_verifier.hpp"
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
  copyspec::Token plain = 0;
  copyspec::Token copy = 0;
  Difference::Scores scores = {};
  bool armed = false;  // places are of the context, and only one turn is looked at
};

// The verifier that everything is decoded with, with a look at the probe's row. Several passes may have a row for its
// place, when a draft was rejected before it; the last of them is the one that decided.
class ProbingVerifier {
 public:
  ProbingVerifier(Probe& probe, copyspec::SamplingOptions const& options)
      : probe_(&probe), options_(options), verifier_(options) {}

  [[nodiscard]] copyspec::Verdict verify(copyspec::LogitsView<float> rows, std::span<Token const> tokens,
                                         std::size_t length) {
    if (probe_->armed && length <= probe_->place && probe_->place < length + rows.rows()) {
      std::span<float const> const row = rows.row(probe_->place - length);
      probe_->scores = {.plain = score(row, probe_->plain), .copy = score(row, probe_->copy)};
    }
    return verifier_.verify(rows, tokens, length);
  }

  void begin_turn(std::optional<copyspec::SamplingOptions> const& options, std::size_t vocabulary, std::size_t budget) {
    verifier_.begin_turn(options, vocabulary, budget);
  }
  [[nodiscard]] copyspec::LogprobsView logprobs() const noexcept { return verifier_.logprobs(); }
  [[nodiscard]] std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) const {
    return verifier_.allowed_draft(context, draft);
  }

 private:
  [[nodiscard]] float score(std::span<float const> row, Token token) const {
    float const logit = row[static_cast<std::size_t>(token)];
    if (options_.temperature == 0) return logit;
    copyspec::NoiseStream const noise{.seed = options_.seed, .position = probe_->place};
    return copyspec::gumbel_score(logit, 1 / options_.temperature, noise.word(token));
  }

  Probe* probe_;
  copyspec::SamplingOptions options_;
  copyspec::SamplingVerifier verifier_;
};

template <class Proposer>
Difference::Scores probe(Difference const& difference, Decoder const& decoder, Conversation const& conversation,
                         Proposer const& proposer) {
  Probe probe{.plain = difference.plain, .copy = difference.copy};
  auto const aim = [&](std::size_t turn, copyspec::Sequence const& sequence) {
    probe.armed = turn == difference.turn;
    probe.place = sequence.length() - sequence.generated().size() + difference.position;
  };
  static_cast<void>(decode(decoder, conversation, proposer, ProbingVerifier(probe, sampling_of(decoder)), aim));
  return probe.scores;
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
