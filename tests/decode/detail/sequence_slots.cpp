// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/sequence_slots.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/draft/draft_scope.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "support/tokens.hpp"

using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec_test::copy;
using copyspec_test::id;
using copyspec_test::Tokens;

namespace {

struct Scope : copyspec::DraftScopeOf<Scope> {};

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

Slots with(std::vector<std::size_t> const& ids) {
  Slots slots(limits, Picky(), GreedyVerifier());
  for (std::size_t const number : ids) slots.begin(id(number), Tokens{1}, {.max_new_tokens = 2});
  return slots;
}

std::vector<SequenceId> ids_of(Slots const& slots) {
  std::vector<SequenceId> ids;
  slots.for_each([&](Slots::Slot const& slot) { ids.push_back(slot.sequence.id()); });
  return ids;
}

// The model reads the rest of a prompt of so many tokens.
void feed(Slots& slots, SequenceId key, std::size_t tokens) {
  auto& sequence = slots.at(key).sequence;
  static_cast<void>(sequence.next_segment(0, tokens));
  sequence.commit_prefill();
}

}  // namespace

TEST_CASE("a proposer is asked once whether it can propose for the vocabulary") {
  CHECK_THROWS_AS(Slots({.vocabulary_size = 101}, Picky(), GreedyVerifier()), copyspec::Error);
  CHECK(Slots(limits, Picky(), GreedyVerifier()).size() == 0);
}

TEST_CASE("slots are found by the ids of their sequences, in the order in which they were first begun") {
  Slots slots = with({7, 3, 5});
  CHECK(slots.size() == 3);
  CHECK(slots.places() == 3);
  CHECK(slots.find(id(7)) == 0);
  CHECK(slots.find(id(5)) == 2);
  CHECK(slots.find(id(1)) == Slots::none);
  CHECK(slots.at(id(3)).sequence.id() == id(3));
  CHECK(ids_of(slots) == std::vector{id(7), id(3), id(5)});
}

TEST_CASE("a slot that was removed is found no more, and the others keep their places until they close up") {
  Slots slots = with({7, 3, 5, 4});
  Slots::Slot const* const last = &slots.at(id(4));
  slots.remove(slots.find(id(3)));
  CHECK(slots.size() == 3);
  CHECK(slots.find(id(3)) == Slots::none);
  CHECK(slots.find_at(1) == nullptr);
  CHECK(slots.find(id(4)) == 3);
  CHECK(ids_of(slots) == std::vector{id(7), id(5), id(4)});
  slots.begin(id(3), Tokens{1, 1}, {.max_new_tokens = 2});
  slots.compact();
  CHECK(slots.places() == 4);
  CHECK(ids_of(slots) == std::vector{id(7), id(5), id(4), id(3)});
  for (std::size_t place = 0; place < 4; ++place) CHECK(slots.find(ids_of(slots)[place]) == place);
  CHECK(&slots.at(id(4)) == last);
}

TEST_CASE("while slots are pinned none is destroyed, and more may come") {
  auto const alive = std::make_shared<int>();
  struct Counted : NoProposer {
    std::shared_ptr<int> alive;
  };
  copyspec::detail::SequenceSlots<Counted, GreedyVerifier, LogitsView<float>> slots(limits, Counted{{}, alive},
                                                                                    GreedyVerifier());
  auto const copies = [&] { return alive.use_count() - 1; };
  for (std::size_t i = 0; i < 3; ++i) slots.begin(id(i), Tokens{1}, {});
  CHECK(copies() == 4);
  slots.remove(0);
  CHECK(copies() == 3);
  slots.pin(true);
  CHECK(slots.pinned());
  auto const* const removed = &slots[1];
  slots.remove(1);
  CHECK(copies() == 3);
  CHECK(removed->sequence.id() == id(1));
  for (std::size_t i = 3; i < 40; ++i) slots.begin(id(i), Tokens{1}, {});
  CHECK(removed->sequence.id() == id(1));
  CHECK(slots.find_at(1) == nullptr);
  slots.pin(false);
  slots.compact();
  CHECK(copies() == 39);
  CHECK(slots.places() == 38);
}

