// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

#include "support/composer_fixture.hpp"
#include "support/plain_decoder.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::Composer;
using copyspec::GreedyVerifier;
using copyspec::NoProposer;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::testing::ToyModelOptions;
using copyspec_test::decode_plainly;
using copyspec_test::id;
using copyspec_test::Refused;
using copyspec_test::show_nothing;
using copyspec_test::some_prompt;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;

namespace {

ToyModelOptions const toy{.vocabulary = 12, .order = 2};

// Refuses to copy or to shift as often as it is told.
struct Unwilling : Toy {
  Unwilling() : Toy(toy) {}
  std::size_t refusals = 0;
  std::size_t copies = 0;

  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    refuse();
    ++copies;
    return Toy::fork(from, to, length);
  }
  std::size_t shift(SequenceId sequence, std::size_t first, std::size_t count) {
    refuse();
    return Toy::shift(sequence, first, count);
  }

 private:
  void refuse() {
    if (refusals == 0) return;
    --refusals;
    throw Refused{};
  }
};

struct Stubborn : NoProposer {
  bool* stubborn = nullptr;
  void truncate(std::size_t) const {
    if (*stubborn) throw Refused{};
  }
};

template <class Tested>
void check_whole(Tested const& composer, std::size_t number) {
  CHECK(text(composer.sequence(id(number)).generated()) == text(decode_plainly(toy, some_prompt, 20).tokens));
}

}  // namespace

TEST_CASE("what a model throws that is to copy passes through once, and the tokens are fed") {
  Unwilling model;
  Composer composer(model, NoProposer(), GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 20});
  composer.step(show_nothing);
  composer.fork(id(0), id(1));
  composer.fork(id(0), id(2));
  model.refusals = 1;
  CHECK_THROWS_AS(composer.step(show_nothing), Refused);
  composer.run();
  CHECK(model.copies == 1);
  CHECK(composer.sequence(id(1)).counters().tokens_fed == some_prompt.size() + 19);
  CHECK(composer.sequence(id(2)).counters().tokens_fed == 19);
  for (std::size_t i = 0; i < 3; ++i) check_whole(composer, i);
}

TEST_CASE("a move that the model refuses leaves the sequence where it is") {
  Unwilling model;
  Composer composer(model, NoProposer(), GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 20});
  composer.step(show_nothing);
  model.refusals = 1;
  CHECK_THROWS_AS(composer.move(id(0), id(1)), Refused);
  composer.step(show_nothing);
  composer.move(id(0), id(1));
  CHECK(model.held(id(0)).empty());
  composer.run();
  check_whole(composer, 1);
}

TEST_CASE("what a model holds under the id of a copy is forgotten first") {
  Unwilling model;
  Tokens const foreign{7, 7, 7};
  Segment const segment{.sequence = id(1), .tokens = foreign, .rows = 0};
  model.forward({&segment, 1});
  Composer composer(model, NoProposer(), GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 20});
  composer.step(show_nothing);
  composer.fork(id(0), id(1));
  composer.run();
  check_whole(composer, 1);
}

TEST_CASE("a shift that model or proposer refuse changes nothing of what is said") {
  for (bool const by_model : {true, false}) {
    Unwilling model;
    bool stubborn = false;
    Composer composer(model, Stubborn{{}, &stubborn}, GreedyVerifier());
    composer.begin(id(0), Tokens(8, 1), {.max_new_tokens = 3});
    composer.run();
    Tokens context = copyspec_test::copy(composer.sequence(id(0)).context());
    model.refusals = by_model ? 1 : 0;
    stubborn = !by_model;
    CHECK_THROWS_AS(composer.shift(id(0), 2, 3), Refused);
    stubborn = false;
    CHECK(text(composer.sequence(id(0)).context()) == text(context));
    composer.begin(id(0), some_prompt, {.max_new_tokens = 9});
    composer.run();
    context.insert(context.end(), some_prompt.begin(), some_prompt.end());
    CHECK(text(composer.sequence(id(0)).generated()) == text(decode_plainly(toy, context, 9).tokens));
  }
}

TEST_CASE("of a prompt, a model may hold the front already") {
  for (std::size_t held = 0; held <= some_prompt.size(); ++held) {
    for (std::size_t said = 0; said <= some_prompt.size(); ++said) {
      Unwilling model;
      Segment const segment{.sequence = id(0), .tokens = std::span(some_prompt).first(held), .rows = 0};
      if (held > 0) model.forward({&segment, 1});
      Composer composer(model, NoProposer(), GreedyVerifier());
      composer.begin(id(0), some_prompt, {.max_new_tokens = 20, .cached_prefix = said});
      composer.run();
      check_whole(composer, 0);
      std::size_t const known = std::min({held, said, some_prompt.size() - 1});
      CHECK(composer.sequence(id(0)).counters().tokens_fed == some_prompt.size() - known + 19);
    }
  }
}
