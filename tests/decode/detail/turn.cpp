// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/turn.hpp>
#include <copyspec/decode/output_delta.hpp>

#include <doctest/doctest.h>
#include <copyspec/core/error.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using copyspec::Composer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;

using Toy = copyspec::testing::ToyModel<float>;
using Tokens = std::vector<Token>;

std::string text(std::span<Token const> tokens) {
  std::string text;
  for (Token const token : tokens) text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

std::string text(std::span<Source const> sources) {
  std::string text;
  for (Source const source : sources) text += source == Source::model ? 'm' : 'c';
  return text;
}

Tokens first(Tokens const& tokens, std::size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)};
}

// Nothing in it repeats itself soon.
ToyModelOptions const toy{.vocabulary = 100, .order = 4, .context_limit = 300};
Tokens const prompt{3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

Tokens decode_plainly(Tokens context, std::size_t budget) {
  Toy model(toy);
  Tokens said;
  for (Tokens pending = std::move(context); said.size() < budget;) {
    Segment const segment{.tokens = pending, .rows = 1};
    auto const row = model.forward({&segment, 1}).row(0);
    pending = {static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin())};
    said.push_back(pending.back());
  }
  return said;
}

Tokens const& answer() {
  static Tokens const tokens = decode_plainly(prompt, 40);
  return tokens;
}

// Drafts what the model will say, as far as there is room, and notes how often it was asked.
struct RightProposer {
  std::size_t* asked = nullptr;
  Draft propose(std::span<Token const> context, std::span<Token> space) const {
    if (asked != nullptr) ++*asked;
    std::size_t const said = context.size() - prompt.size();
    std::size_t const length = std::min({space.size(), std::size_t{6}, answer().size() - said});
    std::copy_n(answer().begin() + static_cast<std::ptrdiff_t>(said), length, space.begin());
    return {length};
  }
  void truncate(std::size_t) const {}
};

// What a turn told.
struct Told {
  Tokens tokens;
  std::vector<Source> sources;
  std::vector<SequenceStatus> endings;
  std::size_t emissions = 0;

  void operator()(OutputDelta const& emission) {
    CHECK(endings.empty());
    CHECK(emission.sequence == SequenceId{0});
    CHECK(emission.tokens.size() == emission.sources.size());
    ++emissions;
    tokens.insert(tokens.end(), emission.tokens.begin(), emission.tokens.end());
    sources.insert(sources.end(), emission.sources.begin(), emission.sources.end());
    if (emission.status != SequenceStatus::running) endings.push_back(emission.status);
  }
};

// A model and a composer that drafts nothing but what is right, six tokens a pass.
struct Setting {
  Toy model{toy};
  Composer<Toy, RightProposer, GreedyVerifier> composer{model};

  copyspec::Sequence const& sequence() const { return composer.sequence(SequenceId{0}); }
};

}  // namespace

TEST_CASE("without options a turn goes on until the context is full") {
  Setting setting;
  CHECK(setting.composer.generate(prompt, {.max_draft_length = 0}).size() == toy.context_limit - prompt.size());
  CHECK(setting.sequence().status() == SequenceStatus::context_full);
}

TEST_CASE("a budget is kept to the token, whatever was drafted") {
  for (std::size_t budget = 0; budget <= 30; ++budget) {
    CAPTURE(budget);
    Setting setting;
    Told told;
    auto const said = setting.composer.generate(prompt, {.max_new_tokens = budget}, told);
    CHECK(text(said) == text(first(answer(), budget)));
    CHECK(text(told.tokens) == text(said));
    CHECK(told.endings == std::vector{SequenceStatus::length});
    CHECK(setting.model.held(SequenceId{0}).size() < prompt.size() + budget + (budget == 0 ? 1 : 0));
  }
}

TEST_CASE("a turn of no tokens is told to have ended, once") {
  Setting setting;
  setting.composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 0});
  Told told;
  CHECK_FALSE(setting.composer.step(told));
  CHECK_FALSE(setting.composer.step(told));
  CHECK(told.emissions == 1);
  CHECK(told.tokens.empty());
  CHECK(told.endings == std::vector{SequenceStatus::length});
}

