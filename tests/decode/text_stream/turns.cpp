// SPDX-License-Identifier: MIT
#include <copyspec/decode/text_stream.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"

using copyspec::Error;
using copyspec::ErrorCode;
using copyspec::OutputDelta;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::TextOptions;
using copyspec::TextStream;
using copyspec::Token;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::Tokens;

namespace {

using Table = std::vector<std::string>;

// A vocabulary that a test fills.
auto text_of(Table const& table) {
  return [&table](Token token) { return std::string_view(table[static_cast<std::size_t>(token)]); };
}

Tokens first_tokens(std::size_t count) {
  Tokens tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = static_cast<Token>(i);
  return tokens;
}

// The decision at the last of these tokens. The predicate sees them one by one.
template <class Stream>
StopDecision decide(Stream& stream, SequenceId sequence, std::span<Token const> generated) {
  StopDecision decision;
  for (std::size_t i = 1; i <= generated.size(); ++i) decision = stream(sequence, generated.first(i));
  return decision;
}

OutputDelta delta_of(SequenceId sequence, std::span<Token const> tokens,
                     SequenceStatus status = SequenceStatus::running) {
  OutputDelta delta;
  delta.sequence = sequence;
  delta.tokens = tokens;
  delta.status = status;
  return delta;
}

template <class Stream>
std::string text_in(Stream& stream, OutputDelta const& delta) {
  std::string text;
  stream.on_text([&](OutputDelta const&, std::string_view bytes) { text = bytes; })(delta);
  return text;
}

template <class Call>
std::optional<ErrorCode> error_of(Call&& call) {
  try {
    call();
  } catch (Error const& error) {
    return error.code();
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a stop string ends a turn inside a token, and what precedes it there is shown") {
  Table const table = {"Hello", " wor", "ld\nUs", "er: no"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"###", "\nUser:"}});
  Tokens const answer = first_tokens(4);
  CHECK(decide(stream, id(0), std::span(answer).first(2)).held == 0);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(2))) == "Hello wor");
  CHECK(stream(id(0), std::span(answer).first(3)).held == 1);
  CHECK_FALSE(stream.stopped_by(id(0)));
  StopDecision const last = stream(id(0), answer);
  CHECK(last.stop);
  CHECK(last.held == 2);
  CHECK(stream.stopped_by(id(0)) == 1);
  CHECK(text_in(stream, delta_of(id(0), {}, SequenceStatus::stopped)) == "ld");
}

TEST_CASE("the stop string is shown if that is asked for, and nothing after it") {
  Table const table = {"Hello", " world.", " \n\n```"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"\n\n"}, .show_stop = true});
  Tokens const answer = first_tokens(3);
  StopDecision const last = decide(stream, id(0), answer);
  CHECK(last.stop);
  CHECK(last.held == 1);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(2), SequenceStatus::stopped)) == "Hello world. \n\n");
}

TEST_CASE("a turn that ends without a stop string shows all of it") {
  Table const table = {"a", "b\xE2\x82"};
  Tokens const answer = first_tokens(2);
  for (SequenceStatus const status :
       {SequenceStatus::length, SequenceStatus::context_full, SequenceStatus::invalid_row, SequenceStatus::stopped}) {
    TextStream stream(text_of(table));
    stream.begin(id(0), {.stop = {"abc"}});
    CHECK(decide(stream, id(0), answer).held == 1);
    CHECK(text_in(stream, delta_of(id(0), answer, status)) == "ab\xE2\x82");
  }
}

TEST_CASE("a part of a character at the end of a released token comes with the next") {
  Table const table = {"a\xE2", "\x82\xAC\n", "b"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"\nc"}});
  Tokens const answer = first_tokens(3);
  CHECK(decide(stream, id(0), std::span(answer).first(2)).held == 1);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(1))) == "a");
  CHECK(stream(id(0), answer).held == 0);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).subspan(1))) == "\xE2\x82\xAC\nb");
}

TEST_CASE("where another rule stops at the same token and holds more, nothing follows the gap") {
  Table const table = {"a", "b", "c\n"};
  TextStream stream(text_of(table));
  Tokens const answer = first_tokens(3);
  stream.begin(id(0), {.stop = {"\n"}});
  CHECK(decide(stream, id(0), answer).held == 1);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(1), SequenceStatus::stopped)) == "a");
  stream.begin(id(0), {.stop = {"\n"}});
  decide(stream, id(0), answer);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(2), SequenceStatus::stopped)) == "abc");
}

