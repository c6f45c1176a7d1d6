// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

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
/// `propose` is O(1) per context token since the last call, plus O(draft). A context of more than `piece` tokens that
/// has to be read again, because `reserve` has grown, is read again in pieces, one for each call, as are more than
/// `piece` tokens removed. Nothing is proposed until that is done. It allocates nothing up to the reserved length, and
/// can fail only by allocation; if `reserve` fails, nothing is changed. Memory: that of the index. Threads: one call at
/// a time.
class CopyProposer {
 public:
  /// Takes about two milliseconds.
  static constexpr std::size_t piece = 32768;

  explicit CopyProposer(CopyOptions const& options = {})
      : options_(options), index_(options.match_length, options.window) {}

  [[nodiscard]] CopyOptions const& options() const noexcept { return options_; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return index_.memory_bytes(); }

  /// Afterwards, contexts of up to `length` tokens allocate nothing. O(length).
  void reserve(std::size_t length) {
    bool const grows = (options_.window == 0 ? length : std::min(length, options_.window)) > index_.capacity();
    if (!grows || index_.size() <= piece) return index_.reserve(length);
    NgramIndex<> larger(options_.match_length, options_.window);
    larger.reserve(length);
    was_read_ = std::max(was_read_, std::min(index_.size(), left_));
    left_ = unlimited;
    index_ = std::move(larger);
  }

  /// Forgets the context after its first `length` tokens. O(tokens removed), of which the next calls do the most.
  void truncate(std::size_t length) noexcept {
    left_ = std::min(left_, length);
    was_read_ = std::min(was_read_, length);
    remove_piece();
  }

  /// See `DraftProposer`.
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    if (!take_in(context)) return {};
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
  static constexpr std::size_t unlimited = ~std::size_t{0};

  // Removes a piece of what was truncated. Returns whether nothing is left of that.
  bool remove_piece() noexcept {
    index_.truncate(std::max(left_, index_.size() - std::min(index_.size(), piece)));
    if (index_.size() > left_) return false;
    left_ = unlimited;
    return true;
  }

  // Reads what is new of `context`, or a piece of what is to be read again. Returns whether all was read.
  bool take_in(std::span<Token const> context) {
    if (left_ != unlimited && !remove_piece()) return false;
    std::size_t const window = options_.window;
    if (window != 0 && context.size() - index_.size() > window) index_.begin_at(context.size() - window);
    bool const all = index_.size() + piece >= std::min(was_read_, context.size());
    index_.extend(all ? context : context.first(index_.size() + piece));
    return all;
  }

  CopyOptions options_;
  NgramIndex<> index_;
  std::size_t left_ = unlimited;  // to how many tokens the index is still to be truncated
  std::size_t was_read_ = 0;      // tokens that were read before the index grew
};

static_assert(DraftProposer<CopyProposer>);

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
