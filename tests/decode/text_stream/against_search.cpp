// SPDX-License-Identifier: MIT
#include <copyspec/decode/text_stream.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/answer_text.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"

using copyspec::OutputDelta;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::StopPredicate;
using copyspec::TextOptions;
using copyspec::TextStream;
using copyspec::Token;
using copyspec_test::answer_text;
using copyspec_test::AnswerText;
using copyspec_test::any_stops;
using copyspec_test::any_table;
using copyspec_test::any_tokens;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::part_of_character;
using copyspec_test::Random;
using copyspec_test::TableText;
using copyspec_test::Tokens;
using copyspec_test::TokenTable;

static_assert(StopPredicate<TextStream<TableText>>);
static_assert(copyspec::TokenText<std::string (*)(Token)>);
static_assert(copyspec::TokenText<char const* (*)(Token)>);
static_assert(!copyspec::TokenText<int (*)(Token)>);

namespace {

using Stream = TextStream<TableText>;

// What a batch does with a predicate and a callback, for an answer that is given.
struct Turn {
  Tokens answer;
  std::size_t budget = std::numeric_limits<std::size_t>::max();
  bool may_continue = false;

  std::size_t kept = 0, held = 0, shown = 0;
  SequenceStatus status = SequenceStatus::running;
  bool open = true;

  // Takes the next `count` tokens, as a verdict does.
  void pass(SequenceId sequence, Stream& stop, std::size_t count) {
    std::size_t now = kept, holds = held;
    SequenceStatus ended = status;
    for (; count > 0 && ended == SequenceStatus::running; --count) {
      ++now;
      StopDecision const decision = stop(sequence, std::span(answer).first(now));
      holds = std::min({decision.held, now, holds + 1});
      if (decision.stop)
        ended = SequenceStatus::stopped;
      else if (now == answer.size())
        ended = SequenceStatus::context_full;
      else if (now == budget)
        ended = SequenceStatus::length;
    }
    kept = now;
    status = ended;
    bool const holding = ended == SequenceStatus::running || ended == SequenceStatus::stopped ||
                         (ended == SequenceStatus::length && may_continue);
    held = holding ? holds : 0;
  }

  template <class OnTokens>
  void emit(SequenceId sequence, OnTokens&& on_tokens) {
    std::size_t const end = kept - held;
    if (!open || (end <= shown && status == SequenceStatus::running)) return;
    std::size_t const first = std::min(shown, end);
    OutputDelta delta;
    delta.sequence = sequence;
    delta.tokens = std::span(answer).subspan(first, end - first);
    delta.status = status;
    delta.may_continue = may_continue;
    on_tokens(delta);
    shown = std::max(shown, end);
    open = status == SequenceStatus::running;
  }

  void extend() {
    if (status != SequenceStatus::length) return;
    budget = std::numeric_limits<std::size_t>::max();
    status = SequenceStatus::running;
    open = true;
  }
};

// A turn, its text so far, and what it must be.
struct Request {
  Turn turn;
  TextOptions options;
  AnswerText expected;
  std::string text = {};
};

struct Load {
  Random random;
  TokenTable table;
  std::size_t throws_once_in = 0;
  Stream stream{TableText{&table, &random, &throws_once_in}};
  std::map<SequenceId, Request> requests = {};
  std::size_t interruptions = 0;

  Load(std::size_t seed, bool valid) : random(seed), table(any_table(random, 2 + seed % 12, valid)) {}
  Load(Load const&) = delete;
  Load& operator=(Load const&) = delete;

  void begin(SequenceId sequence) {
    TextOptions options{.stop = any_stops(random, table, random.any_of<std::size_t>({2, 5, 12})),
                        .show_stop = random.one_in(3),
                        .min_new_tokens = random.one_in(3) ? random.below(20) : 0};
    Turn turn{.answer = any_tokens(random, table.size(), random.between(1, 60))};
    if (random.one_in(3)) turn.budget = random.between(1, 60);
    turn.may_continue = random.one_in(2);
    AnswerText expected = answer_text(table, turn.answer, options);
    stream.begin(sequence, options);
    requests.insert_or_assign(sequence, Request{std::move(turn), std::move(options), std::move(expected)});
  }

  template <class Action>
  bool interrupted(Action&& action) {
    try {
      action();
      return false;
    } catch (Interrupted const&) {
      ++interruptions;
      return true;
    }
  }

  // One pass of one sequence. Requires that nothing is shown too early or too late.
  void pass(SequenceId sequence, Request& request) {
    Turn& turn = request.turn;
    if (interrupted([&] { turn.pass(sequence, stream, random.between(1, 8)); })) return;
    auto const on_text = [&](OutputDelta const& delta, std::string_view bytes) {
      if (throws_once_in > 0 && random.one_in(throws_once_in)) throw Interrupted();
      REQUIRE(delta.sequence == sequence);
      request.text += bytes;
    };
    if (interrupted([&] { turn.emit(sequence, stream.on_text(on_text)); })) return;
    if (turn.status == SequenceStatus::running) {
      REQUIRE(turn.held == request.expected.helds[turn.kept - 1]);
      REQUIRE(request.text == request.expected.streams[turn.kept - 1]);
    }
  }