TEST_CASE("no more is drafted than the turn allows") {
  for (std::size_t length = 0; length <= 8; ++length) {
    CAPTURE(length);
    Setting setting;
    auto const said = setting.composer.generate(prompt, {.max_new_tokens = 28, .max_draft_length = length});
    CHECK(text(said) == text(first(answer(), 28)));
    std::size_t const drafted = std::min<std::size_t>(length, 6);
    CHECK(setting.sequence().counters().decode_passes == (28 + drafted) / (drafted + 1));
  }
}

TEST_CASE("with a draft length of zero the proposer is not even asked") {
  std::size_t asked = 0;
  Toy model(toy);
  Composer composer(model, RightProposer{&asked}, GreedyVerifier());
  composer.generate(prompt, {.max_new_tokens = 20, .max_draft_length = 0});
  CHECK(asked == 0);
  CHECK(composer.sequence(SequenceId{0}).counters().decode_passes == 20);
  CHECK(composer.sequence(SequenceId{0}).counters().draft_passes == 0);
}

TEST_CASE("tokens come with their sources, pass by pass") {
  Setting setting;
  setting.composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 10});
  std::vector<std::string> passes;
  std::vector<SequenceStatus> statuses;
  setting.composer.run([&](OutputDelta const& emission) {
    passes.push_back(text(emission.sources));
    statuses.push_back(emission.status);
  });
  CHECK(passes == std::vector<std::string>{"ccccccm", "ccm"});
  CHECK(statuses == std::vector{SequenceStatus::running, SequenceStatus::length});
}

TEST_CASE("nothing is told of a sequence whose prompt is still being fed") {
  ToyModelOptions options = toy;
  options.max_tokens = 3;
  Toy model(options);
  Composer composer(model, NoProposer(), GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 2});
  Told told;
  for (int chunk = 0; chunk < 3; ++chunk) CHECK(composer.step(told));
  CHECK(told.emissions == 0);
  composer.step(told);
  CHECK(told.emissions == 1);
}

TEST_CASE("a stop token at any place in a draft ends the turn there") {
  for (std::size_t place = 0; place < 30; ++place) {
    Token const stop = answer()[place];
    auto const met = static_cast<std::size_t>(std::ranges::find(answer(), stop) - answer().begin());
    CAPTURE(place);
    Setting setting;
    Told told;
    auto const said = setting.composer.generate(prompt, {.stop = {.tokens = {stop}}}, told);
    CHECK(text(said) == text(first(answer(), met + 1)));
    CHECK(text(setting.sequence().released()) == text(first(answer(), met)));
    CHECK(text(told.tokens) == text(first(answer(), met)));
    CHECK(told.endings == std::vector{SequenceStatus::stopped});
    // Each pass here is six drafted tokens and one of the model's own.
    std::string sources;
    while (sources.size() <= met) sources += "ccccccm";
    CHECK(text(setting.sequence().sources()) == sources.substr(0, met + 1));
    CHECK(text(told.sources) == sources.substr(0, met));
  }
}

TEST_CASE("a stop sequence at any place ends the turn, and no part of it is ever shown") {
  for (std::size_t length = 2; length <= 9; ++length) {
    for (std::size_t place = 0; place + length <= 25; ++place) {
      CAPTURE(length);
      CAPTURE(place);
      Setting setting;
      GenerateOptions options;
      options.stop.sequences = {
          first(Tokens(answer().begin() + static_cast<std::ptrdiff_t>(place), answer().end()), length)};
      Told told;
      setting.composer.begin(SequenceId{0}, prompt, options);
      while (setting.composer.step(told)) REQUIRE(told.tokens.size() <= place);
      CHECK(text(told.tokens) == text(first(answer(), place)));
      CHECK(text(setting.sequence().generated()) == text(first(answer(), place + length)));
      CHECK(text(setting.sequence().released()) == text(first(answer(), place)));
      CHECK(told.endings == std::vector{SequenceStatus::stopped});
    }
  }
}

