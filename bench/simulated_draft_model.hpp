// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "copyspec/core/assert.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/detail/philox.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/model/model.hpp"
#include "trace.hpp"

namespace copyspec::bench {

/// What asking a draft model took.
struct DraftModelCounters {
  std::size_t passes = 0;
  std::size_t caught_up = 0;  ///< Tokens fed beyond the first of a pass, which had been said without it.
  std::size_t prompts = 0;    ///< Tokens of prompts fed, which are none of those.

  DraftModelCounters& operator+=(DraftModelCounters const& other) noexcept {
    passes += other.passes;
    caught_up += other.caught_up;
    prompts += other.prompts;
    return *this;
  }

  /// What was counted after `before`.
  [[nodiscard]] DraftModelCounters since(DraftModelCounters const& before) const noexcept {
    return {.passes = passes - before.passes,
            .caught_up = caught_up - before.caught_up,
            .prompts = prompts - before.prompts};
  }
};

/// How a draft model is simulated.
struct DraftModelSettings {
  double right = 0.7;  ///< The chance, at each position, that its greedy token is the recorded one.
  std::uint64_t seed = 1;
};

/// A `Model` without weights that is right about a recording as often as it is told: a draft model, simulated.
///
/// After the first n tokens of the recording the greatest logit is that of token n with the chance `right`, and of any
/// other token otherwise; after anything else, and after the whole recording, of any token. Seed, conversation and
/// position decide, and nothing else, so who asks again hears the same, whoever else asked what before.
///
/// Whether it is right at one position says nothing about another. Real draft models are right in runs, where the text
/// is easy, which is also where copying is. Every row gives its greatest token the probability `right`, and all others
/// the same: nothing in it tells right from wrong.
///
/// It follows one conversation at a time, in any number of sequences. A whole prompt fits into one pass, which costs
/// O(tokens fed + rows), not rows times vocabulary. Allocates when a sequence is fed first and when a pass has more
/// rows than any before. Threads: one call at a time.
class SimulatedDraftModel {
 public:
  /// Of tokens from 1 to `vocabulary_size` less one, at least two.
  SimulatedDraftModel(std::size_t vocabulary_size, DraftModelSettings const& settings)
      : vocabulary_size_(vocabulary_size),
        right_(static_cast<std::uint64_t>(settings.right * 0x1p32)),
        greatest_(logit(std::clamp(settings.right, 2.0 / static_cast<double>(vocabulary_size), 0.999))),
        key_{{static_cast<std::uint32_t>(settings.seed), static_cast<std::uint32_t>(settings.seed >> 32U)}} {
    COPYSPEC_ASSERT(vocabulary_size > 2, "a token that is right, and one that is wrong");
    COPYSPEC_ASSERT(settings.right >= 0 && settings.right <= 1, "a chance lies within [0, 1]");
  }

  /// From now on it follows `conversation`, the `number`-th, which is borrowed. What it held is forgotten.
  void follow(Conversation const& conversation, std::size_t number) {
    recording_ = conversation.tokens;
    turns_ = conversation.turns;
    number_ = number;
    held_.clear();
  }

  [[nodiscard]] DraftModelCounters const& counters() const noexcept { return counters_; }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return vocabulary_size_; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return context_limit(); }
  /// Room for the recording, and for a draft behind it.
  [[nodiscard]] std::size_t context_limit() const noexcept { return recording_.size() + 64; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    COPYSPEC_ASSERT(!batch.empty(), "a pass feeds something");
    for (std::size_t const index : set_) logits_[index] = 0;
    set_.clear();
    std::size_t said = 0;
    std::size_t prompts = 0;
    for (Segment const& segment : batch) {
      COPYSPEC_ASSERT(!segment.tokens.empty() && segment.rows <= segment.tokens.size(), "rows only after fed tokens");
      Held& held = find_or_add(segment.sequence);
      COPYSPEC_ASSERT(held.length + segment.tokens.size() <= context_limit(), "within the context limit");
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        ++(in_prompt(held.length) ? prompts : said);
        if (follows_recording(held) && recording_[held.length] == segment.tokens[i]) ++held.agreeing;
        ++held.length;
        if (i + segment.rows >= segment.tokens.size()) append_row(next(held));
      }
    }
    ++counters_.passes;
    counters_.caught_up += said - (prompts > 0 ? 0 : 1);
    counters_.prompts += prompts;
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
  // How much was fed, and how much of it agrees with the recording.
  struct Held {
    SequenceId sequence{};
    std::size_t length = 0;
    std::size_t agreeing = 0;
  };

  [[nodiscard]] Held& find_or_add(SequenceId sequence) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    return found != held_.end() ? *found : held_.emplace_back(Held{.sequence = sequence});
  }

  [[nodiscard]] bool in_prompt(std::size_t position) const {
    auto const later = std::ranges::upper_bound(turns_, position, {}, &Turn::prompt);
    return later != turns_.begin() && position < std::prev(later)->answer;
  }

  // Whether the recording says what comes next.
  [[nodiscard]] bool follows_recording(Held const& held) const {
    return held.agreeing == held.length && held.length < recording_.size();
  }

  [[nodiscard]] Token next(Held const& held) const {
    detail::PhiloxWords const drawn =
        detail::philox4x32({{static_cast<std::uint32_t>(held.length), static_cast<std::uint32_t>(number_),
                             static_cast<std::uint32_t>(held.agreeing)}},
                           key_);
    // One of `count` tokens from 1 on, each with the same chance, but for rounding.
    auto const any_of = [&](std::size_t count) {
      return static_cast<Token>(1 + ((std::uint64_t{drawn.words[1]} * count) >> 32U));
    };
    if (!follows_recording(held)) return any_of(vocabulary_size_ - 1);
    Token const recorded = recording_[held.length];
    if (drawn.words[0] < right_) return recorded;
    Token const other = any_of(vocabulary_size_ - 2);
    return other < recorded ? other : other + 1;
  }

  // What gives a token the probability `chance` beside zeros.
  [[nodiscard]] float logit(double chance) const {
    return static_cast<float>(std::log(chance / (1 - chance) * static_cast<double>(vocabulary_size_ - 1)));
  }

  void append_row(Token token) {
    std::size_t const begin = set_.size() * vocabulary_size_;
    if (logits_.size() < begin + vocabulary_size_) logits_.resize(begin + vocabulary_size_);
    set_.push_back(begin + static_cast<std::size_t>(token));
    logits_[set_.back()] = greatest_;
  }

  std::size_t vocabulary_size_;
  std::uint64_t right_;  // of 2^32
  float greatest_;
  detail::PhiloxKey key_;
  std::span<Token const> recording_;
  std::span<Turn const> turns_;
  std::size_t number_ = 0;
  std::vector<Held> held_;
  std::vector<float> logits_;     // zero but for those in set_
  std::vector<std::size_t> set_;  // one a row of the last pass
  DraftModelCounters counters_;
};

static_assert(Model<SimulatedDraftModel>);

}  // namespace copyspec::bench
