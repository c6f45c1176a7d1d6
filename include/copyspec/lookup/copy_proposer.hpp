// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../draft/proposer.hpp"
#include "ngram_index.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Which earlier occurrence of the newest tokens a draft continues.
enum class Occurrence : std::uint8_t { oldest, newest };

/// Settings of a `CopyProposer`.
struct CopyOptions {
  std::size_t match_length = 3;   ///< How many of the newest tokens must have been seen before; the paper's gamma.
  std::size_t draft_length = 10;  ///< Most tokens copied.
  Occurrence occurrence = Occurrence::oldest;
  /// Whether a copy that reaches the end of the context goes on with the tokens it has just written, as a copy in LZ77
  /// does. Without it a tight loop is drafted one period at a time, or one token.
  bool extend_loops = true;
  /// Only occurrences that end at one of the newest `window` tokens are copied from, so that memory is bounded however
  /// long the sequence is; zero is no bound. `truncate` does not bring back what went out of the window.
  std::size_t window = 0;
};

/// The rule of the CopySpec paper (arXiv 2502.08923, section 3): what followed the first occurrence of the last three
/// tokens, ten tokens of it, up to the end of the context.
inline constexpr CopyOptions published_rule{
    .match_length = 3, .draft_length = 10, .occurrence = Occurrence::oldest, .extend_loops = false};

/// Proposes what followed an earlier occurrence of the newest tokens. A `DraftProposer`.
///
/// `propose` costs O(1) a token of context since the last call plus the draft, allocates nothing up to what was
/// reserved, and cannot fail otherwise. Memory: that of the index.
class CopyProposer {
 public:
  explicit CopyProposer(CopyOptions const& options = {})
      : options_(options), index_(options.match_length, options.window) {}

  [[nodiscard]] CopyOptions const& options() const noexcept { return options_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return index_.memory_bytes(); }

  void reserve(std::size_t length) { index_.reserve(length); }
  void truncate(std::size_t length) noexcept { index_.truncate(length); }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    index_.extend(context);
    auto const found = index_.find();
    if (!found) return {};
    std::size_t const source = options_.occurrence == Occurrence::oldest ? found->oldest : found->newest;
    std::size_t const limit = std::min(options_.draft_length, space.size());
    std::size_t const available = context.size() - source;
    static constexpr Source from = Source::context;
    Draft draft{.sources = {&from, 1}};
    for (; draft.length < limit; ++draft.length) {
      if (draft.length >= available && !options_.extend_loops) break;
      Token const token = draft.length < available ? context[source + draft.length] : space[draft.length - available];
      if (token < 0) break;
      space[draft.length] = token;
    }
    return draft;
  }

 private:
  CopyOptions options_;
  NgramIndex<> index_;
};

static_assert(DraftProposer<CopyProposer>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
