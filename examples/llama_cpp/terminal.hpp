// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "copyspec/core/token.hpp"

namespace copyspec_llama {

/// What is going on, on standard error: a line that is overwritten on a terminal, elsewhere one line for each stage.
class Progress {
 public:
  Progress();
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;
  ~Progress() { clear(); }

  /// A new stage begins.
  void begin(std::string stage);
  /// How far it is. Shown on a terminal only.
  void update(std::string_view detail);
  /// Removes the line, so that something else can be written to the terminal.
  void clear();

 private:
  bool const terminal_;
  bool shown_ = false;
  std::string stage_;
};

/// A model's text on standard output, as it comes; what was copied is green on a terminal, unless NO_COLOR is set.
class TextStream {
 public:
  TextStream();

  /// Writes the text of one token. A character that is not complete waits for the next token.
  void write(std::string_view text, copyspec::Source source);
  /// Writes what still waits, and a line break.
  void end();

 private:
  static void print(std::string_view text, bool coloured);

  bool const colours_;
  std::string waiting_;
};

/// `text` on one line, shortened to at most `length` bytes with an ellipsis.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t length);

}  // namespace copyspec_llama
