// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/recovery.hpp"
#include "detail/text_tail.hpp"
#include "output_delta.hpp"
#include "sequence.hpp"
#include "stop.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The text of one turn.
struct TextOptions {
  std::vector<std::string> stop = {};  ///< Strings that end the turn, wherever tokens begin and end. None is empty.
  bool show_stop = false;              ///< Whether the string that ended the turn is shown.
  /// A string that is complete among the first so many tokens does not end the turn. The same as in `GenerateOptions`.
  std::size_t min_new_tokens = 0;
};

/// `token_text(token)` is the text of a token, always the same: any bytes, none at all, or a part of a character.
template <class F>
concept TokenText = requires(F& token_text, Token token) {
  { token_text(token) } -> std::convertible_to<std::string_view>;
};

/// The text of many sequences, and stop strings in it. It is a `StopPredicate`, and `on_text` makes the callback to go
/// with it. For each turn, call `begin` here and at the composer, then give both to each `step`:
///
///     composer.step(text.on_text([](OutputDelta const& delta, std::string_view bytes) { ... }), text);
///
/// A turn ends with the first token at which one of its stop strings is complete. The text ends before the one that
/// begins first; of two that begin there, before the shorter one. What precedes it is shown, also the part that lies in
/// the same token. The texts of a turn, joined, depend neither on drafts nor on passes.
///
/// Tokens are held (`StopDecision::held`) as long as their text may become part of a stop string, or ends in a part of
/// a UTF-8 character. `bytes` is the text of `delta.tokens`. If that ends in a part of a character, which the next
/// token completes, the part comes with the next bytes. So as long as the turn goes on, whole characters are shown.
/// Bytes that are not UTF-8 are passed on as they are. When a turn ends without a stop string, all that was held is
/// shown, unless the turn may continue.
///
/// Cost of a token: O(its bytes * stop strings), and two calls of `token_text`. After an exception, up to as many bytes
/// as the longest stop string has are read again. Memory of a sequence: its stop strings, and a number for each token
/// held. Once warm, no token allocates, unless many have no text.
///
/// Errors: `begin` throws `Error(bad_options)` for an empty stop string. All other calls but `remove` throw it for a
/// sequence that was not begun. What `token_text` and the callback throw passes through. Each call may then be
/// repeated: no text is lost or doubled. Threads: one call at a time. Lifetime: `token_text` is kept by value.
/// What `on_text` returns refers to the stream.
template <TokenText F>
class TextStream {
 public:
  explicit TextStream(F token_text) : token_text_(std::move(token_text)) {}

  /// Begins a turn of `id`. What was not shown of an earlier one is dropped. If it throws, nothing has changed.
  void begin(SequenceId id, TextOptions options = {}) {
    for (std::string const& stop : options.stop)
      if (stop.empty()) raise_error(ErrorCode::bad_options, "a stop string is empty");
    turns_.insert_or_assign(id, Turn(std::move(options), ++begun_));
  }

  /// Forgets `id`, if it was begun.
  void remove(SequenceId id) noexcept { turns_.erase(id); }

  /// `to` becomes what `from` was, as with the composer.
  void move(SequenceId from, SequenceId to) {
    static_cast<void>(at(from));
    if (from == to) return;
    auto node = turns_.extract(from);
    node.key() = to;
    turns_.erase(to);
    turns_.insert(std::move(node));
  }

  /// `to` becomes a copy of `from`, as with the composer.
  void fork(SequenceId from, SequenceId to) {
    if (from == to) return;
    Turn copy(at(from));
    copy.number = ++begun_;
    turns_.insert_or_assign(to, std::move(copy));
  }

  /// Which of the turn's stop strings is complete at the newest token of `id`, if any.
  [[nodiscard]] std::optional<std::size_t> stopped_by(SequenceId id) const { return at(id).cut.stop; }

  /// The decision at the newest token.
  StopDecision operator()(SequenceId id, std::span<Token const> generated) {
    Turn& turn = at(id);
    if (generated.empty()) return {};
    // Until the end, so that after an exception the next call reads again.
    std::size_t const seen = std::exchange(turn.seen, unknown);
    if (seen + 1 != generated.size()) read_again(turn, generated.first(generated.size() - 1));
    detail::TextCut cut;
    with_text(generated.back(), [&](std::string_view text) {
      cut = turn.tail.append(text, generated.size() > turn.options.min_new_tokens, turn.options.show_stop);
    });
    turn.partial.clear();
    if (cut.stop && cut.held > 0)
      with_text(generated[generated.size() - cut.held],
                [&](std::string_view text) { turn.partial = text.substr(0, cut.shown); });
    turn.cut = cut;
    turn.seen = generated.size();
    return {.stop = cut.stop.has_value(), .held = cut.held};
  }

