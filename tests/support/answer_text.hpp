// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/decode/text_stream.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "random.hpp"
#include "thrown.hpp"
#include "tokens.hpp"

namespace copyspec_test {

using copyspec::TextOptions;

// The text of each token of a vocabulary.
using TokenTable = std::vector<std::string>;

// How many bytes at the end of `text` are a part of a UTF-8 character, found the slow way.
inline std::size_t part_of_character(std::string_view text) {
  for (std::size_t count = 1; count <= 3 && count <= text.size(); ++count) {
    auto const byte = static_cast<unsigned char>(text[text.size() - count]);
    if (byte < 0x80 || byte >= 0xF8) return 0;
    if (byte >= 0xC0) return count < (byte < 0xE0 ? 2U : byte < 0xF0 ? 3U : 4U) ? count : 0;
  }
  return 0;
}

// Where an answer ends, and what of it may be shown, by a search through its whole text.
struct AnswerText {
  std::string text;                  // all that is shown in the end
  std::size_t tokens = 0;            // that are generated
  std::optional<std::size_t> by;     // the stop string that ends it
  std::vector<std::size_t> cuts;     // after each of these tokens: the bytes that may be shown
  std::vector<std::size_t> helds;    // after each of these tokens: the tokens that are not shown whole
  std::vector<std::string> streams;  // after each of these tokens: the text of the other tokens, in whole characters
};

inline AnswerText answer_text(TokenTable const& table, std::span<Token const> answer, TextOptions const& options) {
  AnswerText result;
  std::string text;
  std::vector<std::size_t> ends;
  for (Token const token : answer) {
    std::size_t const before = text.size();
    text += table[static_cast<std::size_t>(token)];
    ends.push_back(text.size());
    ++result.tokens;
    // The stop that is complete within this token, begins first and ends first.
    std::size_t begin = text.size() + 1, end = 0;
    for (std::size_t i = 0; i < options.stop.size() && result.tokens > options.min_new_tokens; ++i) {
      std::string const& stop = options.stop[i];
      for (std::size_t at = 0; at + stop.size() <= text.size(); ++at) {
        if (text.compare(at, stop.size(), stop) != 0 || at + stop.size() <= before) continue;
        if (at > begin || (at == begin && at + stop.size() >= end)) continue;
        begin = at;
        end = at + stop.size();
        result.by = i;
      }
    }
    std::size_t cut = text.size();
    if (result.by) {
      cut = options.show_stop ? end : begin;
    } else {
      for (std::string const& stop : options.stop)
        for (std::size_t size = 1; size < stop.size() && size <= text.size(); ++size)
          if (text.ends_with(stop.substr(0, size))) cut = std::min(cut, text.size() - size);
      cut = std::min(cut, text.size() - part_of_character(text));
    }
    std::size_t whole = 0;
    while (whole < ends.size() && ends[whole] <= cut) ++whole;
    result.cuts.push_back(cut);
    result.helds.push_back(ends.size() - whole);
    std::string_view const released = std::string_view(text).substr(0, whole == 0 ? 0 : ends[whole - 1]);
    result.streams.emplace_back(released.substr(0, released.size() - part_of_character(released)));
    result.text = text.substr(0, result.by ? cut : text.size());
    if (result.by) break;
  }
  return result;
}

// Tokens that cut characters into pieces, are empty, or have several characters.
inline TokenTable any_table(Random& random, std::size_t vocabulary, bool valid) {
  std::vector<std::string> const characters = {"a", "b", "c", "\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
  std::vector<std::string> const broken = {"\xFF", "\x80", "\xC3", "\xF0\x9F", "\xED\xA0", "\xF5"};
  TokenTable table;
  while (table.size() < vocabulary) {
    std::string text;
    for (std::size_t count = random.below(5); count > 0; --count) {
      text += characters[random.below(random.one_in(2) ? 3 : characters.size())];
      if (!valid && random.one_in(6)) text += broken[random.below(broken.size())];
    }
    // A text as a whole, or in two pieces.
    std::size_t const first = random.one_in(2) ? text.size() : random.below(text.size() + 1);
    table.push_back(text.substr(0, first));
    if (first < text.size() && table.size() < vocabulary) table.push_back(text.substr(first));
  }
  return table;
}

// Stop strings of which many occur in texts of this table, some of them with a part of a character at an end.
inline std::vector<std::string> any_stops(Random& random, TokenTable const& table, std::size_t longest) {
  std::vector<std::string> stops;
  for (std::size_t count = random.below(4); count > 0; --count) {
    std::string text;
    for (std::size_t tokens = 0; tokens < 20 && text.size() < 2 * longest; ++tokens)
      text += table[random.below(table.size())];
    std::string const stop = text.substr(random.below(text.size() + 1), random.between(1, longest));
    if (!stop.empty()) stops.push_back(stop);
  }
  return stops;
}

// `token_text` of a table, which throws once in so many calls; never if that is 0.
struct TableText {
  TokenTable const* table;
  Random* random;
  std::size_t const* throws_once_in;

  std::string_view operator()(Token token) const {
    if (*throws_once_in > 0 && random->one_in(*throws_once_in)) throw Interrupted();
    return (*table)[static_cast<std::size_t>(token)];
  }
};

}  // namespace copyspec_test
