// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/plain_decoder.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::OutputDelta;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::id;
using copyspec_test::Refused;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;

namespace {

ToyModelOptions const toy{.vocabulary = 12, .order = 2};
constexpr std::size_t longest_answer = 30;

Tokens const& answer() {
  static Tokens const tokens = decode_plainly(toy, some_prompt, longest_answer).tokens;
  return tokens;
}

using Tested = Composer<Toy, CopyProposer, GreedyVerifier>;

// Three sequences that ask the same. `act` is called in each callback, after what it was told was written down.
struct Setting {
  Toy model{toy};
  Tested composer{model, CopyProposer({.match_length = 1, .draft_length = 4})};
  std::function<void(OutputDelta const&)> act = [](OutputDelta const&) {};
  std::map<SequenceId, Tokens> told;
  std::map<SequenceId, std::size_t> ends;
  std::size_t thrown = 0;

  Setting() {
    for (std::size_t i = 0; i < 3; ++i) begin(i);
  }

  void begin(std::size_t number) { composer.begin(id(number), some_prompt, {.max_new_tokens = longest_answer}); }

  void run() {
    for (bool more = true; more;) {
      std::map<SequenceId, Tokens> const told_before = told;
      std::map<SequenceId, std::size_t> const ends_before = ends;
      try {
        more = composer.step([&](OutputDelta const& delta) {
          Tokens const before = told[delta.sequence];
          std::size_t const ended = ends[delta.sequence];
          told[delta.sequence].insert(told[delta.sequence].end(), delta.tokens.begin(), delta.tokens.end());
          if (delta.status != SequenceStatus::running) ++ends[delta.sequence];
          try {
            act(delta);
          } catch (Refused const&) {
            // It was not taken, and comes again if the turn is the same.
            told[delta.sequence] = before;
            ends[delta.sequence] = ended;
            throw;
          }
        });
      } catch (Refused const&) {
        ++thrown;
        REQUIRE(thrown < 1000);
      }
    }
  }

  // All of the answer, and one end.
  void check_whole(std::size_t number) {
    CAPTURE(number);
    CHECK(text(told[id(number)]) == text(answer()));
    CHECK(ends[id(number)] == 1);
    CHECK(composer.sequence(id(number)).status() == SequenceStatus::length);
  }
};

}  // namespace

TEST_CASE("a callback may begin the next request where another has ended") {
  Setting setting;
  std::size_t next = 3;
  setting.act = [&](OutputDelta const& delta) {
    if (delta.status != SequenceStatus::running && next < 60) setting.begin(next++);
  };
  setting.run();
  CHECK(next == 60);
  for (std::size_t i = 0; i < next; ++i) setting.check_whole(i);
}

TEST_CASE("a callback may begin the next turn of its own sequence") {
  Setting setting;
  std::size_t turns = 0;
  Tokens context = some_prompt;
  setting.act = [&](OutputDelta const& delta) {
    if (delta.sequence != id(1) || delta.status == SequenceStatus::running || turns == 5) return;
    ++turns;
    // Of its own tokens, too.
    Tokens const prompt = turns % 2 == 0 ? Tokens{5} : copyspec_test::copy(delta.tokens);
    context = copyspec_test::copy(setting.composer.sequence(id(1)).context());
    context.insert(context.end(), prompt.begin(), prompt.end());
    setting.told[id(1)].clear();
    setting.composer.begin(id(1), turns % 2 == 0 ? std::span<Token const>(prompt) : delta.tokens,
                           {.max_new_tokens = longest_answer});
  };
  setting.run();
  CHECK(turns == 5);
  CHECK(text(setting.told[id(1)]) == text(decode_plainly(toy, context, longest_answer).tokens));
  setting.check_whole(0);
  setting.check_whole(2);
}