TEST_CASE("a stop string that another rule forestalls does not cut what is shown") {
  Table const table = {"a", "b\n", "c"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"\nx"}});
  Tokens const answer = first_tokens(3);
  // A stop token, which is `c`.
  decide(stream, id(0), answer);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(2), SequenceStatus::stopped)) == "ab\n");
}

TEST_CASE("a later turn begins with an empty text and its own stop strings") {
  Table const table = {"x", "yE", "ND"};
  Tokens const answer = first_tokens(3);
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"END"}});
  CHECK(decide(stream, id(0), std::span(answer).first(2)).held == 1);
  CHECK(text_in(stream, delta_of(id(0), std::span(answer).first(1))) == "x");
  // The first turn was given up.
  stream.begin(id(0), {.stop = {"yE"}});
  Tokens const other = {2, 0, 1};
  CHECK(decide(stream, id(0), std::span(other).first(1)).held == 0);
  StopDecision const last = decide(stream, id(0), other);
  CHECK(last.stop);
  CHECK(last.held == 1);
  CHECK(text_in(stream, delta_of(id(0), std::span(other).first(2), SequenceStatus::stopped)) == "NDx");
}

TEST_CASE("token_text may return a string of its own") {
  TextStream stream([](Token token) {
    std::string text(40, static_cast<char>('a' + token));
    text += '\xC3';
    return text;
  });
  stream.begin(id(0), {.stop = {"ab"}});
  Tokens const tokens = {0, 1};
  CHECK(decide(stream, id(0), tokens).held == 1);
  CHECK(text_in(stream, delta_of(id(0), tokens)).size() == 81);
}

TEST_CASE("a callback that throws gets the same text again") {
  Table const table = {"a\xE2", "\x82\xAC.", "b\n"};
  Tokens const answer = first_tokens(3);
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"\n"}});
  std::string sent;
  bool broken = false;
  auto send = [&](OutputDelta const&, std::string_view bytes) {
    if (broken) throw Interrupted();
    sent += bytes;
  };
  auto on_tokens = stream.on_text(send);
  decide(stream, id(0), std::span(answer).first(2));
  for (int turn = 0; turn < 3; ++turn) {
    broken = true;
    CHECK_THROWS_AS(on_tokens(delta_of(id(0), std::span(answer).first(1))), Interrupted);
  }
  broken = false;
  on_tokens(delta_of(id(0), std::span(answer).first(1)));
  CHECK(sent == "a");
  decide(stream, id(0), answer);
  broken = true;
  CHECK_THROWS_AS(on_tokens(delta_of(id(0), std::span(answer).subspan(1, 1), SequenceStatus::stopped)), Interrupted);
  broken = false;
  on_tokens(delta_of(id(0), std::span(answer).subspan(1, 1), SequenceStatus::stopped));
  CHECK(sent == "a\xE2\x82\xAC.b");
}

TEST_CASE("after an exception, other tokens may follow than before") {
  Table const table = {"x", "E", "N", "D"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"END"}});
  CHECK(decide(stream, id(0), Tokens{0, 1, 2}).held == 2);
  // Only the first two were kept, or none.
  CHECK(stream(id(0), Tokens{0, 1, 3}).held == 0);
  CHECK(stream(id(0), Tokens{1}).held == 1);
  CHECK(stream(id(0), Tokens{1, 2}).held == 2);
  CHECK(stream(id(0), Tokens{1, 2, 3}).stop);
}

TEST_CASE("what was read before an exception is read again, as far as it matters") {
  Table const table = {"x", "S", "T", "O", "P", "!", "\xF0", "\x9F", "\x98", "\x80"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"STOP!"}});
  StopDecision const last = stream(id(0), Tokens{0, 1, 2, 3, 4, 5});
  CHECK(last.stop);
  CHECK(last.held == 5);
  stream.begin(id(0));
  CHECK(stream(id(0), Tokens{0, 6, 7, 8}).held == 3);
  CHECK(stream(id(0), Tokens{0, 6, 7, 8, 9}).held == 0);
}

TEST_CASE("the callback may remove its turn, or begin another") {
  Table const table = {"a", "b\n"};
  Tokens const answer = first_tokens(2);
  TextStream stream(text_of(table));
  TextOptions const options{.stop = {"\n"}};
  std::string text;
  auto on_tokens = stream.on_text([&](OutputDelta const& delta, std::string_view bytes) {
    text += bytes;
    if (text.size() < 6)
      stream.begin(delta.sequence, options);
    else
      stream.remove(delta.sequence);
    text += bytes;
  });
  stream.begin(id(0), options);
  for (int turn = 0; turn < 2; ++turn) {
    decide(stream, id(0), answer);
    on_tokens(delta_of(id(0), std::span(answer).first(1), SequenceStatus::stopped));
  }
  CHECK(text == "abababab");
  CHECK(error_of([&] { decide(stream, id(0), answer); }) == ErrorCode::bad_options);
}