TEST_CASE("what is asked of a sequence is refused unless it can be served") {
  Slots slots = with({0});
  slots.at(id(0)).truncate(1);
  auto const code = [&](SequenceId key, Tokens const& prompt, GenerateOptions const& options) {
    try {
      slots.require_servable(key, prompt, options);
    } catch (copyspec::Error const& error) {
      return std::optional(error.code());
    }
    return std::optional<copyspec::ErrorCode>();
  };
  auto const bad = std::optional(copyspec::ErrorCode::bad_options);
  CHECK_FALSE(code(id(0), Tokens{1}, {}));
  CHECK_FALSE(code(id(1), Tokens{1, 2}, {.cached_prefix = 2}));
  CHECK(code(id(1), Tokens{1, 2}, {.cached_prefix = 3}) == bad);
  CHECK(code(id(0), Tokens{1, 2}, {.cached_prefix = 1}) == bad);
  CHECK(code(id(0), Tokens{1}, {.scope = std::make_shared<Scope>()}) == bad);
  CHECK(code(id(0), Tokens{1}, {.min_new_tokens = 1, .stop = {.tokens = {1}}}) == bad);
  CHECK_FALSE(code(id(0), Tokens{1}, {.min_new_tokens = 1, .stop = {.sequences = {{1}}}}));
  CHECK(code(id(0), Tokens{1}, {.sampling = copyspec::SamplingOptions{}}) == bad);
  CHECK(code(id(0), Tokens(49, 1), {}) == copyspec::ErrorCode::prompt_too_long);
}

TEST_CASE("a turn that throws when it begins leaves no new sequence, and an old one as it was") {
  Slots slots(limits, Picky(), GreedyVerifier());
  CHECK_THROWS_AS(slots.begin(id(0), Tokens(40, 1), {}), int);
  CHECK(slots.size() == 0);
  slots.begin(id(0), Tokens(4, 1), {.max_new_tokens = 0});
  CHECK_THROWS_AS(slots.begin(id(0), Tokens(40, 1), {}), int);
  REQUIRE(slots.size() == 1);
  CHECK(slots[0].sequence.length() == 4);
  CHECK(slots[0].sequence.status() == copyspec::SequenceStatus::length);
  CHECK(slots[0].turn.options().max_new_tokens == 0);
}

TEST_CASE("a turn begins after what the engine is said to hold, but for its newest token") {
  Slots slots(limits, Picky(), GreedyVerifier());
  slots.begin(id(0), Tokens(4, 1), {.max_new_tokens = 2, .cached_prefix = 3});
  CHECK(slots[0].sequence.cached() == 3);
  CHECK_FALSE(slots[0].sequence.needs_truncate());
  slots.begin(id(1), Tokens(4, 1), {.max_new_tokens = 2, .cached_prefix = 4});
  CHECK(slots[1].sequence.cached() == 3);
  CHECK(slots[1].sequence.needs_truncate());
}

TEST_CASE("a copy has the turn of its source, and nothing in the engine") {
  Slots slots(limits, Picky(), GreedyVerifier());
  slots.begin(id(0), Tokens(6, 1), {.max_new_tokens = 9, .max_draft_length = 4});
  feed(slots, id(0), 3);
  slots.at(id(0)).paused = true;
  slots.fork(id(0), id(5), std::nullopt);
  Slots::Slot& copied = slots.at(id(5));
  CHECK(copied.sequence.id() == id(5));
  CHECK(copied.sequence.cached() == 0);
  CHECK(copied.sequence.budget_left() == 9);
  CHECK(copied.turn.options().max_draft_length == 4);
  CHECK(copied.paused);
  CHECK(copied.source.from == id(0));
  CHECK(copied.source.length == 6);
}

