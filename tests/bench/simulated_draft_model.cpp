// SPDX-License-Identifier: MIT
#include "bench/simulated_draft_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <vector>

#include "bench/policy.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/model_laws.hpp"
#include "copyspec/verify/greedy_verifier.hpp"

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using namespace copyspec::bench;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t vocabulary = 50;

// A prompt, and an answer that takes up the rest.
Conversation conversation(std::size_t prompt, std::size_t length, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  Conversation made{
      .id = "a", .category = "c", .tokens = Tokens(length), .turns = {{.prompt = 0, .answer = prompt, .end = length}}};
  for (Token& token : made.tokens) token = 1 + static_cast<Token>(random() % (vocabulary - 1));
  return made;
}

// Feeds `tokens` and returns the greedy token after each.
Tokens feed(SimulatedDraftModel& model, std::span<Token const> tokens, SequenceId sequence = SequenceId{0}) {
  Segment const segment{.sequence = sequence, .tokens = tokens, .rows = tokens.size()};
  auto const rows = model.forward({&segment, 1});
  Tokens next;
  for (std::size_t i = 0; i < rows.rows(); ++i) next.push_back(copyspec::greedy_token(rows.row(i)).value());
  return next;
}

SimulatedDraftModel following(Conversation const& followed, double right, std::uint64_t seed = 1,
                              std::size_t number = 0) {
  SimulatedDraftModel model(vocabulary, {.right = right, .seed = seed});
  model.follow(followed, number);
  return model;
}

std::filesystem::path own_trace() {
  return std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl";
}

Tally replayed(Trace const& trace, Policy policy, SimulatedDraftModel* draft_model) {
  return with_proposer(policy, {.draft_model = draft_model}, 0.02, [&](auto const& proposer) {
    Tally sum;
    for (TurnTally const& turn : replay(trace, proposer, {.draft_model = draft_model})) sum += turn.tally;
    return sum;
  });
}

}  // namespace

TEST_CASE("the laws of a model hold") {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    // Few tokens, so that some of what is fed at random agrees with the recording.
    Conversation followed = conversation(4, 64, seed);
    for (Token& token : followed.tokens) token = 1 + token % 2;
    SimulatedDraftModel model(3, {.right = 0.6, .seed = seed});
    model.follow(followed, seed);
    auto const report = copyspec::testing::check_model_laws(model, {.seed = seed});
    CHECK_MESSAGE(report.ok(), (report.ok() ? "" : report.violations.front()));
    CHECK(report.largest_difference == 0);
  }
}

TEST_CASE("it is right as often as it is told, and otherwise says any other token") {
  constexpr std::size_t length = 40'000;
  Conversation const followed = conversation(10, length);
  std::span<Token const> const recorded = followed.tokens;
  for (double const right : {0.0, 0.3, 0.72, 1.0}) {
    CAPTURE(right);
    SimulatedDraftModel model = following(followed, right);
    std::size_t hits = 0;
    std::vector<std::size_t> wrong(vocabulary, 0);
    for (std::size_t at = 0; at + 1 < length; ++at) {
      Token const next = feed(model, recorded.subspan(at, 1)).front();
      if (next == recorded[at + 1])
        ++hits;
      else
        ++wrong[static_cast<std::size_t>(next)];
    }
    double const deviation = std::sqrt(right * (1 - right) * length);
    CHECK(std::abs(static_cast<double>(hits) - right * length) <= 4 * deviation + 1);
    CHECK(wrong[0] == 0);
    double const each = (1 - right) * length / (vocabulary - 1);
    for (std::size_t token = 1; token < vocabulary; ++token)
      CHECK(std::abs(static_cast<double>(wrong[token]) - each) <= 5 * std::sqrt(each) + 1);
  }
}

TEST_CASE("seed, conversation and position decide, and nothing that was asked before") {
  Conversation const followed = conversation(10, 400);
  std::span<Token const> const recorded = followed.tokens;
  SimulatedDraftModel model = following(followed, 0.5);
  Tokens const all = feed(model, recorded);
  CHECK(model.truncate(SequenceId{0}, 200) == 200);
  CHECK(std::ranges::equal(feed(model, recorded.subspan(200)), std::span(all).subspan(200)));
  for (std::size_t at = 0; at < 300; at += 3)
    CHECK(std::ranges::equal(feed(model, recorded.subspan(at, 3), SequenceId{7}), std::span(all).subspan(at, 3)));
  model.follow(followed, 0);
  CHECK(feed(model, recorded) == all);
  auto const differing = [&](SimulatedDraftModel other) {
    Tokens const others = feed(other, recorded);
    std::size_t count = 0;
    for (std::size_t i = 0; i < all.size(); ++i) count += all[i] == others[i] ? 0U : 1U;
    return count;
  };
  CHECK(differing(following(followed, 0.5)) == 0);
  CHECK(differing(following(followed, 0.5, 2)) > 250);
  CHECK(differing(following(followed, 0.5, std::uint64_t{1} << 32U)) > 250);
  CHECK(differing(following(followed, 0.5, 1, 1)) > 250);
  // Whoever is right more often is right wherever the other is.
  Tokens const better = [&] {
    SimulatedDraftModel other = following(followed, 0.8);
    return feed(other, recorded);
  }();
  for (std::size_t at = 0; at + 1 < recorded.size(); ++at)
    if (all[at] == recorded[at + 1]) CHECK(better[at] == recorded[at + 1]);
}

