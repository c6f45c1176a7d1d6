// SPDX-License-Identifier: MIT
#include "examples/server/slots.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "support/random.hpp"
#include "support/tokens.hpp"

using copyspec::SequenceId;
using copyspec_server::Slots;
using copyspec_test::any_tokens;
using copyspec_test::id;
using copyspec_test::Random;
using copyspec_test::Tokens;

namespace {

// Fewer shared tokens are not worth it.
constexpr std::size_t least_shared = 8;

// All that is held, kept the slow way.
struct Model {
  struct Slot {
    bool busy = false;
    Tokens tokens = {};
    std::string tenant = {};
    std::size_t used = 0;
  };
  std::vector<Slot> slots;
  std::size_t uses = 0;

  [[nodiscard]] static std::size_t common(Tokens const& a, Tokens const& b) {
    std::size_t count = 0;
    while (count < a.size() && count < b.size() && a[count] == b[count]) ++count;
    return count;
  }
  // Of the first tokens of a prompt, how many another prompt of the tenant has left under one id.
  [[nodiscard]] std::size_t held(std::size_t slot, Tokens const& prompt, std::string const& tenant) const {
    if (slots[slot].tenant != tenant) return 0;
    return std::min(common(slots[slot].tokens, prompt), prompt.size() - 1);
  }
  [[nodiscard]] std::size_t longest(Tokens const& prompt, std::string const& tenant) const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) most = std::max(most, held(i, prompt, tenant));
    return most < least_shared ? 0 : most;
  }
  // The number of the slot that was not used for longest, of those for which `among` holds.
  template <class Among>
  [[nodiscard]] std::optional<std::size_t> oldest(Among const& among) const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (among(i) && (!found || slots[i].used < slots[*found].used)) found = i;
    return found;
  }
  [[nodiscard]] std::size_t free() const {
    return static_cast<std::size_t>(std::ranges::count(slots, false, &Slot::busy));
  }
  [[nodiscard]] std::size_t kept() const {
    std::size_t tokens = 0;
    for (Slot const& slot : slots) tokens += slot.busy ? 0 : slot.tokens.size();
    return tokens;
  }
};

std::size_t index(SequenceId slot) {
  return static_cast<std::size_t>(slot);
}

}  // namespace

TEST_CASE("any sequence of calls keeps to the laws of a model kept the slow way") {
  Random random(1);
  std::size_t shares = 0, forks = 0, moves = 0;
  for (int round = 0; round < 300; ++round) {
    std::size_t const count = random.between(1, 6);
    Slots slots(count);
    Model model{.slots = std::vector<Model::Slot>(count)};
    std::vector<Tokens> starts;
    for (int i = 0; i < 3; ++i) starts.push_back(any_tokens(random, 3, random.between(6, 40)));
    for (int step = 0; step < 60; ++step) {
      REQUIRE(slots.count() == count);
      REQUIRE(slots.free() == model.free());
      REQUIRE(slots.kept_tokens() == model.kept());
      if (model.free() > 0 && random.one_in(2)) {
        // A prompt that is new, that begins as others do, or that goes on from one of them.
        Tokens prompt = starts[random.below(starts.size())];
        Model::Slot const& any = model.slots[random.below(count)];
        if (random.one_in(2) && !any.tokens.empty()) prompt = any.tokens;
        prompt.resize(random.between(1, prompt.size()));
        for (auto const token : any_tokens(random, 3, random.below(20))) prompt.push_back(token);
        std::string const tenant = random.one_in(2) ? "a" : "b";

        Slots::Place const place = slots.choose(prompt, tenant);
        std::size_t const at = index(place.id);
        REQUIRE(at < count);
        REQUIRE_FALSE(model.slots[at].busy);
        // The longest beginning that this tenant left, and never all of the prompt.
        REQUIRE(place.shared == model.longest(prompt, tenant));
        REQUIRE(place.shared < prompt.size());
        auto const any_free = [&](std::size_t i) { return !model.slots[i].busy; };
        if (place.shared == 0) {
          REQUIRE_FALSE(place.from);
          REQUIRE(at == model.oldest(any_free));
        } else {
          ++shares;
          std::size_t const from = place.from ? index(*place.from) : at;
          REQUIRE(model.slots[from].tenant == tenant);
          REQUIRE(model.held(from, prompt, tenant) == place.shared);
          std::size_t const tokens = model.slots[from].tokens.size();
          if (model.slots[from].busy) {
            REQUIRE(place.from);
            REQUIRE(at == model.oldest(any_free));
          } else if (place.from) {
            // Left alone, since most of it is something else, and there is room.
            ++forks;
            REQUIRE(2 * place.shared < tokens);
            REQUIRE(at == model.oldest([&](std::size_t i) { return any_free(i) && i != from; }));
          } else {
            ++moves;
            REQUIRE((2 * place.shared >= tokens || model.free() == 1));
          }
        }
        slots.begin(place.id, prompt, tenant);
        model.slots[at] = {.busy = true, .tokens = prompt, .tenant = tenant, .used = ++model.uses};
      } else if (random.one_in(4)) {
        auto const holds = [&](std::size_t i) { return !model.slots[i].busy && !model.slots[i].tokens.empty(); };
        std::optional<std::size_t> const expected = model.oldest(holds);
        std::optional<SequenceId> const evicted = slots.evict();
        REQUIRE(evicted.has_value() == expected.has_value());
        if (!expected) continue;
        REQUIRE(index(*evicted) == *expected);
        model.slots[*expected].tokens.clear();
      } else {
        std::size_t const at = random.below(count);
        if (!model.slots[at].busy) continue;
        Tokens held = model.slots[at].tokens;
        if (random.one_in(4)) held.resize(random.below(held.size() + 1));
        for (auto const token : any_tokens(random, 3, random.below(10))) held.push_back(token);
        slots.end(id(at), held);
        model.slots[at].busy = false;
        model.slots[at].tokens = held;
        model.slots[at].used = ++model.uses;
      }
    }
  }
  // None of the cases is rare.
  CHECK(shares > 500);
  CHECK(forks > 50);
  CHECK(moves > 200);
}

