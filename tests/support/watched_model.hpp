// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/model/tree_model.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tokens.hpp"
#include "toy_language.hpp"

namespace copyspec_test {

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::testing::ToyModelOptions;

// A toy model that is watched: it knows what it was fed, complains about calls that no caller may make, and throws
// where it is told to. Its rows lie apart, with NaN between them, and a pass without rows returns an empty view.
class WatchedModel {
 public:
  explicit WatchedModel(ToyModelOptions const& options) : toy_(options) {}

  std::function<bool(std::size_t call)> fails = [](std::size_t) { return false; };
  std::function<bool()> keep_fails = [] { return false; };
  std::size_t fed = 0;      // tokens, in passes that did not fail
  std::size_t passes = 0;   // that did not fail
  std::size_t drafted = 0;  // rows beyond one a segment, in passes that did not fail
  std::size_t trees = 0;    // in passes that did not fail
  std::size_t nodes = 0;    // that were kept
  std::string wrong;        // a precondition that a caller broke
  struct Share {
    SequenceId sequence;
    Tokens tokens;
    std::size_t rows;
    std::vector<std::int32_t> parents;  // as they were fed
  };
  std::vector<Share> newest;  // the newest pass that did not fail

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const { return toy_.max_branches(); }
  [[nodiscard]] std::span<Token const> held(SequenceId sequence) const { return toy_.held(sequence); }
  // What is held for certain, before the nodes of a tree of which no path was kept.
  [[nodiscard]] std::span<Token const> settled(SequenceId sequence) const {
    auto const tree = before_tree_.find(sequence);
    return tree == before_tree_.end() ? held(sequence) : held(sequence).first(tree->second);
  }

  LogitsView<float> forward(std::span<Segment const> batch);
  LogitsView<float> forward(std::span<TreeSegment const> batch);

  std::size_t truncate(SequenceId sequence, std::size_t length);

  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path);

  // What was lost behind `length` is not missed any more.
  void forgive(SequenceId sequence, std::size_t length) { lost_[sequence] = std::min(lost_[sequence], length); }

 private:
  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> batch);

  void note_tree(SequenceId sequence, std::size_t tokens, std::size_t nodes_fed);

  template <class Cut>
  std::size_t cut(SequenceId sequence, std::size_t length, Cut&& cut);

  template <class AnySegment>
  void check(std::span<AnySegment const> batch);

  // Leaves behind what an engine may that failed in the middle of a pass.
  template <class AnySegment>
  void feed_part(std::span<AnySegment const> batch);

  Toy toy_;
  std::vector<float> rows_;
  std::map<SequenceId, std::size_t> lost_;
  std::map<SequenceId, std::size_t> before_tree_;
  std::size_t calls_ = 0;
};

}  // namespace copyspec_test
