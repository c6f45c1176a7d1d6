// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "copyspec/assert.hpp"
#include "copyspec/logits.hpp"
#include "copyspec/model.hpp"
#include "copyspec/token.hpp"

namespace copyspec::bench {

/// A `Model` without weights whose greedy output is a recording: what a strategy saves is measured on it exactly, and
/// the same each time.
///
/// After the first n tokens of the recording the greatest logit is that of token n; after anything else, and after
/// the whole recording, that of `nothing_recorded`. So it keeps the laws of `Model` whatever it is fed, in as many
/// sequences as wanted, all of which follow the one recording. A whole prompt fits into one pass.
///
/// A pass costs O(tokens fed + rows), not rows times vocabulary: it resets the logits that the pass before had set.
/// Allocates when a sequence is fed first and when a pass has more rows than any before. Threads: one call at a time.
class ReplayModel {
 public:
  /// What follows where the recording does not say: no recorded token is 0.
  static constexpr Token nothing_recorded = 0;

  /// Borrows `recording`, of tokens between 1 and `vocabulary_size` less one.
  ReplayModel(std::span<Token const> recording, std::size_t vocabulary_size)
      : recording_(recording), vocabulary_size_(vocabulary_size) {
    COPYSPEC_ASSERT(std::ranges::all_of(recording,
                                        [&](Token token) {
                                          return token != nothing_recorded && token >= 0 &&
                                                 static_cast<std::size_t>(token) < vocabulary_size;
                                        }),
                    "tokens of the vocabulary, none of them 0");
  }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return vocabulary_size_; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return context_limit(); }
  /// One more than the recording, whose last token thus never ends a turn for want of room.
  [[nodiscard]] std::size_t context_limit() const noexcept { return recording_.size() + 1; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    COPYSPEC_ASSERT(!batch.empty(), "a pass feeds something");
    for (std::size_t const index : set_) logits_[index] = 0;
    set_.clear();
    for (Segment const& segment : batch) {
      COPYSPEC_ASSERT(!segment.tokens.empty() && segment.rows <= segment.tokens.size(), "rows only after fed tokens");
      Held& held = find_or_add(segment.sequence);
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        if (follows_recording(held) && recording_[held.length] == segment.tokens[i]) ++held.agreeing;
        ++held.length;
        if (i + segment.rows >= segment.tokens.size()) append_row(next(held));
      }
      COPYSPEC_ASSERT(held.length <= context_limit(), "within the context limit");
    }
    return {logits_.data(), set_.size(), vocabulary_size_};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    if (found == held_.end()) return 0;
    found->length = std::min(found->length, length);
    found->agreeing = std::min(found->agreeing, length);
    if (length > 0) return found->length;
    held_.erase(found);
    return 0;
  }

 private:
  // Of what a sequence was fed it matters only how much there is and how much of it agrees with the recording.
  struct Held {
    SequenceId sequence{};
    std::size_t length = 0;
    std::size_t agreeing = 0;
  };

  [[nodiscard]] Held& find_or_add(SequenceId sequence) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    return found != held_.end() ? *found : held_.emplace_back(Held{.sequence = sequence});
  }

  // Whether the recording says what comes next.
  [[nodiscard]] bool follows_recording(Held const& held) const {
    return held.agreeing == held.length && held.length < recording_.size();
  }

  [[nodiscard]] Token next(Held const& held) const {
    return follows_recording(held) ? recording_[held.length] : nothing_recorded;
  }

  void append_row(Token token) {
    std::size_t const begin = set_.size() * vocabulary_size_;
    if (logits_.size() < begin + vocabulary_size_) logits_.resize(begin + vocabulary_size_);
    set_.push_back(begin + static_cast<std::size_t>(token));
    logits_[set_.back()] = 1;
  }

  std::span<Token const> recording_;
  std::size_t vocabulary_size_;
  std::vector<Held> held_;
  std::vector<float> logits_;     // zero but for those in set_
  std::vector<std::size_t> set_;  // one a row of the last pass
};

static_assert(Model<ReplayModel>);

}  // namespace copyspec::bench