TEST_CASE("a conversation that goes on stays where it is") {
  Random random(2);
  Slots slots(4);
  Tokens context = any_tokens(random, 1000, 30);
  for (int turn = 0; turn < 10; ++turn) {
    Slots::Place const place = slots.choose(context, "a");
    CHECK_FALSE(place.from);
    if (turn > 0) CHECK(place.id == id(0));
    CHECK(place.shared == (turn == 0 ? 0 : context.size() - 20));
    slots.begin(place.id, context, "a");
    for (auto const token : any_tokens(random, 1000, 10)) context.push_back(token);
    slots.end(place.id, context);
    // Meanwhile, others come and go elsewhere.
    Tokens const other = any_tokens(random, 1000, 30);
    SequenceId const elsewhere = slots.choose(other, "b").id;
    CHECK(elsewhere != place.id);
    slots.begin(elsewhere, other, "b");
    slots.end(elsewhere, other);
    for (auto const token : any_tokens(random, 1000, 20)) context.push_back(token);
  }
}

TEST_CASE("no tenant gets anything of another, even with the same prompt") {
  Random random(3);
  for (std::size_t count = 1; count < 5; ++count) {
    Slots slots(count);
    Tokens const prompt = any_tokens(random, 10, 100);
    for (std::string const tenant : {"a", "b", "", "ab"}) {
      Slots::Place const place = slots.choose(prompt, tenant);
      CHECK(place.shared == 0);
      CHECK_FALSE(place.from);
      slots.begin(place.id, prompt, tenant);
      if (slots.free() > 0) CHECK(slots.choose(prompt, tenant).shared == 99);
      slots.end(place.id, prompt);
      CHECK(slots.choose(prompt, tenant).shared == 99);
    }
  }
}

TEST_CASE("what was evicted is shared no more") {
  Random random(4);
  Slots slots(2);
  Tokens const prompt = any_tokens(random, 10, 50);
  slots.begin(id(1), prompt, "a");
  CHECK_FALSE(slots.evict());
  slots.end(id(1), prompt);
  CHECK(slots.evict() == id(1));
  CHECK_FALSE(slots.evict());
  CHECK(slots.choose(prompt, "a").shared == 0);
  CHECK(slots.kept_tokens() == 0);
}
