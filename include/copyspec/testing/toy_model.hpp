// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/splitmix.hpp"
#include "../model/model.hpp"
#include "../model/tree_model.hpp"
#include "../model/tree_shape.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// Settings of a `ToyModel`.
struct ToyModelOptions {
  std::size_t vocabulary = 32;
  std::size_t order = 3;  ///< Number of newest tokens that a row depends on; with few, the text repeats sooner.
  std::uint64_t seed = 1;
  std::size_t max_tokens = 512;
  std::size_t context_limit = 4096;
  /// `truncate` and `keep` roll back to a multiple of this, like an engine that has only checkpoints.
  std::size_t checkpoint_interval = 1;
  std::size_t max_branches = 0;  ///< Over all trees of a pass.
  bool placeholders = false;     ///< Whether it knows them; each negative token is another one.
};

/// A `TreeModel` without weights, for tests. Its logits are a hash of the newest tokens, uniform between -8 and 8, and
/// the same on every machine. It stores every token it is fed, and asserts the preconditions of `forward` and `keep`.
///
/// `Scalar` is any floating-point type. O(vocabulary) per row; memory grows with the tokens held. Threads: one call at
/// a time.
template <class Scalar = float>
class ToyModel {
 public:
  explicit ToyModel(ToyModelOptions const& options = {}) : options_(options) {}

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return options_.vocabulary; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return options_.max_tokens; }
  [[nodiscard]] std::size_t context_limit() const noexcept { return options_.context_limit; }

  [[nodiscard]] std::size_t max_branches() const noexcept { return options_.max_branches; }

  /// See `PlaceholderEngine`.
  [[nodiscard]] bool knows_placeholders() const noexcept { return options_.placeholders; }

  /// See `Model`.
  LogitsView<Scalar> forward(std::span<Segment const> batch) {
    begin_pass(batch.size());
    for (Segment const& segment : batch) feed(segment);
    return end_pass();
  }

  /// See `TreeModel`.
  LogitsView<Scalar> forward(std::span<TreeSegment const> batch) {
    begin_pass(batch.size());
    std::size_t branches = 0;
    for (TreeSegment const& segment : batch) {
      Segment const whole{.sequence = segment.sequence, .tokens = segment.tokens, .rows = segment.rows};
      if (segment.parents.empty()) {
        feed(whole);
        continue;
      }
      TreeSize const size = tree_size(segment.parents, options_.max_branches - branches);
      COPYSPEC_ASSERT(size.nodes == segment.parents.size(), "a tree, within the branches of a pass");
      branches += size.branches;
      feed_tree(whole, segment.parents);
    }
    return end_pass();
  }

  /// See `Model`. O(log sequences).
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = held_.find(sequence);
    if (found == held_.end()) return 0;
    Held& held = found->second;
    COPYSPEC_ASSERT(held.parents.empty() || length <= held.before_tree, "only `keep` keeps part of a tree");
    held.parents.clear();
    if (length < held.tokens.size()) cut(held, length);
    if (length == 0) held_.erase(found);
    return length == 0 ? 0 : held.tokens.size();
  }

  /// See `TreeModel`. O(path + log sequences).
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    Held& held = held_.at(sequence);
    COPYSPEC_ASSERT(!held.parents.empty() && length == held.before_tree, "right after the pass that fed the tree");
    std::int32_t before = -1;
    for (std::size_t i = 0; i < path.size(); ++i) {
      auto const node = static_cast<std::size_t>(path[i]);
      COPYSPEC_ASSERT(node < held.parents.size() && held.parents[node] == before, "each the child of the one before");
      held.tokens[length + i] = held.tokens[length + node];
      before = path[i];
    }
    held.parents.clear();
    cut(held, length + path.size());
    return held.tokens.size();
  }

  /// See `ForkingModel`. O(length).
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    Held const& source = held_.at(from);
    COPYSPEC_ASSERT(length <= (source.parents.empty() ? source.tokens.size() : source.before_tree),
                    "tokens that it holds");
    COPYSPEC_ASSERT(!held_.contains(to), "a copy goes to a sequence that holds nothing");
    length -= length % options_.checkpoint_interval;
    if (length == 0) return 0;
    held_[to].tokens.assign(source.tokens.begin(), source.tokens.begin() + static_cast<std::ptrdiff_t>(length));
    return length;
  }

  /// See `ShiftingModel`; without loss, as rows depend on the newest tokens only. O(tokens held).
  std::size_t shift(SequenceId sequence, std::size_t first, std::size_t count) {
    Held& held = held_.at(sequence);
    COPYSPEC_ASSERT(held.parents.empty() && first + count <= held.tokens.size(), "tokens that it holds");
    auto const begin = held.tokens.begin() + static_cast<std::ptrdiff_t>(first);
    held.tokens.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
    return held.tokens.size();
  }

  /// The tokens that the model holds for `sequence`. Valid until the next change.
  [[nodiscard]] std::span<Token const> held(SequenceId sequence) const {
    auto const found = held_.find(sequence);
    return found == held_.end() ? std::span<Token const>() : found->second.tokens;
  }

 private:
  struct Held {
    std::vector<Token> tokens;          // ends with the nodes of a tree, in the order they were fed
    std::vector<std::int32_t> parents;  // of these nodes, until a path is kept or all are forgotten
    std::size_t before_tree = 0;
  };

  void begin_pass([[maybe_unused]] std::size_t segments) {
    COPYSPEC_ASSERT(segments > 0, "a pass feeds something");
    rows_.clear();
    fed_ = 0;
  }

  LogitsView<Scalar> end_pass() const {
    COPYSPEC_ASSERT(fed_ <= options_.max_tokens, "within the tokens of a pass");
    return {rows_.data(), rows_.size() / options_.vocabulary, options_.vocabulary};
  }

  void cut(Held& held, std::size_t length) const { held.tokens.resize(length - length % options_.checkpoint_interval); }

  Held& feed(Segment const& segment) {
    COPYSPEC_ASSERT(!segment.tokens.empty() && segment.rows <= segment.tokens.size(), "rows only after fed tokens");
    Held& held = held_[segment.sequence];
    COPYSPEC_ASSERT(held.parents.empty(), "after a tree, `keep` or `truncate` comes first");
    for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
      append(held, segment.tokens[i]);
      if (i + segment.rows >= segment.tokens.size()) append_row(held.tokens);
    }
    return held;
  }

  void feed_tree(Segment const& whole, std::span<std::int32_t const> parents) {
    COPYSPEC_ASSERT(parents.size() < whole.tokens.size() && whole.rows == parents.size() + 1,
                    "a row before the tree and after each node");
    Held& held = feed(
        {.sequence = whole.sequence, .tokens = whole.tokens.first(whole.tokens.size() - parents.size()), .rows = 1});
    held.before_tree = held.tokens.size();
    held.parents.assign(parents.begin(), parents.end());
    for (std::size_t node = 0; node < parents.size(); ++node) {
      append(held, whole.tokens.last(parents.size())[node]);
      // The chain to this node, as far back as a row depends on.
      chain_.clear();
      auto const tokens = std::span<Token const>(held.tokens);
      for (auto at = static_cast<std::int32_t>(node); at >= 0; at = parents[static_cast<std::size_t>(at)])
        chain_.push_back(tokens[held.before_tree + static_cast<std::size_t>(at)]);
      for (std::size_t back = 0; back < std::min(held.before_tree, options_.order); ++back)
        chain_.push_back(tokens[held.before_tree - 1 - back]);
      std::ranges::reverse(chain_);
      append_row(chain_);
    }
  }

  void append(Held& held, Token token) {
    COPYSPEC_ASSERT(token < 0 ? options_.placeholders : static_cast<std::size_t>(token) < options_.vocabulary,
                    "a known token");
    held.tokens.push_back(token);
    COPYSPEC_ASSERT(held.tokens.size() <= options_.context_limit, "within the context limit");
    ++fed_;
  }

  void append_row(std::span<Token const> held) {
    // A polynomial in the mixed tokens, modulo 2^64, mixed again so that every bit depends on every token.
    auto const extend = [](std::uint64_t sum, Token token) {
      return sum * detail::golden_ratio + detail::splitmix(static_cast<std::uint32_t>(token) + detail::golden_ratio);
    };
    std::uint64_t sum = extend(0, static_cast<Token>(options_.seed));
    for (Token const token : held.last(std::min(options_.order, held.size()))) sum = extend(sum, token);
    for (std::size_t token = 0; token < options_.vocabulary; ++token) {
      std::uint64_t const hash = detail::splitmix(extend(sum, static_cast<Token>(token)));
      // 24 bits, which a float holds exactly.
      auto const bits = static_cast<float>(hash >> 40);
      rows_.push_back(static_cast<Scalar>(bits / (1 << 20) - 8));
    }
  }

  ToyModelOptions options_;
  std::map<SequenceId, Held> held_;
  std::vector<Scalar> rows_;
  std::vector<Token> chain_;
  std::size_t fed_ = 0;  // in the current pass
};

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