TEST_CASE("what was held back for a stop that does not come is shown after all") {
  SUBCASE("when another token comes") {
    Setting setting;
    GenerateOptions options{.max_new_tokens = 14};
    options.stop.sequences = {{answer()[5], answer()[6], 0}};
    REQUIRE(answer()[7] != 0);
    Told told;
    setting.composer.begin(SequenceId{0}, prompt, options);
    setting.composer.step(told);
    CHECK(text(told.tokens) == text(first(answer(), 5)));
    setting.composer.step(told);
    CHECK(text(told.tokens) == text(first(answer(), 14)));
  }
  SUBCASE("when the budget is spent") {
    Setting setting;
    GenerateOptions options{.max_new_tokens = 7};
    options.stop.sequences = {{answer()[5], answer()[6], 0}};
    Told told;
    setting.composer.generate(prompt, options, told);
    CHECK(text(told.tokens) == text(first(answer(), 7)));
    CHECK(told.endings == std::vector{SequenceStatus::length});
  }
}

TEST_CASE("a turn may end with nothing to show") {
  Setting setting;
  GenerateOptions options;
  options.stop.sequences = {first(answer(), 9)};
  Told told;
  setting.composer.begin(SequenceId{0}, prompt, options);
  CHECK(setting.composer.step(told));
  CHECK(told.emissions == 0);
  CHECK_FALSE(setting.composer.step(told));
  CHECK(told.emissions == 1);
  CHECK(told.tokens.empty());
  CHECK(told.endings == std::vector{SequenceStatus::stopped});
}

TEST_CASE("a stop stays in the context of the next turn") {
  Setting setting;
  setting.composer.generate(prompt, {.stop = {.tokens = {answer()[3]}}});
  Tokens context = prompt;
  Tokens const said = first(answer(), 4);
  context.insert(context.end(), said.begin(), said.end());
  Tokens const second{7, 7, 7};
  context.insert(context.end(), second.begin(), second.end());
  auto const next = setting.composer.generate(second, {.max_new_tokens = 20, .max_draft_length = 0});
  CHECK(text(next) == text(decode_plainly(context, 20)));
}

TEST_CASE("a stop of the turn before is no part of a stop of this turn") {
  Setting setting;
  setting.composer.generate(prompt, {.max_new_tokens = 4});
  GenerateOptions options{.max_new_tokens = 4};
  options.stop.sequences = {{answer()[2], answer()[3], answer()[4], answer()[5]}};
  CHECK(setting.composer.generate({}, options).size() == 4);
  CHECK(setting.sequence().status() == SequenceStatus::length);
}

TEST_CASE("a stop predicate is asked once for each token, in order, drafted or not") {
  for (std::size_t place = 0; place < 25; ++place) {
    CAPTURE(place);
    Setting setting;
    std::size_t calls = 0;
    auto const stop = [&](SequenceId sequence, std::span<Token const> generated) {
      CHECK(sequence == SequenceId{0});
      ++calls;
      CHECK(generated.size() == calls);
      CHECK(generated.back() == answer()[calls - 1]);
      return StopDecision{.stop = generated.size() == place + 1};
    };
    Told told;
    auto const said = setting.composer.generate(prompt, {}, told, stop);
    CHECK(said.size() == place + 1);
    CHECK(calls == place + 1);
    CHECK(text(told.tokens) == text(said));
    CHECK(told.endings == std::vector{SequenceStatus::stopped});
  }
}

TEST_CASE("a predicate and the rules hold back what either wants held back") {
  Setting setting;
  GenerateOptions options{.max_new_tokens = 20};
  options.stop.sequences = {{answer()[5], answer()[6], answer()[7], 0}};
  auto const hold_three = [](SequenceId, std::span<Token const>) { return StopDecision{.held = 1}; };
  Told told;
  setting.composer.begin(SequenceId{0}, prompt, options);
  setting.composer.step(told, hold_three);
  CHECK(told.tokens.size() == 5);
  setting.composer.step(told, hold_three);
  CHECK(told.tokens.size() == 13);
  setting.composer.step(told, hold_three);
  CHECK(told.tokens.size() == 20);
}