  // Requires that a turn that has ended has the text that a search finds.
  void check_ended(SequenceId sequence, Request const& request) {
    Turn const& turn = request.turn;
    AnswerText const& expected = request.expected;
    if (turn.status == SequenceStatus::length) {
      REQUIRE(turn.kept == turn.budget);
      if (turn.may_continue) {
        REQUIRE(request.text == expected.streams[turn.kept - 1]);
      } else {
        std::string all;
        for (Token const token : std::span(turn.answer).first(turn.kept)) all += table[static_cast<std::size_t>(token)];
        REQUIRE(request.text == all);
      }
      return;
    }
    REQUIRE((turn.status == SequenceStatus::stopped) == expected.by.has_value());
    REQUIRE(turn.kept == expected.tokens);
    REQUIRE(request.text == expected.text);
    REQUIRE(stream.stopped_by(sequence) == expected.by);
  }
};

}  // namespace

TEST_CASE("the text of each turn is what a search through all of it finds, however tokens arrive") {
  std::size_t stopped = 0, inside = 0, continued = 0, interruptions = 0;
  for (std::size_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    Load load(seed, seed % 3 != 0);
    load.throws_once_in = seed % 2 == 0 ? 0 : 40;
    for (std::size_t turns = 0; turns < 8;) {
      SequenceId const sequence = id(load.random.below(3));
      auto const found = load.requests.find(sequence);
      if (found == load.requests.end()) {
        load.begin(sequence);
        ++turns;
        continue;
      }
      Request& request = found->second;
      load.pass(sequence, request);
      if (request.turn.open || request.turn.status == SequenceStatus::running) continue;
      load.check_ended(sequence, request);
      if (request.turn.status == SequenceStatus::length && request.turn.may_continue) {
        request.turn.extend();
        ++continued;
        continue;
      }
      if (request.expected.by && request.turn.status == SequenceStatus::stopped) {
        ++stopped;
        inside += request.text.size() != request.expected.streams.back().size() ? 1U : 0U;
      }
      load.requests.erase(found);
      if (load.random.one_in(2)) load.stream.remove(sequence);
    }
    interruptions += load.interruptions;
  }
  CHECK(stopped > 500);
  CHECK(inside > 100);
  CHECK(continued > 100);
  CHECK(interruptions > 500);
}

TEST_CASE("a turn that is moved or copied at any time goes on as if it had not been") {
  std::size_t forks = 0;
  for (std::size_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Load load(seed, true);
    load.throws_once_in = seed % 2 == 0 ? 0 : 60;
    load.begin(id(0));
    while (!load.requests.empty()) {
      auto const found = load.requests.begin();
      SequenceId const sequence = found->first;
      load.pass(sequence, found->second);
      Turn const& turn = found->second.turn;
      if (!turn.open && turn.status != SequenceStatus::running) {
        load.check_ended(sequence, found->second);
        load.stream.remove(sequence);
        load.requests.erase(found);
        continue;
      }
      SequenceId const other = id(load.random.between(1, 9));
      if (load.requests.contains(other)) continue;
      if (load.random.one_in(6)) {
        load.stream.move(sequence, other);
        auto node = load.requests.extract(found);
        node.key() = other;
        load.requests.insert(std::move(node));
      } else if (turn.status == SequenceStatus::running && load.random.one_in(4)) {
        ++forks;
        load.stream.fork(sequence, other);
        Request copy = found->second;
        // It goes another way.
        Turn& fork = copy.turn;
        fork.answer.resize(fork.kept);
        Tokens const more = any_tokens(load.random, load.table.size(), 1 + load.random.below(30));
        fork.answer.insert(fork.answer.end(), more.begin(), more.end());
        fork.budget = std::numeric_limits<std::size_t>::max();
        copy.expected = answer_text(load.table, fork.answer, copy.options);
        load.requests.insert_or_assign(other, std::move(copy));
      }
    }
  }
  CHECK(forks > 100);
}

TEST_CASE("of a valid text, whole characters are shown until a turn ends") {
  std::vector<std::string> const characters = {"a", "\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
  std::size_t deltas = 0, cut_tokens = 0;
  for (std::size_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto const any_text = [&](std::size_t count) {
      std::string text;
      for (; count > 0; --count) text += characters[random.below(characters.size())];
      return text;
    };
    std::string const text = any_text(60);
    TokenTable table;
    for (std::size_t at = 0; at < text.size(); at += table.back().size())
      table.push_back(text.substr(at, random.between(0, 6)));
    Turn turn;
    for (std::size_t i = 0; i < table.size(); ++i) {
      turn.answer.push_back(static_cast<Token>(i));
      cut_tokens += part_of_character(table[i]) > 0 ? 1U : 0U;
    }
    TextOptions const options{.stop = {any_text(random.between(1, 6)), any_text(3)}};
    AnswerText const expected = answer_text(table, turn.answer, options);
    std::size_t const never = 0;
    Stream stream(TableText{&table, &random, &never});
    stream.begin(id(0), options);
    std::string shown;
    while (turn.open) {
      turn.pass(id(0), stream, random.between(1, 5));
      turn.emit(id(0), stream.on_text([&](OutputDelta const&, std::string_view bytes) {
        ++deltas;
        REQUIRE(part_of_character(bytes) == 0);
        REQUIRE((bytes.empty() || (static_cast<unsigned char>(bytes[0]) & 0xC0U) != 0x80U));
        shown += bytes;
      }));
    }
    REQUIRE(shown == expected.text);
  }
  CHECK(deltas > 500);
  CHECK(cut_tokens > 300);
}
