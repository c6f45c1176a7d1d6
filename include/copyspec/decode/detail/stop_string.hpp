// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Finds one string in a text that arrives byte by byte (Knuth, Morris, Pratt). Occurrences may overlap.
///
/// Only the constructor and copies allocate. Threads: one call at a time.
class StopString {
 public:
  /// `text` is not empty. O(text).
  explicit StopString(std::string text) : text_(std::move(text)), borders_(text_.size()) {
    COPYSPEC_ASSERT(!text_.empty(), "an empty string is everywhere");
    for (std::size_t i = 1; i < text_.size(); ++i) borders_[i] = longer(borders_[i - 1], text_[i]);
  }

  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

  /// Appends a byte to the text. Returns whether the string ends there. Amortized O(1).
  bool advance(char byte) noexcept {
    matched_ = longer(matched_, byte);
    if (matched_ < text_.size()) return false;
    matched_ = borders_.back();
    return true;
  }

  /// Number of newest bytes that may become part of the string: its longest prefix, but not all of it, that the text
  /// ends in.
  [[nodiscard]] std::size_t matched() const noexcept { return matched_; }

  /// The text is empty again.
  void restart() noexcept { matched_ = 0; }

 private:
  // The longest prefix that ends in `byte`, where `prefix` bytes of the string precede it.
  [[nodiscard]] std::size_t longer(std::size_t prefix, char byte) const noexcept {
    while (prefix > 0 && text_[prefix] != byte) prefix = borders_[prefix - 1];
    return text_[prefix] == byte ? prefix + 1 : 0;
  }

  std::string text_;
  std::vector<std::size_t> borders_;  // of each prefix: the longest shorter prefix that it ends in
  std::size_t matched_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
