// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "copyspec/core/token.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/verify/logprobs.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "copyspec/verify/sampling_turn.hpp"
#include "copyspec/verify/sampling_verifier.hpp"
#include "copyspec/verify/token_sampler.hpp"
#include "copyspec/verify/verifier.hpp"
#include "copyspec/verify/verifier_traits.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// What two tokens got in the row that decided one place of the context.
struct Probe {
  std::size_t place = 0;
  copyspec::Token plain = 0;
  copyspec::Token copy = 0;
  Difference::Scores scores = {};
  bool armed = false;  ///< Places are of the context, and only one turn is looked at
};

/// The verifier that everything is decoded with, and a look at the probe's row. Several passes may have a row for its
/// place, when a draft was rejected before it; the last of them is the one that decided. Its turns are sampled as its
/// options say, whatever the options of a turn.
class ProbingVerifier {
 public:
  ProbingVerifier(Probe& probe, copyspec::SamplingOptions const& options)
      : probe_(&probe), options_(options), verifier_(options) {}

  [[nodiscard]] copyspec::Verdict verify(copyspec::LogitsView<float> rows, std::span<copyspec::Token const> tokens,
                                         std::size_t length) {
    if (probe_->armed && length <= probe_->place && probe_->place < length + rows.rows()) {
      std::span<float const> const row = rows.row(probe_->place - length);
      probe_->scores = {.plain = score(row, probe_->plain), .copy = score(row, probe_->copy)};
    }
    return verifier_.verify(rows, tokens, length);
  }

  void detach_workspace() { verifier_.detach_workspace(); }
  void begin_turn(copyspec::SamplingTurn const& turn) { verifier_.begin_turn(turn); }
  void on_fork(std::optional<std::uint64_t> seed) { verifier_.on_fork(seed); }
  [[nodiscard]] copyspec::SamplingOptions const& options() const noexcept { return verifier_.options(); }
  [[nodiscard]] copyspec::LogprobsView logprobs() const noexcept { return verifier_.logprobs(); }
  [[nodiscard]] std::size_t allowed_draft(std::span<copyspec::Token const> context,
                                          std::span<copyspec::Token const> draft) const {
    return verifier_.allowed_draft(context, draft);
  }

 private:
  [[nodiscard]] float score(std::span<float const> row, copyspec::Token token) const {
    return copyspec::sampling_score(row[static_cast<std::size_t>(token)], token, options_, probe_->place);
  }

  Probe* probe_;
  copyspec::SamplingOptions options_;
  copyspec::SamplingVerifier verifier_;
};

static_assert(copyspec::SamplingSequenceVerifier<ProbingVerifier>);

}  // namespace copyspec_llama
