// SPDX-License-Identifier: MIT
#include "support/watched_model.hpp"

#include <copyspec/core/token.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/model/tree_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <span>

#include "support/thrown.hpp"
#include "support/tokens.hpp"

namespace copyspec_test {

namespace {

std::span<std::int32_t const> parents_of(Segment const&) {
  return {};
}
std::span<std::int32_t const> parents_of(TreeSegment const& segment) {
  return segment.parents;
}

}  // namespace

void WatchedModel::note_tree(SequenceId sequence, std::size_t tokens, std::size_t nodes_fed) {
  if (nodes_fed > 0) before_tree_[sequence] = held(sequence).size() + tokens - nodes_fed;
}

template <class AnySegment>
void WatchedModel::feed_part(std::span<AnySegment const> batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    std::span<Token const> const tokens = batch[i].tokens;
    std::size_t const count = std::min(tokens.size(), (calls_ * 7 + i * 3) % (tokens.size() + 2));
    std::size_t const nodes_whole = parents_of(batch[i]).size();
    std::size_t const nodes_part = count - std::min(count, tokens.size() - nodes_whole);
    TreeSegment const part{.sequence = batch[i].sequence,
                           .tokens = tokens.first(count),
                           .rows = nodes_part > 0 ? nodes_part + 1 : 0,
                           .parents = parents_of(batch[i]).first(nodes_part)};
    if (count == 0) continue;
    note_tree(part.sequence, count, nodes_part);
    toy_.forward({&part, 1});
  }
}

template <class Cut>
std::size_t WatchedModel::cut(SequenceId sequence, std::size_t length, Cut&& cut) {
  std::ranges::fill(rows_, std::numeric_limits<float>::quiet_NaN());
  std::size_t const before = toy_.held(sequence).size();
  std::size_t const after = cut();
  before_tree_.erase(sequence);
  std::size_t& lost = lost_[sequence];
  lost = std::min(lost, length);
  if (after < std::min(length, before)) lost = std::max(lost, std::min(length, before));
  return after;
}

template <class AnySegment>
void WatchedModel::check(std::span<AnySegment const> batch) {
  std::size_t total = 0;
  std::set<SequenceId> sequences;
  if (batch.empty()) wrong = "a pass with nothing in it";
  for (AnySegment const& segment : batch) {
    if (before_tree_.contains(segment.sequence)) wrong = "a sequence fed behind a tree";
    std::size_t const before = held(segment.sequence).size();
    total += segment.tokens.size();
    if (!sequences.insert(segment.sequence).second) wrong = "two segments of one sequence";
    if (segment.tokens.empty()) wrong = "an empty segment";
    if (segment.rows > segment.tokens.size()) wrong = "more rows than tokens";
    if (before + segment.tokens.size() > context_limit()) wrong = "more than the context holds";
    if (before < lost_[segment.sequence] && segment.rows > 1) wrong = "a draft behind tokens that are fed again";
    for (Token const token : segment.tokens)
      if (token < 0 || static_cast<std::size_t>(token) >= vocabulary_size()) wrong = "a token not in the vocabulary";
  }
  if (total > max_tokens()) wrong = "more tokens than a pass takes";
}

template <class AnySegment>
LogitsView<float> WatchedModel::run(std::span<AnySegment const> batch) {
  check(batch);
  if (fails(++calls_)) {
    feed_part(batch);
    throw Refused{calls_};
  }
  newest.clear();
  ++passes;
  for (AnySegment const& segment : batch) {
    std::span<std::int32_t const> const parents = parents_of(segment);
    newest.push_back({segment.sequence, copy(segment.tokens), segment.rows, {parents.begin(), parents.end()}});
    fed += segment.tokens.size();
    drafted += segment.rows > 1 ? segment.rows - 1 : 0;
    note_tree(segment.sequence, segment.tokens.size(), parents.size());
    if (!parents.empty()) ++trees;
  }
  auto const rows = toy_.forward(batch);
  if (rows.rows() == 0) return {};
  std::size_t const stride = vocabulary_size() + 3;
  rows_.assign(rows.rows() * stride, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t row = 0; row < rows.rows(); ++row)
    std::ranges::copy(rows.row(row), rows_.begin() + static_cast<std::ptrdiff_t>(row * stride));
  return {rows_.data(), rows.rows(), vocabulary_size(), stride};
}

LogitsView<float> WatchedModel::forward(std::span<Segment const> batch) {
  return run(batch);
}

LogitsView<float> WatchedModel::forward(std::span<TreeSegment const> batch) {
  return run(batch);
}

std::size_t WatchedModel::truncate(SequenceId sequence, std::size_t length) {
  return cut(sequence, length, [&] { return toy_.truncate(sequence, length); });
}

std::size_t WatchedModel::keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
  if (!before_tree_.contains(sequence)) wrong = "a path kept of no tree";
  if (std::ranges::find(newest, sequence, &Share::sequence) == newest.end()) wrong = "a path kept too late";
  if (keep_fails()) throw Refused{calls_};
  nodes += path.size();
  return cut(sequence, length + path.size(), [&] { return toy_.keep(sequence, length, path); });
}

}  // namespace copyspec_test
