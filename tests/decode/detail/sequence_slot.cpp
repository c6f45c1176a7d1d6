// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/sequence_slot.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/tokens.hpp"

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::Sequence;
using copyspec::SequenceStatus;
using copyspec::detail::ChainDrafts;
using copyspec::detail::SequenceSlot;
using copyspec::detail::TreeDrafts;
using copyspec_test::id;
using copyspec_test::Tokens;

namespace {

// Writes down what it is told.
struct Noting : NoProposer {
  std::vector<std::size_t>* reserved = nullptr;
  std::vector<std::size_t>* cut = nullptr;
  void reserve(std::size_t length) const { reserved->push_back(length); }
  void truncate(std::size_t length) const {
    cut->push_back(length);
    if (length == 13) throw std::length_error("thirteen");
  }
};

struct Trees : NoProposer {
  static Draft propose_tree(std::span<copyspec::Token const>, copyspec::TreeSpace) { return {}; }
};

using Rows = LogitsView<float>;
using Slot = SequenceSlot<Noting, GreedyVerifier, Rows>;

static_assert(std::is_same_v<Slot::Drafts, ChainDrafts<Noting, GreedyVerifier, Rows>>);
static_assert(
    std::is_same_v<SequenceSlot<Trees, GreedyVerifier, Rows>::Drafts, TreeDrafts<Trees, GreedyVerifier, Rows>>);

struct Setting {
  std::vector<std::size_t> reserved, cut;
  Slot slot{.sequence = Sequence(id(3), 5000), .proposer = Noting{{}, &reserved, &cut}, .verifier = GreedyVerifier()};

  explicit Setting(copyspec::GenerateOptions options, std::size_t prompt = 20) {
    slot.sequence.begin(Tokens(prompt, 1), options.max_new_tokens);
    slot.turn.begin(std::move(options));
  }
};

}  // namespace

TEST_CASE("a slot is active while its turn runs and is not paused") {
  Setting setting({});
  CHECK(setting.slot.active());
  setting.slot.paused = true;
  CHECK_FALSE(setting.slot.active());
  CHECK_FALSE(Setting({.max_new_tokens = 0}).slot.active());
}

TEST_CASE("what an action throws ends the turn of its slot, which keeps it") {
  Setting setting({});
  CHECK(setting.slot.isolate([] {}));
  CHECK(setting.slot.sequence.running());
  CHECK(setting.slot.turn.error() == nullptr);
  CHECK_FALSE(setting.slot.isolate([] { throw std::domain_error("no"); }));
  CHECK(setting.slot.sequence.status() == SequenceStatus::failed);
  CHECK_FALSE(setting.slot.active());
  CHECK_THROWS_AS(std::rethrow_exception(setting.slot.turn.error()), std::domain_error);
}

TEST_CASE("room for a draft is what the allowance, the turn and its options leave") {
  Setting setting({.max_new_tokens = 6, .max_draft_length = 4}, 1);
  CHECK(setting.slot.draft_space(10).size() == 4);
  CHECK(setting.slot.draft_space(3).size() == 2);
  CHECK(setting.slot.draft_space(1).empty());
  Setting none({.max_new_tokens = 6, .max_draft_length = 0}, 1);
  CHECK(none.slot.draft_space(10).empty());
}

TEST_CASE("the proposer is told of room when it has grown, and no other time") {
  Setting setting({.max_draft_length = 3});
  // Room for 1,024 more was made at the beginning.
  setting.slot.make_room(100);
  CHECK(setting.reserved.empty());
  auto& sequence = setting.slot.sequence;
  while (sequence.room() - sequence.length() > 3) {
    static_cast<void>(sequence.next_segment(0, 100));
    sequence.accept({.accepted = 0, .next = 1}, [](auto) { return copyspec::StopDecision(); });
  }
  std::size_t const room = sequence.room();
  setting.slot.make_room(2);
  CHECK(setting.reserved.empty());
  // No more than the longest draft and the token after it.
  setting.slot.make_room(3);
  REQUIRE(setting.reserved.size() == 1);
  CHECK(setting.reserved[0] == sequence.room());
  CHECK(sequence.room() > room);
  setting.slot.make_room(100);
  CHECK(setting.reserved.size() == 1);
}

TEST_CASE("a slot that is truncated ends its turn, and changes nothing if the proposer throws") {
  Setting setting({});
  CHECK_THROWS_AS(setting.slot.truncate(13), std::length_error);
  CHECK(setting.slot.sequence.length() == 20);
  CHECK(setting.slot.sequence.running());
  setting.slot.truncate(7);
  CHECK(setting.cut == std::vector<std::size_t>{13, 7});
  CHECK(setting.slot.sequence.length() == 7);
  CHECK(setting.slot.sequence.status() == SequenceStatus::idle);
}
