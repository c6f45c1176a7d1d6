// SPDX-License-Identifier: MIT
#include <copyspec/decode/text_stream.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/answer_text.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GreedyVerifier;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::TextOptions;
using copyspec::TextStream;
using copyspec::Token;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;
using copyspec_test::answer_text;
using copyspec_test::AnswerText;
using copyspec_test::any_stops;
using copyspec_test::any_table;
using copyspec_test::any_tokens;
using copyspec_test::copy;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::Random;
using copyspec_test::TableText;
using copyspec_test::Tokens;
using copyspec_test::TokenTable;

namespace {

constexpr std::size_t budget = 120;
constexpr Token end_of_turn = 0;  // has no text

struct Request {
  Tokens prompt;
  TextOptions options;
  AnswerText expected = {};
  SequenceStatus ends = SequenceStatus::length;
  std::string text = {};
};

struct Work {
  ToyModelOptions model;
  TokenTable table;
  std::vector<Request> requests;
  std::size_t throws_once_in = 0;
};

Work any_work(Random& random) {
  Work work;
  work.model = {.vocabulary = random.between(6, 16), .order = 1 + random.below(2), .seed = random.below(1000)};
  work.model.max_tokens = random.any_of<std::size_t>({3, 16, 256});
  work.table = any_table(random, work.model.vocabulary, random.one_in(2));
  work.table[end_of_turn].clear();
  work.throws_once_in = random.any_of<std::size_t>({0, 4});
  for (std::size_t count = random.between(1, 4); count > 0; --count) {
    Request request{.prompt = any_tokens(random, work.model.vocabulary, random.between(1, 30)),
                    .options = {.stop = any_stops(random, work.table, random.any_of<std::size_t>({3, 6, 12})),
                                .show_stop = random.one_in(3),
                                .min_new_tokens = random.one_in(3) ? random.below(40) : 0}};
    ToyModel<float> model(work.model);
    Composer alone(model, NoProposer(), GreedyVerifier());
    Tokens const answer =
        copy(alone.generate(request.prompt, {.max_new_tokens = budget, .stop = {.tokens = {end_of_turn}}}));
    request.expected = answer_text(work.table, answer, request.options);
    if (request.expected.by || answer.back() == end_of_turn) request.ends = SequenceStatus::stopped;
    work.requests.push_back(std::move(request));
  }
  return work;
}

// Requires that each request gets its text. Returns how many drafted tokens were accepted.
template <class Proposer>
std::size_t serve(Work work, Proposer proposer, Random& random) {
  ToyModel<float> model(work.model);
  Composer composer(model, std::move(proposer), GreedyVerifier());
  std::size_t const never = 0;
  TextStream text(TableText{&work.table, &random, &never});
  for (std::size_t i = 0; i < work.requests.size(); ++i) {
    text.begin(id(i), work.requests[i].options);
    composer.begin(id(i), work.requests[i].prompt, {.max_new_tokens = budget, .stop = {.tokens = {end_of_turn}}});
  }
  auto on_tokens = text.on_text([&](OutputDelta const& delta, std::string_view bytes) {
    if (work.throws_once_in > 0 && random.one_in(work.throws_once_in)) throw Interrupted();
    Request& request = work.requests[static_cast<std::size_t>(delta.sequence)];
    request.text += bytes;
    if (delta.status != SequenceStatus::running) REQUIRE(delta.status == request.ends);
  });
  for (bool running = true; running;) {
    try {
      running = composer.step(on_tokens, text);
    } catch (Interrupted const&) {
    }
  }
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < work.requests.size(); ++i) {
    CAPTURE(i);
    Request const& request = work.requests[i];
    REQUIRE(composer.sequence(id(i)).generated().size() == request.expected.tokens);
    REQUIRE(request.text == request.expected.text);
    REQUIRE(text.stopped_by(id(i)) == request.expected.by);
    accepted += composer.sequence(id(i)).counters().accepted;
  }
  return accepted;
}

}  // namespace