TEST_CASE("an empty stop string is refused, and nothing changes") {
  Table const table = {"a", "b"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"ab"}});
  CHECK(error_of([&] { stream.begin(id(0), {.stop = {"x", ""}}); }) == ErrorCode::bad_options);
  CHECK(decide(stream, id(0), Tokens{0, 1}).stop);
  CHECK(error_of([&] { stream.begin(id(1), {.stop = {""}}); }) == ErrorCode::bad_options);
  CHECK(error_of([&] { decide(stream, id(1), Tokens{0}); }) == ErrorCode::bad_options);
}

TEST_CASE("a sequence that was not begun has no text") {
  Table const table = {"a"};
  TextStream stream(text_of(table));
  Tokens const tokens = {0};
  stream.remove(id(7));
  CHECK(error_of([&] { stream(id(7), tokens); }) == ErrorCode::bad_options);
  CHECK(error_of([&] { text_in(stream, delta_of(id(7), tokens)); }) == ErrorCode::bad_options);
  CHECK(error_of([&] { stream.move(id(7), id(8)); }) == ErrorCode::bad_options);
  CHECK(error_of([&] { stream.fork(id(7), id(8)); }) == ErrorCode::bad_options);
  CHECK(error_of([&] { static_cast<void>(stream.stopped_by(id(7))); }) == ErrorCode::bad_options);
  stream.begin(id(7));
  CHECK_FALSE(error_of([&] { stream(id(7), tokens); }));
  stream.remove(id(7));
  CHECK(error_of([&] { stream(id(7), tokens); }) == ErrorCode::bad_options);
}

TEST_CASE("a turn that is moved takes the place of another, and one that is copied stays") {
  Table const table = {"E", "N", "D"};
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"END"}});
  stream.begin(id(1), {.stop = {"X"}});
  decide(stream, id(0), Tokens{0, 1});
  stream.move(id(0), id(0));
  stream.fork(id(0), id(0));
  stream.fork(id(0), id(2));
  stream.move(id(0), id(1));
  Tokens const all = {0, 1, 2};
  CHECK(stream(id(1), all).stop);
  CHECK(stream(id(2), all).stop);
  CHECK(error_of([&] { stream(id(0), all); }) == ErrorCode::bad_options);
}

TEST_CASE("what a callback or a vocabulary holds is kept by value, or by reference if it is an lvalue") {
  TextStream stream([length = std::make_unique<std::size_t>(3)](Token) { return std::string(*length, 'x'); });
  stream.begin(id(0));
  Tokens const tokens = {1};
  int calls = 0;
  auto count = [calls](OutputDelta const&, std::string_view) mutable { return ++calls; };
  stream(id(0), tokens);
  stream.on_text(count)(delta_of(id(0), tokens));
  CHECK(count({}, {}) == 2);
  std::string text;
  auto kept = stream.on_text([&text, owner = std::make_unique<int>(1)](OutputDelta const&, std::string_view bytes) {
    text.append(bytes).append(static_cast<std::size_t>(*owner), '.');
  });
  kept(delta_of(id(0), tokens));
  CHECK(text == "xxx.");
}

TEST_CASE("once warm, neither tokens nor their text allocate") {
  Table const table = {"some text that is longer than short strings", "\n", "\xE2\x82", "\xAC", ""};
  Tokens answer;
  for (std::size_t i = 0; i < 4000; ++i) answer.push_back(static_cast<Token>(i % table.size()));
  TextStream stream(text_of(table));
  stream.begin(id(0), {.stop = {"\n\n", "a stop string that does not occur"}});
  std::size_t bytes_shown = 0, shown = 0, before = 0;
  auto on_tokens = stream.on_text([&](OutputDelta const&, std::string_view bytes) { bytes_shown += bytes.size(); });
  for (std::size_t i = 1; i <= answer.size(); ++i) {
    if (i == 100) before = allocations();
    std::size_t const held = stream(id(0), std::span(answer).first(i)).held;
    on_tokens(delta_of(id(0), std::span(answer).subspan(shown, i - held - shown)));
    shown = i - held;
  }
  CHECK(allocations() == before);
  CHECK(bytes_shown > 10000);
}