TEST_CASE("a stop in the text may begin and end inside tokens") {
  // Each token is three letters, and the stop is found in the letters.
  auto const spell = [](std::span<Token const> tokens) {
    std::string letters;
    for (Token const token : tokens)
      for (Token const part : {token / 25, token / 5 % 5, token % 5}) letters += static_cast<char>('a' + part);
    return letters;
  };
  std::string const all = spell(answer());
  for (std::size_t length : {1U, 2U, 4U, 7U}) {
    for (std::size_t place = 0; place + length <= 60; ++place) {
      std::string const stop_text = all.substr(place, length);
      std::size_t const met = all.find(stop_text);
      CAPTURE(stop_text);
      auto const stop = [&](SequenceId, std::span<Token const> generated) -> StopDecision {
        std::string const letters = spell(generated);
        std::size_t const found = letters.find(stop_text);
        if (found != std::string::npos) return {.stop = true, .held = generated.size() - found / 3};
        std::size_t partial = std::min(letters.size(), length - 1);
        while (!stop_text.starts_with(std::string_view(letters).substr(letters.size() - partial))) --partial;
        return {.stop = false, .held = (partial + 2) / 3};
      };
      Setting setting;
      Told told;
      setting.composer.begin(SequenceId{0}, prompt, {});
      while (setting.composer.step(told, stop)) REQUIRE(told.tokens.size() <= met / 3);
      CHECK(text(told.tokens) == text(first(answer(), met / 3)));
      CHECK(setting.sequence().generated().size() == (met + length + 2) / 3);
      CHECK(told.endings == std::vector{SequenceStatus::stopped});
    }
  }
}

TEST_CASE("a predicate that throws ends the turn before the token it was asked about is shown") {
  for (std::size_t place = 1; place <= 25; ++place) {
    CAPTURE(place);
    Setting setting;
    auto const stop = [&](SequenceId, std::span<Token const> generated) -> StopDecision {
      if (generated.size() == place) throw std::domain_error("a broken predicate");
      return {};
    };
    Told told;
    setting.composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 25});
    while (setting.composer.step(told, stop)) {
    }
    CHECK(text(setting.sequence().generated()) == text(first(answer(), place)));
    CHECK(text(told.tokens) == text(first(answer(), place - 1)));
    CHECK(told.endings == std::vector{SequenceStatus::failed});
    CHECK_THROWS_AS(std::rethrow_exception(setting.composer.error(SequenceId{0})), std::domain_error);
    CHECK(setting.model.held(SequenceId{0}).size() == setting.sequence().cached());
    // The next turn has nothing of it.
    Tokens context = prompt;
    Tokens const said = first(answer(), place);
    context.insert(context.end(), said.begin(), said.end());
    context.push_back(7);
    CHECK(text(setting.composer.generate(Tokens{7}, {.max_new_tokens = 3, .max_draft_length = 0})) ==
          text(decode_plainly(context, 3)));
    CHECK(setting.composer.error(SequenceId{0}) == nullptr);
  }
}

TEST_CASE("what on_tokens did not take comes again") {
  for (std::size_t bad = 1; bad <= 4; ++bad) {
    CAPTURE(bad);
    Setting setting;
    Told told;
    std::size_t calls = 0;
    auto const take = [&](OutputDelta const& emission) {
      if (++calls >= bad && calls < bad + 2) throw std::domain_error("nobody listens");
      told(emission);
    };
    setting.composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 25});
    std::size_t caught = 0;
    for (bool more = true; more;) {
      try {
        more = setting.composer.step(take);
      } catch (std::domain_error const&) {
        ++caught;
      }
    }
    CHECK(caught == 2);
    CHECK(text(told.tokens) == text(first(answer(), 25)));
    CHECK(text(told.sources) == text(setting.sequence().sources()));
    CHECK(told.endings == std::vector{SequenceStatus::length});
  }
}

TEST_CASE("sequences in one composer have options of their own") {
  Toy model(toy);
  Composer composer(model, RightProposer(), GreedyVerifier());
  for (std::int32_t i = 0; i < 5; ++i)
    composer.begin(
        SequenceId{i}, prompt,
        {.max_new_tokens = static_cast<std::size_t>(20 + i), .max_draft_length = static_cast<std::size_t>(i)});
  composer.run();
  for (std::int32_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    auto const& sequence = composer.sequence(SequenceId{i});
    CHECK(text(sequence.generated()) == text(first(answer(), static_cast<std::size_t>(20 + i))));
    CHECK(sequence.counters().decode_passes == static_cast<std::size_t>((20 + i + i) / (i + 1)));
  }
}

namespace {

using copyspec::Sequence;
using copyspec::detail::Turn;

// A sequence that has generated the numbers from 1 on, of which so many are held.
struct Said {
  Sequence sequence{SequenceId{4}, 100};
  Turn turn;

