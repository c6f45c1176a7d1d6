// SPDX-License-Identifier: MIT
#include <copyspec/cost/acceptance_tracker.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <random>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::AcceptanceTracker;
using copyspec::max_draft_tokens;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

// Of a draft of ones, where the rival drafted `rival`.
std::vector<float> probabilities(AcceptanceTracker const& record, std::size_t length = max_draft_tokens,
                                 Tokens const& rival = {}) {
  std::vector<float> probabilities(length);
  record.probabilities(Tokens(length, 1), rival, probabilities);
  return probabilities;
}

// A draft of which the first `right` tokens are, and what was said instead.
void observe(AcceptanceTracker& record, std::size_t right, std::size_t length, std::size_t said,
             Tokens const& rival = {}) {
  Tokens const draft(length, 1);
  Tokens truth(said, 1);
  if (right < said) truth[right] = 2;
  record.observe(draft, rival, truth);
}

}  // namespace

TEST_CASE("a proposer that was not heard of is not believed, at any place") {
  std::vector<float> const first = probabilities(AcceptanceTracker());
  CHECK(first.front() < 0.05F);
  CHECK(std::ranges::is_sorted(first, std::greater<>()));
}

TEST_CASE("a proposer that is right is soon believed, as far as it was seen, and nearly so beyond") {
  AcceptanceTracker record;
  for (int i = 0; i < 100; ++i) observe(record, 1, 10, 1);
  CHECK(probabilities(record)[0] > 0.99F);
  CHECK(probabilities(record)[1] == doctest::Approx(0.95).epsilon(0.02));
  CHECK(probabilities(record)[9] < 0.7F);
  for (int i = 0; i < 100; ++i) observe(record, 10, 10, 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(probabilities(record)[i] > 0.99F);
}

TEST_CASE("the probabilities are the shares of places reached that were right") {
  std::mt19937 random(1);
  AcceptanceTracker record;
  // Right with a chance of 0.8 at each place up to the fourth, never there.
  std::bernoulli_distribution right(0.8);
  std::array<double, 5> sum{};
  int rounds = 0;
  for (int i = 0; i < 4000; ++i) {
    std::size_t agreed = 0;
    while (agreed < 4 && right(random)) ++agreed;
    observe(record, agreed, 8, 8);
    if (i < 200) continue;
    ++rounds;
    for (std::size_t place = 0; place < sum.size(); ++place)
      sum[place] += static_cast<double>(probabilities(record)[place]);
  }
  for (std::size_t place = 0; place < 4; ++place) CHECK(sum[place] / rounds == doctest::Approx(0.8).epsilon(0.05));
  CHECK(sum[4] / rounds < 0.02);
}

TEST_CASE("what comes behind the first wrong token says nothing, nor what is not known yet") {
  AcceptanceTracker record;
  observe(record, 3, 10, 10);
  AcceptanceTracker const before = record;
  record.observe(Tokens{5, 1, 1, 1}, {}, Tokens{1, 1, 1, 1});
  for (std::size_t i = 1; i < 4; ++i) CHECK(probabilities(record)[i] == probabilities(before)[i]);
  CHECK(probabilities(record)[0] < probabilities(before)[0]);
  AcceptanceTracker same = record;
  same.observe({}, {}, Tokens{1, 2});
  same.observe(Tokens{1, 2}, {}, {});
  CHECK(probabilities(same) == probabilities(record));
}

TEST_CASE("a proposer that turns bad is disbelieved within some forty drafts, and believed again as soon") {
  AcceptanceTracker record;
  for (int i = 0; i < 10000; ++i) observe(record, 64, 64, 64);
  int bad = 0;
  for (; probabilities(record)[0] > 0.3F; ++bad) observe(record, 0, 64, 64);
  CHECK(bad < 45);
  int good = 0;
  for (; probabilities(record)[0] < 0.7F; ++good) observe(record, 64, 64, 64);
  CHECK(good < 45);
}

TEST_CASE("what is right where a rival says the same is not believed where it says otherwise, or nothing") {
  AcceptanceTracker record;
  Tokens const same(3, 1);
  Tokens const other{1, 1, 9};
  for (int i = 0; i < 200; ++i) {
    // Right as far as the rival drafts the same, and not beyond; wrong where they part.
    observe(record, 3, 6, 6, same);
    observe(record, 2, 6, 6, other);
  }
  std::vector<float> const with_same = probabilities(record, 6, same);
  for (std::size_t i = 0; i < 3; ++i) CHECK(with_same[i] > 0.99F);
  CHECK(with_same[3] < 0.01F);
  std::vector<float> const with_other = probabilities(record, 6, other);
  CHECK(with_other[1] > 0.99F);
  CHECK(with_other[2] < 0.01F);
  CHECK(probabilities(record, 6)[0] < 0.01F);
  // Wherever they part, and however far the rival went.
  CHECK(probabilities(record, 6, {9})[0] < 0.01F);
  CHECK(probabilities(record, 6, {1})[1] < 0.01F);
  for (int i = 0; i < 200; ++i) observe(record, 6, 6, 6, {1, 9, 9});
  CHECK(probabilities(record, 6, {9})[0] > 0.99F);
  CHECK(probabilities(record, 6, {9})[4] > 0.9F);
  // What comes behind where they part is as what comes where there is no rival: the fourth token was right here.
  CHECK(probabilities(record, 6, {9})[1] == probabilities(record, 6)[0]);
}

TEST_CASE("probabilities lie within [0, 1], and drafts may be of any length") {
  std::mt19937 random(2);
  AcceptanceTracker record;
  for (int i = 0; i < 3000; ++i) {
    Tokens draft(random() % 700);
    Tokens said(random() % 700);
    Tokens rival(random() % 700, 1);
    if (!rival.empty()) rival[random() % rival.size()] = -1;
    for (Token& token : draft) token = random() % (i % 2 == 0 ? 8 : 300) == 0 ? -1 : 1;
    for (Token& token : said) token = 1;
    std::size_t const before = allocations();
    record.observe(draft, rival, said);
    REQUIRE(allocations() == before);
    for (float const chance : probabilities(record, random() % (max_draft_tokens + 1), rival)) {
      REQUIRE(chance >= 0);
      REQUIRE(chance <= 1);
    }
  }
}

namespace {

// Positions of drafts that count as one: a quarter of a doubling beyond 64.
std::size_t first_of_class(std::size_t position) {
  std::size_t const width = position < 64 ? 1 : position < 128 ? 16 : position < 256 ? 32 : 64;
  return position / width * width;
}

}  // namespace

TEST_CASE("a proposer that is right is believed at all positions of the longest draft") {
  AcceptanceTracker record;
  for (int i = 0; i < 100; ++i) observe(record, max_draft_tokens, max_draft_tokens, max_draft_tokens);
  for (float const probability : probabilities(record)) CHECK(probability > 0.99F);
  // Also where it goes on after the rival has ended, and after the rival was wrong.
  AcceptanceTracker beside;
  for (int i = 0; i < 100; ++i) {
    observe(beside, max_draft_tokens, max_draft_tokens, max_draft_tokens, Tokens(300, 1));
    observe(beside, max_draft_tokens, max_draft_tokens, max_draft_tokens, {2});
  }
  for (float const probability : probabilities(beside, max_draft_tokens, Tokens(300, 1))) CHECK(probability > 0.99F);
  for (float const probability : probabilities(beside, max_draft_tokens, {2})) CHECK(probability > 0.99F);
  // Beside a rival that drafts all of it, only the first 300 were seen.
  std::vector<float> const whole = probabilities(beside, max_draft_tokens, Tokens(max_draft_tokens, 1));
  CHECK(whole[first_of_class(300) - 1] > 0.99F);
  CHECK(whole[max_draft_tokens - 1] < 0.8F);
}

TEST_CASE("it is learnt where drafts go wrong, beyond 64 tokens up to a quarter, with a rival that agrees or none") {
  for (Tokens const& rival : {Tokens{}, Tokens(max_draft_tokens, 1)}) {
    CAPTURE(rival.size());
    for (std::size_t const wrong : {0U, 1U, 2U, 10U, 63U, 64U, 65U, 127U, 128U, 200U, 255U, 256U, 300U, 500U, 511U}) {
      CAPTURE(wrong);
      AcceptanceTracker record;
      for (int i = 0; i < 200; ++i) observe(record, wrong, max_draft_tokens, max_draft_tokens, rival);
      std::vector<float> const learnt = probabilities(record, max_draft_tokens, rival);
      // Of positions that count as one, those before it were right and it was wrong.
      std::size_t const first = first_of_class(wrong);
      for (std::size_t i = 0; i < first; ++i) REQUIRE(learnt[i] > 0.99F);
      float const expected = static_cast<float>(wrong - first) / static_cast<float>(wrong - first + 1);
      CHECK(learnt[wrong] == doctest::Approx(expected).epsilon(0.1));
      for (std::size_t i = first; i <= wrong; ++i) CHECK(learnt[i] == learnt[wrong]);
      // What comes after it was never seen.
      for (std::size_t i = wrong + 1; i < max_draft_tokens; ++i) REQUIRE(learnt[i] <= learnt[wrong]);
    }
  }
}

TEST_CASE("tokens beyond the longest draft do not count") {
  AcceptanceTracker longer;
  AcceptanceTracker record;
  for (int i = 0; i < 20; ++i) {
    observe(longer, max_draft_tokens + 100, 1000, 1000);
    observe(record, max_draft_tokens, max_draft_tokens, 1000);
    observe(longer, 900, 900, 900, Tokens(700, 1));
    observe(record, max_draft_tokens, max_draft_tokens, 900, Tokens(700, 1));
    observe(longer, 900, 900, 900, {2});
    observe(record, max_draft_tokens, max_draft_tokens, 900, {2});
  }
  for (Tokens const& rival : {Tokens{}, Tokens(700, 1), Tokens{2}})
    CHECK(probabilities(longer, max_draft_tokens, rival) == probabilities(record, max_draft_tokens, rival));
}
