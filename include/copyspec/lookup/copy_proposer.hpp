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

/// Which earlier occurrence of the newest tokens a draft copies from.
enum class Occurrence : std::uint8_t { oldest, newest };

/// Settings of a `CopyProposer`.
struct CopyOptions {
  std::size_t match_length = 3;   ///< Length in tokens of the match at the end of the context; the paper's gamma.
  std::size_t draft_length = 10;  ///< Most tokens copied.
  Occurrence occurrence = Occurrence::oldest;
  /// Whether a copy that reaches the end of the context continues with the tokens it has just written, as in LZ77.
  /// Without it, a short loop is drafted one period at a time, possibly one token.
  bool extend_loops = true;
  /// Copies only from occurrences that end within the newest `window` tokens. This bounds memory, however long the
  /// sequence; zero is no bound. `truncate` does not restore what has left the window.
  std::size_t window = 0;
};

/// The rule of the CopySpec paper (arXiv 2502.08923, section 3): copies what followed the first occurrence of the last
/// three tokens, up to ten tokens, ending at the end of the context.
inline constexpr CopyOptions published_rule{
    .match_length = 3, .draft_length = 10, .occurrence = Occurrence::oldest, .extend_loops = false};

/// Prompt lookup: proposes what followed an earlier occurrence of the newest tokens. A `DraftProposer`.
///
/// `propose` is O(1) per context token since the last call, plus O(draft). It allocates nothing up to the reserved
/// length, and can fail only by allocation. Memory: that of the index. Threads: one call at a time.
class CopyProposer {
 public:
  explicit CopyProposer(CopyOptions const& options = {})
      : options_(options), index_(options.match_length, options.window) {}

  [[nodiscard]] CopyOptions const& options() const noexcept { return options_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return index_.memory_bytes(); }

  /// Afterwards, contexts of up to `length` tokens allocate nothing. O(length).
  void reserve(std::size_t length) { index_.reserve(length); }
  /// Forgets the context after its first `length` tokens. O(tokens removed).
  void truncate(std::size_t length) noexcept { index_.truncate(length); }

  /// See `DraftProposer`.
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