TEST_CASE("each request gets the text of plain decoding up to its stop string, with drafts and without") {
  std::size_t copied = 0, mixed = 0, stopped = 0;
  for (std::size_t seed = 0; seed < 120; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Work const work = any_work(random);
    for (Request const& request : work.requests) stopped += request.expected.by ? 1U : 0U;
    REQUIRE(serve(work, NoProposer(), random) == 0);
    copied += serve(work, CopyProposer(), random);
    mixed += serve(work, MixingProposer(), random);
  }
  CHECK(stopped > 50);
  CHECK(copied > 500);
  CHECK(mixed > 500);
}

TEST_CASE("a later turn of a conversation has a text of its own") {
  TokenTable const table = {"zero ", "one ", "two ", "thr", "ee ", "four "};
  Random random(1);
  std::size_t const never = 0;
  ToyModel<float> model({.vocabulary = table.size(), .order = 2, .seed = 5});
  Composer composer(model, MixingProposer(), GreedyVerifier());
  ToyModel<float> other(ToyModelOptions{.vocabulary = table.size(), .order = 2, .seed = 5});
  Composer plain(other, NoProposer(), GreedyVerifier());
  TextStream text(TableText{&table, &random, &never});
  Tokens prompt = {1, 2, 3};
  std::size_t stopped = 0;
  for (std::size_t turn = 0; turn < 12; ++turn) {
    CAPTURE(turn);
    // What the conversation is so far, and what it would go on with.
    Tokens const answer = copy(plain.generate(prompt, {.max_new_tokens = 60}));
    TextOptions options;
    if (turn % 3 != 2) {  // from within a token of the answer into the next
      std::string around;
      for (Token const token : std::span(answer).subspan(20 + turn, 2))
        around += table[static_cast<std::size_t>(token)];
      options.stop = {around.substr(1, 5)};
    }
    AnswerText const expected = answer_text(table, answer, options);
    std::size_t const before = plain.sequence(id(0)).length() - answer.size();
    plain.truncate(id(0), before + expected.tokens);

    std::string shown;
    text.begin(id(0), options);
    composer.generate(prompt, {.max_new_tokens = 60},
                      text.on_text([&](OutputDelta const&, std::string_view bytes) { shown += bytes; }), text);
    REQUIRE(shown == expected.text);
    REQUIRE(copy(composer.sequence(id(0)).context()) == copy(plain.sequence(id(0)).context()));
    stopped += expected.by ? 1U : 0U;
    prompt = any_tokens(random, table.size(), random.between(1, 5));
  }
  CHECK(stopped == 8);
}

TEST_CASE("a turn that is extended goes on as if there had been no break") {
  std::size_t breaks = 0;
  for (std::size_t seed = 0; seed < 120; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Work work = any_work(random);
    Request& request = work.requests[0];
    ToyModel<float> model(work.model);
    Composer composer(model, CopyProposer(), GreedyVerifier());
    std::size_t const never = 0;
    TextStream text(TableText{&work.table, &random, &never});
    text.begin(id(0), request.options);
    composer.begin(id(0), request.prompt,
                   {.max_new_tokens = random.between(1, 20), .may_continue = true, .stop = {.tokens = {end_of_turn}}});
    auto on_tokens = text.on_text([&](OutputDelta const&, std::string_view bytes) { request.text += bytes; });
    auto const& sequence = composer.sequence(id(0));
    for (;;) {
      composer.run(on_tokens, text);
      if (sequence.status() != SequenceStatus::length) break;
      REQUIRE(request.text == request.expected.streams[sequence.generated().size() - 1]);
      if (sequence.generated().size() == budget) break;
      ++breaks;
      composer.extend(id(0), std::min(random.between(1, 20), budget - sequence.generated().size()));
    }
    REQUIRE(sequence.status() == request.ends);
    REQUIRE(sequence.generated().size() == request.expected.tokens);
    if (request.ends == SequenceStatus::stopped) REQUIRE(request.text == request.expected.text);
  }
  CHECK(breaks > 100);
}

