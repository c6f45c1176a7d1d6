// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "support/composer_fixture.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/poisoned_model.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::testing::ToyModelOptions;
using copyspec_test::always_right;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::drafting_right;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::PoisonedModel;
using copyspec_test::Refused;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::WatchedModel;

TEST_CASE("what a model throws comes through, and the sequences go on as if nothing had been") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2, .max_tokens = 8};
  Tokens const expected = decode_plainly(options, some_prompt, 40).tokens;
  for (std::size_t bad_call = 1; bad_call <= 16; ++bad_call) {
    CAPTURE(bad_call);
    WatchedModel model(options);
    // Twice in a row, so that the pass without drafts that follows a refused one fails as well.
    model.fails = [&](std::size_t call) { return call == bad_call || call == bad_call + 1; };
    Composer composer(model, CopyProposer({.match_length = 1}), GreedyVerifier());
    for (std::size_t i = 0; i < 2; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 40});
    std::size_t thrown = 0;
    for (bool more = true; more;) {
      SequenceCounters const before = composer.sequence(id(0)).counters();
      try {
        more = composer.step(show_nothing);
      } catch (Refused const& refused) {
        ++thrown;
        CHECK(refused.call >= bad_call);
        CHECK(refused.call <= bad_call + 1);
        CHECK(composer.sequence(id(0)).counters().tokens_fed == before.tokens_fed);
        CHECK(composer.sequence(id(0)).running());
      }
    }
    CHECK(thrown >= 1);
    CHECK(model.wrong == "");
    for (std::size_t i = 0; i < 2; ++i) CHECK(text(composer.sequence(id(i)).generated()) == text(expected));
  }
}

TEST_CASE("sequences go on after a model that failed could not be cut back at first") {
  struct StubbornModel : Toy {
    using Toy::Toy;
    std::size_t bad_forward = 0;
    std::size_t bad_truncate = 0;
    LogitsView<float> forward(std::span<Segment const> batch) {
      auto const rows = Toy::forward(batch);
      if (--bad_forward == 0) throw Refused{};
      return rows;
    }
    std::size_t truncate(SequenceId sequence, std::size_t length) {
      bool const has_failed = bad_forward == 0 || bad_forward > 100;
      if (has_failed && --bad_truncate == 0) throw Interrupted{};
      return Toy::truncate(sequence, length);
    }
  };
  ToyModelOptions const options{.order = 4};
  for (std::size_t bad_forward = 1; bad_forward <= 4; ++bad_forward) {
    for (std::size_t bad_truncate = 1; bad_truncate <= 8; ++bad_truncate) {
      CAPTURE(bad_forward);
      CAPTURE(bad_truncate);
      StubbornModel model(options);
      std::string wrong;
      Composer composer(model, HostileProposer(HostileProposer::right_then_wrong, options, wrong), GreedyVerifier());
      for (std::size_t i = 0; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 30});
      model.bad_forward = bad_forward;
      model.bad_truncate = bad_truncate;
      std::size_t thrown = 0;
      for (bool more = true; more;) {
        try {
          more = composer.step(show_nothing);
        } catch (Interrupted const&) {
          ++thrown;
        }
      }
      CHECK(thrown == 1);
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(text(composer.sequence(id(i)).generated()) == text(decode_plainly(options, some_prompt, 30).tokens));
    }
  }
}

TEST_CASE("a pass that is refused for its drafts is made again without them") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t call) { return call == 2; };
  auto composer = drafting_right(model, options);
  composer.begin(id(0), some_prompt, {.max_new_tokens = 5, .max_draft_length = 1});
  CHECK(composer.step(show_nothing));
  CHECK(composer.sequence(id(0)).generated().size() == 2);
  CHECK(composer.step(show_nothing));
  CHECK(model.passes == 2);
  CHECK(model.drafted == 1);
  CHECK(composer.sequence(id(0)).generated().size() == 3);
  CHECK_FALSE(composer.step(show_nothing));
  CHECK(text(composer.sequence(id(0)).generated()) == text(decode_plainly(options, some_prompt, 5).tokens));
}

