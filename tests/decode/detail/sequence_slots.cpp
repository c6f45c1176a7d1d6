// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/sequence_slots.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::SequenceId;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

struct Picky : NoProposer {
  static void require_vocabulary(std::size_t size) {
    if (size > 100) copyspec::raise_error(copyspec::ErrorCode::vocabulary_mismatch, "too many tokens");
  }
  static void reserve(std::size_t length) {
    if (length > 30) throw 1;
  }
};

using Slots = copyspec::detail::SequenceSlots<Picky, GreedyVerifier, LogitsView<float>>;
copyspec::EngineLimits const limits{.vocabulary_size = 100, .max_tokens = 10, .context_limit = 50};

}  // namespace

TEST_CASE("a proposer is asked once whether it can propose for the vocabulary") {
  CHECK_THROWS_AS(Slots({.vocabulary_size = 101}, Picky(), GreedyVerifier()), copyspec::Error);
  CHECK(Slots(limits, Picky(), GreedyVerifier()).all().empty());
}

TEST_CASE("slots are found by the ids of their sequences, wherever one looks first") {
  Slots slots(limits, Picky(), GreedyVerifier());
  for (int id : {7, 3, 5}) slots.begin(SequenceId{id}, Tokens{1}, {.max_new_tokens = 2});
  for (std::size_t near = 0; near < 5; ++near) {
    CHECK(slots.find(SequenceId{7}, near) == 0);
    CHECK(slots.find(SequenceId{5}, near) == 2);
    CHECK(slots.find(SequenceId{1}, near) == Slots::none);
  }
  CHECK(slots.at(SequenceId{3}).sequence.id() == SequenceId{3});
}

TEST_CASE("a turn that throws when it begins leaves no new sequence, and an old one as long as it was") {
  Slots slots(limits, Picky(), GreedyVerifier());
  CHECK_THROWS_AS(slots.begin(SequenceId{0}, Tokens(40, 1), {}), int);
  CHECK(slots.all().empty());
  slots.begin(SequenceId{0}, Tokens(4, 1), {.max_new_tokens = 0});
  CHECK_THROWS_AS(slots.begin(SequenceId{0}, Tokens(40, 1), {}), int);
  REQUIRE(slots.all().size() == 1);
  CHECK(slots.all()[0].sequence.length() == 4);
  CHECK_FALSE(slots.all()[0].sequence.running());
}

TEST_CASE("room for a draft is what the allowance, the turn and its options leave") {
  Slots slots(limits, Picky(), GreedyVerifier());
  slots.begin(SequenceId{0}, Tokens{1}, {.max_new_tokens = 6, .max_draft_length = 4});
  auto& slot = slots.all()[0];
  CHECK(slots.draft_space(slot, 10).size() == 4);
  CHECK(slots.draft_space(slot, 3).size() == 2);
  CHECK(slots.draft_space(slot, 1).empty());
}