  /// Makes a callback for `step`, `run` or `emit`. It calls `callback(delta, bytes)`, where `bytes` may be shown now
  /// and is valid during the call. If `callback` throws, it gets the same again, so do there all that may throw. It may
  /// begin, remove, move and copy sequences, here too. An lvalue is kept by reference.
  template <class OnText>
  [[nodiscard]] auto on_text(OnText&& callback) {
    return [this, kept = Kept<OnText>{std::forward<OnText>(callback)}](OutputDelta const& delta) mutable {
      show(delta, kept.callback);
    };
  }

 private:
  static constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max() - 1;

  struct Turn {
    Turn(TextOptions of, std::uint64_t serial) : options(std::move(of)), tail(options.stop), number(serial) {}

    TextOptions options;
    detail::TextTail tail;
    detail::TextCut cut;    // at the newest token
    std::string partial;    // if it stops: the part of the first held token that is shown
    std::size_t seen = 0;   // number of tokens that `tail` has read
    std::size_t shown = 0;  // number of tokens that the callback was given
    std::string open;       // the part of a character at their end, which it was not given
    std::uint64_t number;   // of all turns begun
  };

  template <class OnText>
  struct Kept {
    OnText callback;
  };

  [[nodiscard]] Turn const& at(SequenceId id) const {
    auto const found = turns_.find(id);
    if (found == turns_.end()) raise_error(ErrorCode::bad_options, "no text was begun for this sequence");
    return found->second;
  }
  [[nodiscard]] Turn& at(SequenceId id) { return const_cast<Turn&>(std::as_const(*this).at(id)); }

  // The text may be a view of a temporary.
  template <class Use>
  void with_text(Token token, Use&& use) {
    auto&& text = token_text_(token);
    use(std::string_view(text));
  }

  // Brings the tail to the end of `generated`, of which only the end matters.
  void read_again(Turn& turn, std::span<Token const> generated) {
    turn.tail.restart();
    std::size_t first = generated.size(), bytes = 0;
    while (first > 0 && bytes < turn.tail.reach())
      with_text(generated[--first], [&](std::string_view text) { bytes += text.size(); });
    for (Token const token : generated.subspan(first))
      with_text(token, [&](std::string_view text) { turn.tail.append(text, false, false); });
  }

  template <class OnText>
  void show(OutputDelta const& delta, OnText& callback) {
    Turn& turn = at(delta.sequence);
    std::string bytes = std::move(bytes_);
    bytes.assign(turn.open);
    for (Token const token : delta.tokens) with_text(token, [&](std::string_view text) { bytes += text; });
    // Another rule may have stopped at the same token and hold more. Then the part of a token would follow a gap.
    bool const cut_here = turn.seen == turn.shown + delta.tokens.size() + turn.cut.held;
    if (delta.status == SequenceStatus::stopped && turn.cut.stop && cut_here) bytes += turn.partial;
    bool const goes_on =
        delta.status == SequenceStatus::running || (delta.status == SequenceStatus::length && delta.may_continue);
    std::size_t const whole = bytes.size() - (goes_on ? detail::OpenCharacter::at_end(bytes) : 0);
    // Before the callback, which may copy the turn, move it, or begin another.
    std::size_t const shown = std::exchange(turn.shown, turn.shown + delta.tokens.size());
    std::string const open = std::exchange(turn.open, bytes.substr(whole));
    auto const repeat = [&, number = turn.number] {
      // The callback may have moved it.
      for (auto& [id, at] : turns_) {
        if (at.number != number) continue;
        at.shown = shown;
        at.open = open;
      }
    };
    detail::with_recovery([&] { callback(delta, std::string_view(bytes).substr(0, whole)); }, repeat);
    bytes_ = std::move(bytes);
  }

  F token_text_;
  std::map<SequenceId, Turn> turns_;
  std::string bytes_;  // room for a text
  std::uint64_t begun_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