TEST_CASE("a refused draft costs one pass and is not counted") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t call) { return call == 1; };
  auto composer = drafting_right(model, options);
  composer.begin(id(0), some_prompt, {.max_new_tokens = 20});
  CHECK(composer.step(show_nothing));
  SequenceCounters const& counters = composer.sequence(id(0)).counters();
  CHECK(counters.decode_passes == 1);
  CHECK(counters.draft_passes == 0);
  CHECK(counters.drafted == 0);
  CHECK(counters.tokens_fed == some_prompt.size());
  CHECK(counters.generated == 1);
}

namespace {

// An engine whose memory is for all sequences together.
class SmallModel {
 public:
  struct Full {};
  SmallModel(ToyModelOptions const& options, std::size_t capacity) : toy_(options), capacity_(capacity) {}
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < 8; ++i) total += toy_.held(id(i)).size();
    for (Segment const& segment : batch) total += segment.tokens.size();
    if (total > capacity_) throw Full{};
    return toy_.forward(batch);
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  Toy toy_;
  std::size_t capacity_;
};

template <class Proposer>
Tokens until_full(ToyModelOptions const& options, std::size_t capacity, Proposer proposer) {
  SmallModel model(options, capacity);
  Composer composer(model, std::move(proposer), GreedyVerifier());
  composer.begin(id(0), some_prompt);
  CHECK_THROWS_AS(composer.run(), SmallModel::Full);
  CHECK_THROWS_AS(composer.run(), SmallModel::Full);
  CHECK(composer.sequence(id(0)).running());
  return copy(composer.sequence(id(0)).generated());
}

}  // namespace

TEST_CASE("in an engine that runs full, copying gets exactly as far as plain decoding") {
  ToyModelOptions options{.vocabulary = 12, .order = 2};
  for (std::size_t capacity = 10; capacity < 60; ++capacity) {
    CAPTURE(capacity);
    options.seed = capacity;
    Tokens const plain = until_full(options, capacity, NoProposer());
    CHECK(plain.size() == capacity - some_prompt.size() + 1);
    REQUIRE(text(until_full(options, capacity, always_right(options))) == text(plain));
    REQUIRE(text(until_full(options, capacity, CopyProposer({.match_length = 1}))) == text(plain));
  }
}

TEST_CASE("a row without a token ends its own sequence, with what was said before it") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2};
  Tokens const expected = decode_plainly(options, some_prompt, 25).tokens;
  for (std::size_t good = 0; good < 25; ++good) {
    for (bool const nan : {false, true}) {
      CAPTURE(good);
      CAPTURE(nan);
      PoisonedModel model(options, {{id(1), some_prompt.size() + good}}, nan);
      Composer composer(model, always_right(options), GreedyVerifier());
      for (std::size_t i = 0; i < 3; ++i)
        composer.begin(id(i), some_prompt, {.max_new_tokens = 25, .max_draft_length = 2 + i});
      Tokens shown;
      SequenceStatus last = SequenceStatus::running;
      composer.run([&](OutputDelta const& emission) {
        if (emission.sequence != id(1)) return;
        shown.insert(shown.end(), emission.tokens.begin(), emission.tokens.end());
        last = emission.status;
      });
      Tokens const before(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(good));
      CHECK(text(composer.sequence(id(1)).generated()) == text(before));
      CHECK(composer.sequence(id(1)).status() == SequenceStatus::invalid_row);
      CHECK(text(shown) == text(before));
      CHECK(last == SequenceStatus::invalid_row);
      CHECK(text(composer.sequence(id(0)).generated()) == text(expected));
      CHECK(text(composer.sequence(id(2)).generated()) == text(expected));
    }
  }
}
