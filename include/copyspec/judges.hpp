// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "logits.hpp"
#include "pass_verifier.hpp"
#include "verifier.hpp"

namespace copyspec::inline v0 {

/// A verifier of one sequence at a time, for rows in host memory.
template <class V, class Rows>
concept SequenceVerifier =
    std::same_as<Rows, LogitsView<typename Rows::Scalar>> && AcceptanceVerifier<V, typename Rows::Scalar>;

/// The verifiers of a composer: a copy for each sequence, asked when its verdict is wanted.
///
/// `verdict(own, rows, trials, index, first)` is the verdict on `trials[index]`, whose rows begin at `first` of `rows`
/// and whose sequence keeps `own`. It is asked for in ascending order, from 0 on for each pass.
template <class Verifier, class Rows>
class Judges {
 public:
  /// What a sequence keeps.
  using Own = Verifier;

  explicit Judges(Verifier verifier) : verifier_(std::move(verifier)) {}

  [[nodiscard]] Own begin_sequence() const { return verifier_; }

  /// After it, passes with up to `trials` trials allocate nothing here.
  static void reserve(std::size_t /*trials*/) noexcept {}

  [[nodiscard]] static Verdict verdict(Own& own, Rows rows, std::span<Trial const> trials, std::size_t index,
                                       std::size_t first) {
    Trial const& trial = trials[index];
    return own.verify(rows.subview(first, trial.rows()), trial.tokens, trial.length);
  }

 private:
  Verifier verifier_;
};

/// One verifier for all sequences, asked once a pass, when its first verdict is wanted.
template <class Verifier, class Rows>
  requires PassVerifier<Verifier, Rows>
class Judges<Verifier, Rows> {
 public:
  struct Own {};

  explicit Judges(Verifier verifier) : verifier_(std::move(verifier)) {}

  [[nodiscard]] static Own begin_sequence() noexcept { return {}; }

  void reserve(std::size_t trials) { verdicts_.reserve(trials); }

  [[nodiscard]] Verdict verdict(Own&, Rows rows, std::span<Trial const> trials, std::size_t index, std::size_t) {
    if (index == 0) {
      verdicts_.assign(trials.size(), Verdict{});
      verifier_.verify(rows, trials, std::span<Verdict>(verdicts_));
    }
    return verdicts_[index];
  }

 private:
  Verifier verifier_;
  std::vector<Verdict> verdicts_;
};

}  // namespace copyspec::inline v0