TEST_CASE("a callback may copy and move sequences, and each copy shows the text of the turn") {
  std::size_t copies = 0, moves = 0;
  for (std::size_t seed = 0; seed < 120; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Work const work = any_work(random);
    Request const& request = work.requests[0];
    ToyModel<float> model(work.model);
    Composer composer(model, CopyProposer(), GreedyVerifier());
    std::size_t const never = 0;
    TextStream text(TableText{&work.table, &random, &never});
    std::map<SequenceId, std::string> texts;
    std::size_t next = 1;
    text.begin(id(0), request.options);
    composer.begin(id(0), request.prompt, {.max_new_tokens = budget, .stop = {.tokens = {end_of_turn}}});
    auto on_tokens = text.on_text([&](OutputDelta const& delta, std::string_view bytes) {
      if (work.throws_once_in > 0 && random.one_in(work.throws_once_in)) throw Interrupted();
      SequenceId const sequence = delta.sequence;
      texts[sequence] += bytes;
      if (delta.status != SequenceStatus::running || next > 6 || !random.one_in(4)) return;
      SequenceId const to = id(next++);
      if (random.one_in(2)) {
        ++copies;
        composer.fork(sequence, to);
        text.fork(sequence, to);
        texts[to] = texts[sequence];
      } else {
        ++moves;
        composer.move(sequence, to);
        text.move(sequence, to);
        texts[to] = texts[sequence];
        texts.erase(sequence);
      }
    });
    for (bool running = true; running;) {
      try {
        running = composer.step(on_tokens, text);
      } catch (Interrupted const&) {
      }
    }
    for (auto const& entry : texts) {
      CAPTURE(static_cast<int>(entry.first));
      REQUIRE(composer.sequence(entry.first).status() == request.ends);
      REQUIRE(entry.second == request.expected.text);
    }
  }
  CHECK(copies > 100);
  CHECK(moves > 100);
}

TEST_CASE("a token without a text fails its own turn only") {
  TokenTable const table = {"zero ", "one ", "two ", "thr", "ee ", "four "};
  ToyModel<float> model(ToyModelOptions{.vocabulary = table.size(), .order = 2, .seed = 5});
  Composer composer(model, MixingProposer(), GreedyVerifier());
  bool broken = false;
  TextStream text([&](Token token) -> std::string_view {
    if (broken) throw Interrupted();
    return table[static_cast<std::size_t>(token)];
  });
  std::map<SequenceId, std::string> texts;
  std::map<SequenceId, SequenceStatus> ended;
  for (std::size_t i = 0; i < 3; ++i) {
    text.begin(id(i));
    composer.begin(id(i), Tokens{static_cast<Token>(i)}, {.max_new_tokens = 20});
  }
  // Only this call throws: how many tokens the others have by then depends on drafts, and so on time.
  auto stop = [&](SequenceId sequence, std::span<Token const> generated) {
    if (sequence != id(1) || generated.size() != 7) return text(sequence, generated);
    broken = true;
    CHECK_THROWS_AS(text(sequence, generated), Interrupted);
    broken = false;
    throw Interrupted();
  };
  composer.run(text.on_text([&](OutputDelta const& delta, std::string_view bytes) {
    texts[delta.sequence] += bytes;
    ended[delta.sequence] = delta.status;
  }),
               stop);
  CHECK(ended[id(0)] == SequenceStatus::length);
  CHECK(ended[id(1)] == SequenceStatus::failed);
  CHECK(ended[id(2)] == SequenceStatus::length);
  for (std::size_t i = 0; i < 3; ++i) {
    std::string expected;
    for (Token const token : composer.sequence(id(i)).generated().first(i == 1 ? 6 : 20))
      expected += table[static_cast<std::size_t>(token)];
    CHECK(texts[id(i)] == expected);
  }
}
