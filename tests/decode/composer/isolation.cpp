// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/composer_fixture.hpp"
#include "support/greedy_for_all.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/sampled_turn.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::OutputDelta;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::ToyLanguage;
using copyspec_test::WatchedModel;

namespace {

ToyLanguage language_of(float temperature) {
  ToyLanguage language(ToyModelOptions{.vocabulary = 12, .order = 2});
  language.sampling = SamplingOptions{.temperature = temperature, .seed = 3};
  return language;
}

// Drafts what comes, most of what comes, or nothing.
constexpr auto kinds = {HostileProposer::right, HostileProposer::right_then_wrong, HostileProposer::mixed};

Tokens first(Tokens const& tokens, std::size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(std::min(count, tokens.size()))};
}

// What each sequence showed, and how it ended.
struct Told {
  std::map<SequenceId, Tokens> tokens;
  std::map<SequenceId, std::vector<SequenceStatus>> endings;
  std::map<SequenceId, std::exception_ptr> errors;

  void operator()(OutputDelta const& delta) {
    Tokens& shown = tokens[delta.sequence];
    shown.insert(shown.end(), delta.tokens.begin(), delta.tokens.end());
    if (delta.status == SequenceStatus::running) return;
    endings[delta.sequence].push_back(delta.status);
    errors[delta.sequence] = delta.error;
  }
};

using Ends = std::vector<SequenceStatus>;

// Runs three sequences, of which the second has these hooks and this predicate, and checks the two others. Returns what
// was told.
template <class Stop>
Told run_three(ToyLanguage const& language, HostileProposer::Kind kind, std::size_t longest, RowHooks const& hooks,
               Stop const& stop) {
  WatchedModel model(language);
  std::string wrong;
  Composer composer(model, HostileProposer(kind, language, wrong), SamplingVerifier());
  for (std::size_t i = 0; i < 3; ++i) {
    GenerateOptions options{.max_new_tokens = 30, .max_draft_length = longest, .sampling = language.sampling};
    if (i == 1) options.sampling->hooks = copyspec_test::each_turn(hooks);
    composer.begin(id(i), some_prompt, options);
  }
  Told told;
  composer.run(told, stop);
  Tokens const expected = decode_plainly(language, some_prompt, 30).tokens;
  for (std::size_t i : {0U, 2U}) {
    CHECK(text(told.tokens[id(i)]) == text(expected));
    CHECK(told.endings[id(i)] == Ends{SequenceStatus::length});
    CHECK(composer.error(id(i)) == nullptr);
  }
  CHECK(wrong == "");
  CHECK(model.wrong == "");
  CHECK(composer.error(id(1)) == told.errors[id(1)]);
  // It can be asked again.
  composer.truncate(id(1), 0);
  composer.begin(id(1), some_prompt, {.max_new_tokens = 5, .sampling = language.sampling});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(first(expected, 5)));
  CHECK(composer.error(id(1)) == nullptr);
  return told;
}

constexpr auto never = [](SequenceId, std::span<Token const>) { return StopDecision(); };

}  // namespace

TEST_CASE("what a hook of one request throws ends that request, at the same token with drafts and without") {
  for (float const temperature : {0.0F, 1.0F}) {
    ToyLanguage const language = language_of(temperature);
    Tokens const expected = decode_plainly(language, some_prompt, 30).tokens;
    for (bool const edits : {true, false}) {
      for (std::size_t good = 0; good < 30; good += 3) {
        RowHooks hooks;
        auto const refuse = [good](std::span<Token const> before) {
          if (before.size() == some_prompt.size() + good) throw std::runtime_error("the grammar is at its end");
        };
        if (edits)
          hooks.edit = [refuse](std::span<Token const> before, std::span<float>) { refuse(before); };
        else
          hooks.allows = [refuse](std::span<Token const> before, Token) { return refuse(before), true; };
        for (auto const kind : kinds) {
          for (std::size_t const longest : {0U, 2U, 100U}) {
            CAPTURE(temperature);
            CAPTURE(good);
            CAPTURE(static_cast<int>(kind));
            CAPTURE(longest);
            Told told = run_three(language, kind, longest, hooks, never);
            CHECK(text(told.tokens[id(1)]) == text(first(expected, good)));
            CHECK(told.endings[id(1)] == Ends{SequenceStatus::failed});
            CHECK_THROWS_AS(std::rethrow_exception(told.errors[id(1)]), std::runtime_error);
          }
        }
      }
    }
  }
}

TEST_CASE("what the stop predicate throws of one request ends that request, with drafts and without") {
  for (float const temperature : {0.0F, 1.0F}) {
    ToyLanguage const language = language_of(temperature);
    Tokens const expected = decode_plainly(language, some_prompt, 30).tokens;
    for (std::size_t place = 1; place <= 30; place += 4) {
      for (auto const kind : kinds) {
        for (std::size_t const longest : {0U, 3U, 100U}) {
          CAPTURE(place);
          CAPTURE(longest);
          auto const stop = [&](SequenceId key, std::span<Token const> generated) -> StopDecision {
            if (key == id(1) && generated.size() == place) throw std::runtime_error("cannot read this");
            return {};
          };
          Told told = run_three(language, kind, longest, {}, stop);
          CHECK(text(told.tokens[id(1)]) == text(first(expected, place - 1)));
          CHECK(told.endings[id(1)] == Ends{SequenceStatus::failed});
        }
      }
    }
  }
}

