// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "copyspec/core/assert.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/draft/tree_proposer.hpp"
#include "copyspec/model/logits.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/model/tree_model.hpp"
#include "copyspec/model/tree_shape.hpp"

namespace copyspec::bench {

/// A `TreeModel` without weights whose greedy output is a recording: what a strategy saves is measured on it exactly,
/// and the same each time.
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

  /// Borrows `recording`, of tokens between 1 and `vocabulary_size` less one. The trees of a pass may have
  /// `max_branches` together.
  ReplayModel(std::span<Token const> recording, std::size_t vocabulary_size, std::size_t max_branches = 0)
      : recording_(recording), vocabulary_size_(vocabulary_size), max_branches_(max_branches) {
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

  [[nodiscard]] std::size_t max_branches() const noexcept { return max_branches_; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    begin_pass(batch.size());
    for (Segment const& segment : batch) feed(segment);
    return rows();
  }

  LogitsView<float> forward(std::span<TreeSegment const> batch) {
    begin_pass(batch.size());
    std::size_t branches = 0;
    for (TreeSegment const& segment : batch) {
      std::size_t const nodes = segment.parents.size();
      TreeSize const size = tree_size(segment.parents, max_branches_ - branches);
      COPYSPEC_ASSERT(size.nodes == nodes && nodes < segment.tokens.size(), "trees, within the branches of a pass");
      branches += size.branches;
      Held& held = feed({.sequence = segment.sequence,
                         .tokens = segment.tokens.first(segment.tokens.size() - nodes),
                         .rows = segment.rows - nodes});
      held.first_node = nodes_.size();
      for (std::size_t node = 0; node < nodes; ++node) {
        std::int32_t const parent = segment.parents[node];
        Place place = parent < 0 ? held.place : nodes_[held.first_node + static_cast<std::size_t>(parent)];
        advance(place, segment.tokens.last(nodes)[node]);
        nodes_.push_back(place);
        append_row(next(place));
      }
    }
    return rows();
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    if (found == held_.end()) return 0;
    Place& place = found->place;
    place.length = std::min(place.length, length);
    place.agreeing = std::min(place.agreeing, length);
    if (length > 0) return place.length;
    held_.erase(found);
    return 0;
  }

  std::size_t keep(SequenceId sequence, [[maybe_unused]] std::size_t length, std::span<std::int32_t const> path) {
    Held& held = find_or_add(sequence);
    COPYSPEC_ASSERT(held.place.length == length, "right after the pass that fed the tree");
    if (!path.empty()) held.place = nodes_[held.first_node + static_cast<std::size_t>(path.back())];
    return held.place.length;
  }

 private:
  // Of what was fed it matters only how much there is and how much of it agrees with the recording.
  struct Place {
    std::size_t length = 0;
    std::size_t agreeing = 0;
  };

  struct Held {
    SequenceId sequence{};
    Place place = {};
    std::size_t first_node = 0;  // in nodes_, of the tree that the last pass fed behind `place`
  };

  [[nodiscard]] Held& find_or_add(SequenceId sequence) {
    auto const found = std::ranges::find(held_, sequence, &Held::sequence);
    return found != held_.end() ? *found : held_.emplace_back(Held{.sequence = sequence});
  }

  void begin_pass([[maybe_unused]] std::size_t segments) {
    COPYSPEC_ASSERT(segments > 0, "a pass feeds something");
    for (std::size_t const index : set_) logits_[index] = 0;
    set_.clear();
    nodes_.clear();
  }

  [[nodiscard]] LogitsView<float> rows() const { return {logits_.data(), set_.size(), vocabulary_size_}; }

  Held& feed(Segment const& segment) {
    COPYSPEC_ASSERT(!segment.tokens.empty() && segment.rows <= segment.tokens.size(), "rows only after fed tokens");
    Held& held = find_or_add(segment.sequence);
    for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
      advance(held.place, segment.tokens[i]);
      if (i + segment.rows >= segment.tokens.size()) append_row(next(held.place));
    }
    return held;
  }

  void advance(Place& place, Token token) const {
    if (follows_recording(place) && recording_[place.length] == token) ++place.agreeing;
    ++place.length;
    COPYSPEC_ASSERT(place.length <= context_limit(), "within the context limit");
  }

  // Whether the recording says what comes next.
  [[nodiscard]] bool follows_recording(Place const& place) const {
    return place.agreeing == place.length && place.length < recording_.size();
  }

  [[nodiscard]] Token next(Place const& place) const {
    return follows_recording(place) ? recording_[place.length] : nothing_recorded;
  }

  void append_row(Token token) {
    std::size_t const begin = set_.size() * vocabulary_size_;
    if (logits_.size() < begin + vocabulary_size_) logits_.resize(begin + vocabulary_size_);
    set_.push_back(begin + static_cast<std::size_t>(token));
    logits_[set_.back()] = 1;
  }

  std::span<Token const> recording_;
  std::size_t vocabulary_size_;
  std::size_t max_branches_;
  std::vector<Held> held_;
  std::vector<Place> nodes_;      // after each node of the last pass
  std::vector<float> logits_;     // zero but for those in set_
  std::vector<std::size_t> set_;  // one a row of the last pass
};

static_assert(TreeModel<ReplayModel>);

}  // namespace copyspec::bench