TEST_CASE("behind anything but the recording it says anything, until that is taken back") {
  Conversation const followed = conversation(10, 400);
  std::span<Token const> const recorded = followed.tokens;
  SimulatedDraftModel model = following(followed, 1.0);
  (void)feed(model, recorded.first(20));
  Tokens const wrong(1, recorded[20] == 1 ? 2 : 1);
  (void)feed(model, wrong);
  Tokens const lost = feed(model, recorded.subspan(21, 200));
  CHECK(std::ranges::count(lost, 0) == 0);
  std::size_t right = 0;
  for (std::size_t i = 0; i < lost.size(); ++i) right += lost[i] == recorded[22 + i] ? 1U : 0U;
  CHECK(right < 20);
  CHECK(model.truncate(SequenceId{0}, 20) == 20);
  CHECK(std::ranges::equal(feed(model, recorded.subspan(20, 100)), recorded.subspan(21, 100)));
}

TEST_CASE("a row gives its token the probability that was told, right or wrong") {
  Conversation const followed = conversation(10, 200);
  for (double const right : {0.3, 0.72}) {
    SimulatedDraftModel model = following(followed, right);
    Segment const segment{.sequence = SequenceId{0}, .tokens = followed.tokens, .rows = 200};
    auto const rows = model.forward({&segment, 1});
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      double sum = 0;
      for (float const logit : rows.row(i)) sum += std::exp(static_cast<double>(logit));
      CHECK(std::exp(static_cast<double>(*std::ranges::max_element(rows.row(i)))) / sum ==
            doctest::Approx(right).epsilon(1e-5));
    }
  }
}

TEST_CASE("passes are counted, and of the tokens those that came to be said without it") {
  Conversation followed = conversation(10, 40);
  followed.turns = {{.prompt = 0, .answer = 10, .end = 20}, {.prompt = 20, .answer = 30, .end = 40}};
  std::span<Token const> const recorded = followed.tokens;
  SimulatedDraftModel model = following(followed, 0.5);
  auto const counts = [&](std::size_t passes, std::size_t caught_up) {
    CHECK(model.counters().passes == passes);
    CHECK(model.counters().caught_up == caught_up);
  };
  (void)feed(model, recorded.first(10));  // a prompt
  counts(1, 0);
  (void)feed(model, recorded.subspan(10, 1));
  counts(2, 0);
  (void)feed(model, recorded.subspan(11, 4));
  counts(3, 3);
  CHECK(model.truncate(SequenceId{0}, 12) == 12);
  (void)feed(model, recorded.subspan(12, 1));
  counts(4, 3);
  // The end of an answer and the next prompt, with the beginning of the next answer.
  (void)feed(model, recorded.subspan(13, 20));
  counts(5, 3 + 7 + 3);
  CHECK(model.counters().prompts == 20);
  model.follow(followed, 1);
  counts(5, 13);
}

TEST_CASE("with a draft model recorded answers come out, and one that is always right or wrong costs what it must") {
  Trace const trace = read_trace(own_trace());
  std::size_t const size = trace.numbering.size();
  std::size_t passes_of_six = 0;
  for (Conversation const& each : trace.conversations)
    for (Turn const& turn : each.turns) passes_of_six += (turn.end - turn.answer + 5) / 6;

  SimulatedDraftModel always(size, {.right = 1});
  Tally const right = replayed(trace, Policy::draft, &always);
  CHECK(right.passes == passes_of_six);
  CHECK(right.accepted == right.drafted);
  CHECK(right.draft_model.passes == right.drafted);
  CHECK(right.draft_model.caught_up <= right.passes);  // the last token of a draft was not fed
  CHECK(right.cost(0.5, 0) ==
        doctest::Approx(static_cast<double>(right.passes) + 0.5 * static_cast<double>(right.drafted)));
  CHECK(right.cost(0.5, 0.1) == doctest::Approx(right.cost(0.5) + 0.1 * static_cast<double>(right.drafted) +
                                                0.05 * static_cast<double>(right.draft_model.caught_up)));

  SimulatedDraftModel never(size, {.right = 0});
  Tally const wrong = replayed(trace, Policy::draft, &never);
  CHECK(wrong.passes == wrong.tokens);
  CHECK(wrong.accepted == 0);

  // Asked only where the rule has no draft, and never right, it changes nothing of what the rule does.
  Tally const rule = replayed(trace, Policy::published, nullptr);
  Tally const both = replayed(trace, Policy::published_draft, &never);
  CHECK(both.passes == rule.passes);
  CHECK(both.accepted == rule.accepted);
  CHECK(both.drafted > rule.drafted);
  CHECK(both.draft_model.passes == both.drafted - rule.drafted);
  CHECK(rule.draft_model.passes == 0);

  // The default learns to do without it, and to rely on it.
  Tally const alone = replayed(trace, Policy::mixing, nullptr);
  CHECK(replayed(trace, Policy::mixing, &never).cost(0.02, 0.15) < 1.05 * alone.cost(0.02));
  CHECK(replayed(trace, Policy::mixing, &always).cost(0.02, 0.15) < 0.9 * alone.cost(0.02));
}