TEST_CASE("what is thrown about the draft of one request ends that request") {
  ToyLanguage const language = language_of(0);
  RowHooks const hooks{.allowed_draft = [](std::span<Token const> context, std::span<Token const> draft) {
    if (context.size() > some_prompt.size() + 10) throw std::runtime_error("no more drafts");
    return draft.size();
  }};
  Told told = run_three(language, HostileProposer::right, 3, hooks, never);
  CHECK(told.endings[id(1)] == Ends{SequenceStatus::failed});
  CHECK(text(told.tokens[id(1)]) == text(first(decode_plainly(language, some_prompt, 30).tokens, 12)));
}

TEST_CASE("a row that throws does not matter to a turn that ends before it") {
  ToyLanguage const language = language_of(0);
  RowHooks const hooks{.edit = [](std::span<Token const> before, std::span<float>) {
    if (before.size() >= some_prompt.size() + 5) throw std::runtime_error("too far");
  }};
  for (std::size_t budget = 1; budget < 10; ++budget) {
    WatchedModel model(language);
    Composer composer(model, copyspec_test::always_right(language), SamplingVerifier());
    SamplingOptions sampling{.temperature = 0, .hooks = copyspec_test::each_turn(hooks)};
    auto const stop = [&](SequenceId, std::span<Token const> said) {
      return StopDecision{.stop = said.size() == budget};
    };
    composer.begin(id(0), some_prompt, {.sampling = sampling});
    composer.run(show_nothing, stop);
    CHECK(composer.sequence(id(0)).status() == (budget <= 5 ? SequenceStatus::stopped : SequenceStatus::failed));
    CHECK(composer.sequence(id(0)).generated().size() == std::min<std::size_t>(budget, 5));
  }
}

TEST_CASE("what a verifier of all sequences throws passes through, and all go on from where they were") {
  struct Throwing {
    bool* throws;
    void verify(LogitsView<float> rows, std::span<copyspec::VerifyInput const> inputs,
                std::span<copyspec::Verdict> verdicts) const {
      if (*throws) throw std::runtime_error("the device is gone");
      copyspec_test::GreedyForAll::verify(rows, inputs, verdicts);
    }
  };
  ToyModelOptions const options{.vocabulary = 12, .order = 2};
  WatchedModel model(options);
  bool throws = false;
  Composer composer(model, copyspec_test::always_right(options), Throwing{&throws});
  for (std::size_t i = 0; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 30, .max_draft_length = i});
  for (bool more = true; more;) {
    throws = true;
    CHECK_THROWS_AS(composer.step(show_nothing), std::runtime_error);
    for (std::size_t i = 0; i < 3; ++i) CHECK(model.held(id(i)).size() == composer.sequence(id(i)).cached());
    throws = false;
    more = composer.step(show_nothing);
  }
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(text(composer.sequence(id(i)).generated()) == text(decode_plainly(options, some_prompt, 30).tokens));
  CHECK(model.wrong == "");
}

namespace {

// Returns more or fewer rows than were asked for, or shorter ones, in every third pass.
struct Miscounting : Toy {
  using Toy::Toy;
  std::size_t calls = 0;
  std::size_t kind = 0;
  std::vector<float> copy;

  LogitsView<float> forward(std::span<Segment const> batch) {
    auto const rows = Toy::forward(batch);
    copy.assign(rows.data(), rows.data() + rows.rows() * rows.vocabulary());
    copy.resize(copy.size() + rows.vocabulary());
    if (++calls % 3 != 0) return {copy.data(), rows.rows(), rows.vocabulary()};
    if (kind == 0) return {};
    if (kind == 1) return {copy.data(), rows.rows() - 1, rows.vocabulary()};
    if (kind == 2) return {copy.data(), rows.rows() + 1, rows.vocabulary()};
    return {copy.data(), rows.rows(), rows.vocabulary() - 1};
  }
};

}  // namespace

TEST_CASE("an engine that returns other rows than were asked for is reported, and nothing is read of them") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2};
  for (std::size_t kind = 0; kind < 4; ++kind) {
    for (std::size_t const longest : {0U, 5U}) {
      Miscounting model(options);
      model.kind = kind;
      Composer composer(model, copyspec_test::always_right(options), GreedyVerifier());
      for (std::size_t i = 0; i < 2; ++i)
        composer.begin(id(i), some_prompt, {.max_new_tokens = 20, .max_draft_length = longest});
      std::size_t thrown = 0;
      for (bool more = true; more;) {
        try {
          more = composer.step(show_nothing);
        } catch (copyspec::Error const& error) {
          ++thrown;
          CHECK(error.code() == copyspec::ErrorCode::engine);
          CHECK(model.held(id(0)).size() == composer.sequence(id(0)).cached());
        }
      }
      CHECK(thrown >= (longest == 0 ? 9 : 1));
      for (std::size_t i = 0; i < 2; ++i)
        CHECK(text(composer.sequence(id(i)).generated()) == text(decode_plainly(options, some_prompt, 20).tokens));
    }
  }
}
