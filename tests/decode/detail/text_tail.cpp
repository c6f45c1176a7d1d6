// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/text_tail.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/answer_text.hpp"
#include "support/random.hpp"

using copyspec::detail::OpenCharacter;
using copyspec::detail::TextCut;
using copyspec::detail::TextTail;
using copyspec_test::part_of_character;
using copyspec_test::Random;

namespace {

// Appends all tokens and returns the last cut.
TextCut append(TextTail& tail, std::vector<std::string> const& tokens, bool may_stop = true, bool show_stop = false) {
  TextCut cut;
  for (std::string const& token : tokens) cut = tail.append(token, may_stop, show_stop);
  return cut;
}

TextCut cut_of(std::vector<std::string> const& stops, std::vector<std::string> const& tokens, bool may_stop = true,
               bool show_stop = false) {
  TextTail tail(stops);
  return append(tail, tokens, may_stop, show_stop);
}

void check(TextCut const& cut, std::optional<std::size_t> stop, std::size_t held, std::size_t shown) {
  CHECK(cut.stop == stop);
  CHECK(cut.held == held);
  CHECK(cut.shown == shown);
}

}  // namespace

TEST_CASE("a character is open until its last byte, or until a byte that does not belong to it") {
  auto const open = [](std::string_view text) { return OpenCharacter::at_end(text); };
  CHECK(open("") == 0);
  CHECK(open("a") == 0);
  CHECK(open("\xC3") == 1);
  CHECK(open("\xC3\xA9") == 0);
  CHECK(open("\xE2\x82") == 2);
  CHECK(open("\xE2\x82\xAC") == 0);
  CHECK(open("\xF0\x9F\x98") == 3);
  CHECK(open("\xF0\x9F\x98\x80") == 0);
  CHECK(open("\xF0\x9F"
             "a") == 0);
  CHECK(open("\xF0\x9F\xC3") == 1);
  CHECK(open("\x80\x80\x80") == 0);
  CHECK(open("\xFF") == 0);
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::size_t count = random.below(8); count > 0; --count)
      text += static_cast<char>(random.any_of({0x41, 0x80, 0xA9, 0xC3, 0xE2, 0xF0, 0xF7, 0xF8, 0xFF}));
    REQUIRE(open(text) == part_of_character(text));
  }
}

TEST_CASE("without stop strings, whole characters are shown") {
  check(cut_of({}, {"a", "b"}), std::nullopt, 0, 0);
  check(cut_of({}, {"a", "b\xE2\x82"}), std::nullopt, 1, 1);
  check(cut_of({}, {"b\xE2", "\x82"}), std::nullopt, 2, 1);
  check(cut_of({}, {"b\xE2", "\x82", "\xAC"}), std::nullopt, 0, 0);
  check(cut_of({}, {"b\xE2", "\x82", "\xAC\xC3"}), std::nullopt, 1, 1);
}

TEST_CASE("a stop string may begin and end inside tokens") {
  std::vector<std::string> const stops = {"END"};
  check(cut_of(stops, {"x", "yE"}), std::nullopt, 1, 1);
  check(cut_of(stops, {"x", "yE", "N"}), std::nullopt, 2, 1);
  check(cut_of(stops, {"x", "yE", "N", "Dz"}), 0, 3, 1);
  check(cut_of(stops, {"x", "yENDz"}), 0, 1, 1);
  check(cut_of(stops, {"x", "yE", "", "", "No"}), std::nullopt, 0, 0);
  check(cut_of(stops, {"x", "ENDz"}), 0, 1, 0);
}

TEST_CASE("of the stop strings at one token, the one that begins first counts, then the shorter one") {
  check(cut_of({"b", "abc"}, {"xabc"}), 1, 1, 1);
  check(cut_of({"b", "abc"}, {"xab"}), 0, 1, 2);
  check(cut_of({"ab", "a"}, {"xab"}), 1, 1, 1);
  check(cut_of({"c", "a", "b"}, {"abc"}), 1, 1, 0);
}

TEST_CASE("a stop string that is shown is not held") {
  check(cut_of({"ab"}, {"xa", "bz"}, true, true), 0, 1, 1);
  check(cut_of({"ab"}, {"xa", "b"}, true, true), 0, 0, 0);
  check(cut_of({"ab", "a"}, {"xab"}, true, true), 1, 1, 2);
}

TEST_CASE("where no stop may be complete, what begins one is held") {
  check(cut_of({"ab"}, {"xa"}, false), std::nullopt, 1, 1);
  check(cut_of({"ab"}, {"xa", "b"}, false), std::nullopt, 0, 0);
  check(cut_of({"ab", "bc"}, {"xa", "b"}, false), std::nullopt, 1, 0);
  TextTail tail(std::vector<std::string>{"abcd", "bc"});
  check(append(tail, {"a", "b", "c"}, false), std::nullopt, 3, 0);
  check(append(tail, {"d"}, true), 0, 4, 0);
}

TEST_CASE("what was shown once is not held again, whatever follows a stop that was passed over") {
  TextTail tail(std::vector<std::string>{"abcd", "bc"});
  check(append(tail, {"a", "b", "c"}, true), 1, 2, 0);
  check(append(tail, {"d"}, true), 0, 3, 0);
  TextTail shown(std::vector<std::string>{"ab", "bcd"});
  check(append(shown, {"ab"}, true, true), 0, 0, 0);
  check(append(shown, {"c"}, true, true), std::nullopt, 1, 0);
}

TEST_CASE("a tail that restarts is as new") {
  TextTail tail(std::vector<std::string>{"ab"});
  append(tail, {"x", "\xE2\x82", "a"});
  tail.restart();
  check(append(tail, {"b"}), std::nullopt, 0, 0);
  append(tail, {"\xE2"});
  tail.restart();
  check(append(tail, {"\x82"}), std::nullopt, 0, 0);
}

TEST_CASE("a decision reaches back as far as the longest stop string") {
  CHECK(TextTail({}).reach() == 3);
  CHECK(TextTail(std::vector<std::string>{"ab", "a longer one"}).reach() == 11);
}

TEST_CASE("to append a token allocates nothing") {
  TextTail tail(std::vector<std::string>{"a stop string of some length", "x"});
  std::size_t const before = allocations();
  std::size_t held = 0;
  for (int i = 0; i < 1000; ++i) held += tail.append(i % 30 == 29 ? "o" : "a stop string of", true, false).held;
  for (std::string_view const token : {"a", " ", "s", "t", "o", "p", " ", "s", "t", "r", "i", "n", "g"})
    held += tail.append(token, true, false).held;
  CHECK(allocations() == before);
  CHECK(held > 1000);
}