TEST_CASE("a copy waits while its source reads what they share, and then takes over all but the newest token") {
  Slots slots(limits, Picky(), GreedyVerifier());
  slots.begin(id(0), Tokens(6, 1), {.max_new_tokens = 9});
  slots.fork(id(0), id(1), std::nullopt);
  CHECK(slots.awaits_source(slots.at(id(1))));
  CHECK_FALSE(slots.awaits_source(slots.at(id(0))));
  feed(slots, id(0), 4);
  CHECK(slots.awaits_source(slots.at(id(1))));

  SUBCASE("all of it") {
    feed(slots, id(0), 1);
    CHECK_FALSE(slots.awaits_source(slots.at(id(1))));
    CHECK(slots.copyable(slots.at(id(1))) == 5);
  }
  SUBCASE("what there is if the source pauses") {
    slots.at(id(0)).paused = true;
    CHECK_FALSE(slots.awaits_source(slots.at(id(1))));
    CHECK(slots.copyable(slots.at(id(1))) == 4);
  }
  SUBCASE("what both still share") {
    slots.limit_sources(slots.at(id(0)), 2);
    CHECK_FALSE(slots.awaits_source(slots.at(id(1))));
    CHECK(slots.copyable(slots.at(id(1))) == 2);
  }
  SUBCASE("not what the copy has no longer") {
    slots.at(id(1)).truncate(3);
    slots.limit_sources(slots.at(id(1)), 3);
    slots.begin(id(1), Tokens{2, 2, 2}, {.max_new_tokens = 9});
    CHECK(slots.copyable(slots.at(id(1))) == 3);
  }
  SUBCASE("nothing of a source that is gone, also if its id comes again") {
    slots.remove(slots.find(id(0)));
    CHECK_FALSE(slots.awaits_source(slots.at(id(1))));
    slots.begin(id(0), Tokens(6, 2), {.max_new_tokens = 9});
    CHECK_FALSE(slots.awaits_source(slots.at(id(1))));
    feed(slots, id(0), 5);
    CHECK(slots.copyable(slots.at(id(1))) == 0);
    CHECK(slots.at(id(1)).source.length == 0);
  }
  SUBCASE("from where the source moves to") {
    slots.rename(id(0), id(9));
    CHECK(slots.find(id(0)) == Slots::none);
    CHECK(slots.at(id(9)).sequence.id() == id(9));
    slots.begin(id(0), Tokens(6, 2), {.max_new_tokens = 9});
    CHECK(slots.awaits_source(slots.at(id(1))));
    feed(slots, id(9), 1);
    CHECK(slots.at(id(1)).source.from == id(9));
    CHECK(slots.copyable(slots.at(id(1))) == 5);
  }
}

TEST_CASE("where a tree may lie in the engine nothing is copied until one path is kept") {
  copyspec::EngineLimits trees = limits;
  trees.max_branches = 4;
  Slots slots(trees, Picky(), GreedyVerifier());
  slots.begin(id(0), Tokens(6, 1), {.max_new_tokens = 9});
  feed(slots, id(0), 5);
  slots.fork(id(0), id(1), std::nullopt);
  static_cast<void>(slots.at(id(0)).sequence.next_segment(0, 1));
  slots.at(id(0)).sequence.cancel();
  CHECK(slots.copyable(slots.at(id(1))) == 0);
}

TEST_CASE("a fork that throws leaves nothing of it") {
  struct Refusing : SamplingVerifier {
    void on_fork(std::optional<std::uint64_t> seed) {
      if (seed == 13U) throw 1;
      SamplingVerifier::on_fork(seed);
    }
  };
  copyspec::detail::SequenceSlots<NoProposer, Refusing, LogitsView<float>> slots(limits, NoProposer(), Refusing());
  slots.begin(id(0), Tokens(6, 1), {});
  CHECK_THROWS_AS(slots.fork(id(0), id(1), 13), int);
  CHECK(slots.size() == 1);
  slots.fork(id(0), id(1), 14);
  CHECK(slots.at(id(1)).verifier.options().seed == 14U);
}

TEST_CASE("ten thousand slots are removed in one sweep") {
  Slots slots(limits, Picky(), GreedyVerifier());
  for (std::size_t i = 0; i < 10'000; ++i) slots.begin(id(i), Tokens{1}, {.max_new_tokens = 1});
  for (std::size_t i = 0; i < 10'000; i += 2) {
    slots.remove(slots.find(id(i)));
    // The gaps stay: nothing moves while one after the other goes.
    if (i % 1000 == 0) CHECK(slots.find(id(i + 1)) == i + 1);
  }
  CHECK(slots.places() == 10'000);
  slots.compact();
  CHECK(slots.places() == 5'000);
  CHECK(slots.find(id(9'999)) == 4'999);
}
