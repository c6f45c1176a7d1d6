// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <fmt/color.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace copyspec_llama {
namespace {

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// How many bytes a character in UTF-8 has that begins with `lead`.
std::size_t character_size(char lead) {
  auto const byte = static_cast<unsigned char>(lead);
  if (byte >= 0xF0U) return 4;
  if (byte >= 0xE0U) return 3;
  return byte >= 0xC0U ? 2 : 1;
}

// The length of `text` without a character at its end that is not complete.
std::size_t complete_size(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && text.size() - begin < 3 && continues_character(text[begin - 1])) --begin;
  if (begin == 0) return text.size();
  return character_size(text[begin - 1]) > text.size() - begin + 1 ? begin - 1 : text.size();
}

// Not by fmt, which throws when there is no standard error.
void print_error(std::string const& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::begin(std::string stage) {
  stage_ = std::move(stage);
  if (terminal_)
    update({});
  else
    print_error(stage_ + '\n');
}

void Progress::update(std::string_view detail) {
  if (!terminal_) return;
  print_error(fmt::format("\r\x1b[K{}{}{}", stage_, detail.empty() ? "" : ": ", detail));
  shown_ = true;
}

void Progress::clear() {
  if (!std::exchange(shown_, false)) return;
  print_error("\r\x1b[K");
}

TextStream::TextStream() : colours_(isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr) {}

void TextStream::write(std::string_view text, copyspec::Source source) {
  waiting_ += text;
  std::size_t const size = complete_size(waiting_);
  print(std::string_view(waiting_).substr(0, size), colours_ && source != copyspec::Source::model);
  waiting_.erase(0, size);
  std::fflush(stdout);
}

void TextStream::end() {
  print(waiting_, false);
  waiting_.clear();
  print("\n", false);
  std::fflush(stdout);
}

void TextStream::print(std::string_view text, bool coloured) {
  if (text.empty()) return;
  // The colour is taken back each time, so that an interrupt leaves the terminal as it was.
  if (coloured)
    fmt::print(fmt::fg(fmt::terminal_color::green), "{}", text);
  else
    std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string shortened(std::string_view text, std::size_t length) {
  std::string line;
  for (char const byte : text) {
    bool const space = byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
    if (!space)
      line += byte;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (line.size() <= length) return line;
  constexpr std::string_view ellipsis = "...";
  std::size_t const kept = length - std::min(length, ellipsis.size());
  line.resize(complete_size(std::string_view(line).substr(0, kept)));
  return line.append(ellipsis);
}

}  // namespace copyspec_llama