TEST_CASE("a callback may remove, truncate, pause or preempt any sequence, its own too, at any time") {
  enum Act { removes, truncates, pauses, preempts, removes_and_begins, acts };
  for (std::size_t act = 0; act < acts; ++act) {
    for (std::size_t const by : {0U, 1U, 2U}) {
      for (std::size_t heard = 0; heard < longest_answer; heard += 7) {
        for (bool const throws : {false, true}) {
          CAPTURE(act);
          CAPTURE(by);
          CAPTURE(heard);
          CAPTURE(throws);
          Setting setting;
          bool done = false;
          std::size_t told_then = 0, ended_then = 0;
          setting.act = [&](OutputDelta const& delta) {
            if (done || delta.sequence != id(by) || setting.told[id(by)].size() < heard) return;
            done = true;
            told_then = setting.told[id(1)].size();
            ended_then = setting.ends[id(1)];
            if (act == removes || act == removes_and_begins) setting.composer.remove(id(1));
            if (act == removes_and_begins) {
              setting.begin(1);
              setting.told[id(1)].clear();
              setting.ends[id(1)] = 0;
            }
            if (act == truncates) setting.composer.truncate(id(1), 0);
            if (act == pauses && setting.composer.sequence(id(1)).running()) setting.composer.pause(id(1));
            if (act == preempts) setting.composer.preempt(id(1));
            // Of the sequence that is removed or truncated, it does not come again.
            if (throws) throw Refused{};
          };
          setting.run();
          CHECK(done);
          CHECK(setting.thrown == (throws ? 1 : 0));
          setting.check_whole(0);
          setting.check_whole(2);
          if (act == removes || act == truncates) {
            CHECK(setting.told[id(1)].size() <= told_then);
            CHECK(setting.ends[id(1)] <= ended_then);
            CHECK(setting.model.held(id(1)).empty());
          }
          if (act == pauses || act == preempts) {
            setting.composer.resume(id(1));
            setting.run();
          }
          if (act > truncates && !(throws && by == 1 && act == removes_and_begins)) setting.check_whole(1);
        }
      }
    }
  }
}

TEST_CASE("a callback may copy and extend the sequence that it is about") {
  Setting setting;
  bool copied = false, extended = false;
  setting.act = [&](OutputDelta const& delta) {
    if (delta.sequence != id(1)) return;
    if (!copied && setting.told[id(1)].size() > 10) {
      copied = true;
      setting.composer.fork(id(1), id(3));
      setting.told[id(3)] = setting.told[id(1)];
    }
    if (delta.status == SequenceStatus::length && !extended) {
      extended = true;
      setting.composer.extend(id(1), 10);
    }
  };
  setting.run();
  CHECK(copied);
  CHECK(extended);
  for (std::size_t i : {0U, 2U, 3U}) setting.check_whole(i);
  CHECK(text(setting.told[id(1)]) == text(decode_plainly(toy, some_prompt, longest_answer + 10).tokens));
  CHECK(setting.ends[id(1)] == 2);
}

TEST_CASE("a client that goes, by its predicate or by an exception, costs the others nothing") {
  for (bool const by_predicate : {false, true}) {
    Setting setting;
    bool gone = false;
    std::size_t heard = 0;
    auto const on_tokens = [&](OutputDelta const& delta) {
      Tokens& told = setting.told[delta.sequence];
      told.insert(told.end(), delta.tokens.begin(), delta.tokens.end());
      setting.ends[delta.sequence] += delta.status == SequenceStatus::running ? 0 : 1;
      if (delta.sequence != id(0) || gone || told.size() < 10) return;
      gone = true;
      heard = told.size();
      if (!by_predicate) throw Refused{};
    };
    auto const stop = [&](SequenceId key, std::span<Token const>) {
      return StopDecision{.stop = by_predicate && gone && key == id(0)};
    };
    for (bool more = true; more;) {
      try {
        more = setting.composer.step(on_tokens, stop);
      } catch (Refused const&) {
        setting.composer.remove(id(0));
      }
    }
    setting.check_whole(1);
    setting.check_whole(2);
    CHECK(setting.told[id(0)].size() <= heard + 1);
    CHECK(heard < longest_answer);
  }
}

TEST_CASE("turns that callbacks begin and that end at once are told of before a run returns") {
  Setting setting;
  std::size_t ends = 0;
  setting.composer.run([&](OutputDelta const& delta) {
    if (delta.status == SequenceStatus::running) return;
    if (++ends > 6) return;
    // Sequence 0 was served before.
    for (std::size_t i = 0; i < 3; ++i)
      if (!setting.composer.sequence(id(i)).running() && delta.sequence != id(i))
        setting.composer.begin(id(i), some_prompt, {.max_new_tokens = 0});
  });
  CHECK(ends > 6);
  CHECK_FALSE(setting.composer.step([](OutputDelta const&) { FAIL("all was told"); }));
}
