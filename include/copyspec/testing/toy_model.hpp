// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../assert.hpp"
#include "../model.hpp"
#include "../rolling_hash.hpp"
#include "../token.hpp"

namespace copyspec::inline v0::testing {

/// What a `ToyModel` is like.
struct ToyModelOptions {
  std::size_t vocabulary = 32;
  std::size_t order = 3;  ///< How many of the newest tokens a row depends on: few make it repeat itself sooner.
  std::uint64_t seed = 1;
  std::size_t max_tokens = 512;
  std::size_t context_limit = 4096;
  /// `truncate` goes back to a multiple of this, as an engine does that has only checkpoints.
  std::size_t checkpoint_interval = 1;
};

/// A `Model` without weights, for tests: its logits are a hash of the newest tokens, uniform between -8 and 8, and the
/// same on every machine. It remembers what it was fed, token by token, and asserts the preconditions of `forward`.
///
/// `Scalar` is any floating-point type. A row costs O(vocabulary); memory grows with what is held. Threads: one call at
/// a time.
template <class Scalar = float>
class ToyModel {
 public:
  explicit ToyModel(ToyModelOptions const& options = {}) : options_(options) {}

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return options_.vocabulary; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return options_.max_tokens; }
  [[nodiscard]] std::size_t context_limit() const noexcept { return options_.context_limit; }

  LogitsView<Scalar> forward(std::span<Segment const> batch) {
    COPYSPEC_ASSERT(!batch.empty(), "a pass feeds something");
    rows_.clear();
    std::size_t fed = 0;
    std::size_t rows = 0;
    for (Segment const& segment : batch) {
      COPYSPEC_ASSERT(!segment.tokens.empty() && segment.rows <= segment.tokens.size(), "rows only after fed tokens");
      auto& held = held_[segment.sequence];
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        Token const token = segment.tokens[i];
        COPYSPEC_ASSERT(token >= 0 && static_cast<std::size_t>(token) < options_.vocabulary, "a known token");
        held.push_back(token);
        if (i + segment.rows >= segment.tokens.size()) append_row(held);
      }
      COPYSPEC_ASSERT(held.size() <= options_.context_limit, "within the context limit");
      fed += segment.tokens.size();
      rows += segment.rows;
    }
    COPYSPEC_ASSERT(fed <= options_.max_tokens, "within the tokens of a pass");
    return {rows_.data(), rows, options_.vocabulary};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    auto const found = held_.find(sequence);
    if (found == held_.end()) return 0;
    auto& held = found->second;
    if (length < held.size()) held.resize(length - length % options_.checkpoint_interval);
    if (length == 0) held_.erase(found);
    return length == 0 ? 0 : held.size();
  }

  /// What the model holds of `sequence`.
  [[nodiscard]] std::span<Token const> held(SequenceId sequence) const {
    auto const found = held_.find(sequence);
    return found == held_.end() ? std::span<Token const>() : found->second;
  }

 private:
  void append_row(std::span<Token const> held) {
    RollingHash hash(options_.order + 2);
    hash.push(static_cast<Token>(options_.seed));
    for (Token const token : held.last(std::min(options_.order, held.size()))) hash.push(token);
    for (std::size_t token = 0; token < options_.vocabulary; ++token) {
      RollingHash with_token = hash;
      with_token.push(static_cast<Token>(token));
      // 24 bits: what a float holds exactly.
      auto const bits = static_cast<float>(with_token.value() >> 40);
      rows_.push_back(static_cast<Scalar>(bits / (1 << 20) - 8));
    }
  }

  ToyModelOptions options_;
  std::map<SequenceId, std::vector<Token>> held_;
  std::vector<Scalar> rows_;
};

}  // namespace copyspec::inline v0::testing
