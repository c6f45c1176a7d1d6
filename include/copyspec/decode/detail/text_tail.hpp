// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/version.hpp"
#include "stop_string.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Follows a UTF-8 text byte by byte, and knows how much of its end is a character that is not complete. Only the lead
/// byte and the number of bytes after it are looked at. Bytes that no character has are complete.
class OpenCharacter {
 public:
  void advance(char c) noexcept {
    auto const byte = static_cast<std::uint8_t>(c);
    if (bytes_ > 0 && (byte & 0xC0U) == 0x80U) {
      if (++bytes_ == length_) bytes_ = 0;
      return;
    }
    length_ = (byte & 0xE0U) == 0xC0U ? 2 : (byte & 0xF0U) == 0xE0U ? 3 : (byte & 0xF8U) == 0xF0U ? 4 : 1;
    bytes_ = length_ > 1 ? 1 : 0;
  }

  /// Number of newest bytes that are an incomplete character, at most 3.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// Number of bytes at the end of `text` that are an incomplete character. O(text).
  [[nodiscard]] static std::size_t at_end(std::string_view text) noexcept {
    OpenCharacter character;
    for (char const byte : text) character.advance(byte);
    return character.bytes();
  }

  /// Bytes before the last so many do not matter.
  static constexpr std::size_t reach = 3;

 private:
  std::size_t length_ = 1;
  std::size_t bytes_ = 0;
};

/// Where a text may be cut after its newest token.
struct TextCut {
  std::optional<std::size_t> stop = std::nullopt;  ///< The stop string that is complete.
  std::size_t held = 0;                            ///< Number of newest tokens that are not before the cut as a whole.
  std::size_t shown = 0;                           ///< Number of bytes of the first of them that are before the cut.
};

/// The end of a text that grows token by token: what of it may become part of a stop string, or is a character that is
/// not complete, and the tokens in which it lies.
///
/// Memory: the stop strings, and a number for each token held. Only the constructor, copies, and texts with many empty
/// tokens allocate. Threads: one call at a time.
class TextTail {
 public:
  /// No string of `stops` is empty. O(sum of their lengths).
  explicit TextTail(std::span<std::string const> stops) {
    stops_.reserve(stops.size());
    for (std::string const& stop : stops) {
      stops_.emplace_back(stop);
      reach_ = std::max(reach_, stop.size() - 1);
    }
    lengths_.reserve(reach_ + 1);
  }

  /// No more than so many bytes before a token matter for its cut.
  [[nodiscard]] std::size_t reach() const noexcept { return reach_; }

  /// Appends the text of a token, which may be empty. The text is cut before the stop string that is complete at this
  /// token and begins first, or after it if `show_stop`. If there is none, or not `may_stop`, it is cut before what
  /// may become part of a stop string or a character. A cut is never before an earlier one. O(bytes * stops) amortized.
  TextCut append(std::string_view token, bool may_stop, bool show_stop) {
    TextCut cut;
    std::size_t begin = 0, after = 0;  // of the stop, counted in bytes from the end of the text
    for (std::size_t i = 0; i < token.size(); ++i) {
      std::size_t const left = token.size() - i - 1;
      character_.advance(token[i]);
      for (StopString& stop : stops_) {
        if (!stop.advance(token[i]) || !may_stop || left + stop.size() <= begin) continue;
        begin = left + stop.size();
        after = left;
        cut.stop = static_cast<std::size_t>(&stop - stops_.data());
      }
    }
    std::size_t hidden = cut.stop ? (show_stop ? after : begin) : open();
    lengths_.push_back(token.size());
    drop_shown(hidden);
    cut.held = lengths_.size();
    // What one cut has shown, none hides again.
    cut.shown = bytes_ - std::min(bytes_, hidden);
    return cut;
  }

  /// The text is empty again.
  void restart() noexcept {
    for (StopString& stop : stops_) stop.restart();
    character_ = {};
    lengths_.clear();
    bytes_ = 0;
  }

 private:
  // Number of newest bytes that may become part of something.
  [[nodiscard]] std::size_t open() const noexcept {
    std::size_t open = character_.bytes();
    for (StopString const& stop : stops_) open = std::max(open, stop.matched());
    return open;
  }

  // Drops the first tokens as long as those after them have the `hidden` newest bytes.
  void drop_shown(std::size_t hidden) noexcept {
    bytes_ += lengths_.back();
    auto first = lengths_.begin();
    for (; first != lengths_.end() && bytes_ - *first >= hidden; ++first) bytes_ -= *first;
    lengths_.erase(lengths_.begin(), first);
  }

  std::vector<StopString> stops_;
  OpenCharacter character_;
  std::vector<std::size_t> lengths_;  // in bytes, of the tokens held
  std::size_t bytes_ = 0;             // their sum
  std::size_t reach_ = OpenCharacter::reach;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