  explicit Said(std::size_t budget, bool may_continue = false) {
    sequence.begin(Tokens{9}, budget, may_continue);
    turn.begin({.max_new_tokens = budget, .may_continue = may_continue});
  }

  void say(std::size_t held = 0) {
    sequence.make_room(0);
    static_cast<void>(sequence.next_segment(0, 100));
    auto const next = static_cast<Token>(sequence.generated().size() + 1);
    sequence.accept({.accepted = 0, .next = next}, [&](std::span<Token const>) { return StopDecision{.held = held}; });
  }

  // What a callback is told, in words.
  std::string emit() {
    std::string words;
    auto const tell = [&](OutputDelta const& delta) { words += text(delta.tokens) + "/" + status_of(delta); };
    turn.emit(sequence, {}, tell);
    return words;
  }

  static std::string status_of(OutputDelta const& delta) {
    if (delta.status == SequenceStatus::running) return "on";
    return delta.status == SequenceStatus::failed ? "failed" : "end";
  }
};

}  // namespace

TEST_CASE("a delta is what was released since the last one") {
  Said said(4);
  CHECK(said.emit() == "");
  said.say();
  CHECK(said.emit() == "1/on");
  CHECK(said.emit() == "");
  said.say(1);
  CHECK(said.emit() == "");
  said.say(1);
  CHECK(said.emit() == "2/on");
  said.say();
  CHECK(said.emit() == "3 4/end");
  CHECK(said.emit() == "");
}

TEST_CASE("a turn that goes on after its last delta shows what follows, and ends once more") {
  Said said(2, true);
  said.say();
  said.say(1);
  CHECK(said.emit() == "1/end");
  CHECK(said.emit() == "");
  said.sequence.extend(2);
  said.turn.reopen();
  CHECK(said.emit() == "");
  said.say();
  CHECK(said.emit() == "2 3/on");
  said.say();
  CHECK(said.emit() == "4/end");
}

TEST_CASE("what was shown stays shown where a longer turn would hold it") {
  Said said(2);
  said.say();
  said.say(1);
  CHECK(said.emit() == "1 2/end");
  said.sequence.extend(2);
  said.turn.reopen();
  said.say(1);
  said.say(2);
  CHECK(said.emit() == "3 4/end");
}

TEST_CASE("a turn that was closed has no last delta") {
  Said said(2);
  said.say();
  said.say();
  said.turn.close();
  CHECK(said.emit() == "");
}

TEST_CASE("a turn that failed brings what was thrown, until another begins") {
  Said said(2);
  said.say();
  said.sequence.fail();
  said.turn.fail(std::make_exception_ptr(7));
  std::exception_ptr error;
  auto const take = [&](OutputDelta const& delta) { error = delta.error; };
  said.turn.emit(said.sequence, {}, take);
  CHECK_THROWS_AS(std::rethrow_exception(error), int);
  said.turn.begin({});
  CHECK(said.turn.error() == nullptr);
  CHECK(said.turn.options().max_new_tokens > 2);
}

TEST_CASE("what a callback that throws was given comes again, unless it has begun or closed the turn") {
  for (std::size_t act = 0; act < 4; ++act) {
    CAPTURE(act);
    Said said(2, true);
    said.say();
    said.say();
    auto const bad = [&](OutputDelta const&) {
      if (act == 1) said.turn.close();
      if (act == 2) {
        said.sequence.begin(Tokens{5}, 3);
        said.turn.begin({});
      }
      if (act == 3) {
        said.sequence.extend(1);
        said.turn.reopen();
      }
      throw std::domain_error("nobody listens");
    };
    CHECK_THROWS_AS(said.turn.emit(said.sequence, {}, bad), std::domain_error);
    std::vector<std::string> const expected{"1 2/end", "", "", "1 2/on"};
    CHECK(said.emit() == expected[act]);
    if (act < 2) continue;
    said.say();
    CHECK(said.emit() == (act == 2 ? "1/on" : "3/end"));
  }
}

TEST_CASE("a turn knows what it has reported of itself") {
  Turn turn;
  turn.begin({});
  CHECK(turn.reported() == 0);
  turn.report(12);
  CHECK(turn.reported() == 12);
  turn.begin({});
  CHECK(turn.reported() == 0);
}
