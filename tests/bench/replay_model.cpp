// SPDX-License-Identifier: MIT
#include "bench/replay_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/policy.hpp"
#include "bench/replay_report.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/model_laws.hpp"
#include "copyspec/verify/greedy_verifier.hpp"

using copyspec::CopyOptions;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::NoProposer;
using copyspec::Occurrence;
using copyspec::SequenceId;
using copyspec::Token;
using namespace copyspec::bench;

namespace {

using Tokens = std::vector<Token>;

// Feeds `tokens` and returns the greedy token after each.
Tokens feed(ReplayModel& model, Tokens const& tokens) {
  copyspec::Segment const segment{.sequence = SequenceId{0}, .tokens = tokens, .rows = tokens.size()};
  auto const rows = model.forward({&segment, 1});
  Tokens next;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    CHECK(std::ranges::count(rows.row(i), 0.0F) + 1 == static_cast<std::ptrdiff_t>(rows.vocabulary()));
    next.push_back(copyspec::greedy_token(rows.row(i)).value());
  }
  return next;
}

std::filesystem::path own_trace() {
  return std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl";
}

Conversation conversation(Tokens tokens, std::vector<Turn> turns) {
  return {.id = "a", .category = "c", .tokens = std::move(tokens), .turns = std::move(turns)};
}

// The rule in its plainest form: looks through the whole context for the newest tokens, each time.
Tokens searched_draft(std::span<Token const> context, std::size_t room, CopyOptions const& options) {
  std::optional<std::size_t> source;
  for (std::size_t end = options.match_length; end < context.size(); ++end) {
    if (!std::ranges::equal(context.subspan(end - options.match_length, options.match_length),
                            context.last(options.match_length)))
      continue;
    if (!source || options.occurrence == Occurrence::newest) source = end;
  }
  Tokens draft;
  if (!source) return draft;
  Tokens tokens(context.begin(), context.end());
  for (std::size_t i = *source; draft.size() < std::min(options.draft_length, room); ++i) {
    if (i >= context.size() && !options.extend_loops) break;
    draft.push_back(tokens[i]);
    tokens.push_back(tokens[i]);
  }
  return draft;
}

// What a turn takes, counted without the library. With checkpoints, `lost` tokens are fed again in the next pass.
Tally counted(Conversation const& conversation, Turn const& turn, CopyOptions const& options, bool checkpoints,
              std::size_t& lost) {
  std::span<Token const> const all = conversation.tokens;
  Tally tally;
  for (std::size_t length = turn.answer; length < turn.end;) {
    Tokens draft;
    if (lost == 0) draft = searched_draft(all.first(length), turn.end - length - 1, options);
    auto const recorded = all.subspan(length);
    std::size_t accepted = 0;
    while (accepted < draft.size() && draft[accepted] == recorded[accepted]) ++accepted;
    if (checkpoints) {
      bool const after_prompt = length == turn.answer;
      tally.checkpoints += {.made = draft.empty() ? 0U : 1U,
                            .splits = after_prompt && !draft.empty() ? 1U : 0U,
                            .replays = lost > 0 ? 1U : 0U,
                            .replayed = lost};
      lost = accepted < draft.size() ? accepted + 1 : 0;
    }
    length += accepted + 1;
    tally += {.tokens = accepted + 1,
              .passes = 1,
              .drafted = draft.size(),
              .accepted = accepted,
              .attempts = draft.empty() ? 0U : 1U};
  }
  return tally;
}

// Drafts tokens at random, nearly all of which are wrong.
class RandomProposer {
 public:
  explicit RandomProposer(Token vocabulary) : token_(0, vocabulary - 1) {}

  Draft propose(std::span<Token const>, std::span<Token> space) {
    std::size_t const length = std::min<std::size_t>(space.size(), random_() % 8);
    for (Token& token : space.first(length)) token = token_(random_);
    return {length};
  }
  void truncate(std::size_t) {}

 private:
  std::mt19937 random_;
  std::uniform_int_distribution<Token> token_;
};

}  // namespace

TEST_CASE("the recording comes out, and nothing after it") {
  Tokens const recording{3, 1, 4, 1, 5};
  ReplayModel model(recording, 6);
  CHECK(feed(model, {3, 1, 4}) == Tokens{1, 4, 1});
  CHECK(feed(model, {1}) == Tokens{5});
  CHECK(feed(model, {5}) == Tokens{0});
  CHECK(feed(model, {0}) == Tokens{0});
  CHECK(model.truncate(SequenceId{0}, 3) == 3);
  CHECK(feed(model, {1, 5}) == Tokens{5, 0});
}

TEST_CASE("after any other token nothing is recorded, until it is taken back") {
  Tokens const recording{3, 1, 4, 1, 5};
  ReplayModel model(recording, 6);
  CHECK(feed(model, {3, 2, 4}) == Tokens{1, 0, 0});
  CHECK(model.truncate(SequenceId{0}, 9) == 3);
  CHECK(feed(model, {1}) == Tokens{0});
  CHECK(model.truncate(SequenceId{0}, 1) == 1);
  CHECK(feed(model, {1, 4}) == Tokens{4, 1});
  // Token 0 is what the model says after a wrong token, which does not make it right.
  CHECK(model.truncate(SequenceId{0}, 2) == 2);
  CHECK(feed(model, {5, 0}) == Tokens{0, 0});
  CHECK(model.truncate(SequenceId{0}, 3) == 3);
  CHECK(feed(model, {1}) == Tokens{0});
  CHECK(model.truncate(SequenceId{0}, 0) == 0);
  CHECK(feed(model, {3, 1}) == Tokens{1, 4});
}

TEST_CASE("the laws of a model hold") {
  // Few tokens, so that some of what is fed at random agrees with the recording.
  Tokens recording(64);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    for (Token& token : recording) token = 1 + static_cast<Token>(random() % 2);
    ReplayModel model(recording, 3);
    auto const report = copyspec::testing::check_model_laws(model, {.seed = seed});
    CAPTURE(seed);
    CHECK_MESSAGE(report.ok(), (report.ok() ? "" : report.violations.front()));
    CHECK(report.largest_difference == 0);
  }
}

TEST_CASE("answers come out as recorded, and the counts are those of a plain search, whatever is drafted") {
  Trace const trace = read_trace(own_trace());
  std::mt19937 random(1);
  for (int i = 0; i < 24; ++i) {
    bool const checkpoints = i % 2 == 1;
    CopyOptions const options{.match_length = 1 + random() % 6,
                              .draft_length = random() % 24,
                              .occurrence = random() % 2 == 0 ? Occurrence::oldest : Occurrence::newest,
                              .extend_loops = random() % 2 == 0};
    CAPTURE(settings(CopyProposer(options)).dump());
    CAPTURE(checkpoints);
    std::vector<TurnTally> const turns = replay(trace, CopyProposer(options), {.checkpoints = checkpoints});
    std::size_t index = 0;
    for (Conversation const& conversation : trace.conversations) {
      std::size_t lost = 0;
      for (std::size_t turn = 0; turn < conversation.turns.size(); ++turn, ++index) {
        REQUIRE(index < turns.size());
        CHECK(turns[index].id == conversation.id);
        CHECK(turns[index].turn == turn + 1);
        CHECK(turns[index].category == conversation.category);
        Tally const expected = counted(conversation, conversation.turns[turn], options, checkpoints, lost);
        Tally const& actual = turns[index].tally;
        CHECK(actual.tokens == expected.tokens);
        CHECK(actual.passes == expected.passes);
        CHECK(actual.drafted == expected.drafted);
        CHECK(actual.accepted == expected.accepted);
        CHECK(actual.attempts == expected.attempts);
        CHECK(actual.checkpoints.made == expected.checkpoints.made);
        CHECK(actual.checkpoints.splits == expected.checkpoints.splits);
        CHECK(actual.checkpoints.replays == expected.checkpoints.replays);
        CHECK(actual.checkpoints.replayed == expected.checkpoints.replayed);
      }
    }
    CHECK(index == turns.size());
  }
}

TEST_CASE("wrong drafts change nothing of what comes out, and no draft makes a pass a token") {
  Trace const trace = read_trace(own_trace());
  for (TurnTally const& turn : replay(trace, RandomProposer(static_cast<Token>(trace.numbering.size()))))
    CHECK(turn.tally.passes + turn.tally.accepted == turn.tally.tokens);
  for (TurnTally const& turn : replay(trace, NoProposer())) {
    CHECK(turn.tally.passes == turn.tally.tokens);
    CHECK(turn.tally.drafted == 0);
  }
}

TEST_CASE("however wrong drafts are, what is fed again is no more than what is said") {
  Trace const trace = read_trace(own_trace());
  Tally total;
  for (TurnTally const& turn :
       replay(trace, RandomProposer(static_cast<Token>(trace.numbering.size())), {.checkpoints = true})) {
    Tally const& tally = turn.tally;
    CHECK(tally.passes + tally.accepted == tally.tokens);
    // Of the draft that ended the turn before, one token may be left, and what it had right.
    CHECK(tally.checkpoints.replayed <= tally.attempts + tally.accepted + 8);
    // No two passes one after the other have a draft that is rejected.
    CHECK(2 * tally.attempts <= tally.passes + 1 + tally.accepted);
    total += tally;
  }
  CHECK(total.attempts > total.passes / 3);
  CHECK(total.checkpoints.replayed >= total.attempts / 2);
  CHECK(total.checkpoints.replayed <= total.tokens);
}

TEST_CASE("a turn without an answer takes no pass, and its prompt is still heard") {
  Trace trace;
  for (Token token = 7; token < 12; ++token) (void)trace.numbering.number(token);
  trace.conversations.push_back(conversation({1, 2, 3, 1, 2, 3, 4, 5}, {{.prompt = 0, .answer = 2, .end = 2},
                                                                        {.prompt = 2, .answer = 5, .end = 8},
                                                                        {.prompt = 8, .answer = 8, .end = 8}}));
  std::vector<TurnTally> const turns = replay(trace, CopyProposer({.match_length = 2}));
  REQUIRE(turns.size() == 3);
  CHECK(turns[0].tally.passes == 0);
  CHECK(!turns[0].tally.speedup(0.1));
  // 1 2, seen in the first prompt, is followed by 3 1, of which 3 is right.
  CHECK(turns[1].tally.tokens == 3);
  CHECK(turns[1].tally.passes == 2);
  CHECK(turns[1].tally.accepted == 1);
  CHECK(turns[1].tally.drafted == 2);
  CHECK(turns[1].tally.cost(0.1) == doctest::Approx(2.2));
  CHECK(turns[1].tally.speedup(0.1).value() == doctest::Approx(3 / 2.2));
  CHECK(turns[2].tally.passes == 0);
}

TEST_CASE("an answer that comes out differently is an error") {
  Trace trace;
  for (Token token = 7; token < 12; ++token) (void)trace.numbering.number(token);
  // The second prompt leaves a token of the recording out.
  trace.conversations.push_back(
      conversation({1, 2, 3, 4, 5}, {{.prompt = 0, .answer = 1, .end = 2}, {.prompt = 3, .answer = 4, .end = 5}}));
  CHECK_THROWS_WITH_AS((void)replay(trace, NoProposer()),
                       "conversation a, turn 2: 1 tokens generated, 1 recorded, different from token 0 on",
                       ReplayMismatch);
}

TEST_CASE("a report sums the turns") {
  copyspec::SourceCounters by_source;
  by_source[copyspec::Source::context] = {.drafted = 5, .accepted = 3};
  by_source[copyspec::Source::history] = {.drafted = 3, .accepted = 1};
  Report const report{.trace = "t",
                      .policy = Policy::copy,
                      .settings = settings(CopyProposer()),
                      .marginal_cost = 0.5,
                      .draft_cost = 0.25,
                      .turns = {{"a",
                                 1,
                                 "x",
                                 {.tokens = 6,
                                  .passes = 2,
                                  .drafted = 8,
                                  .accepted = 4,
                                  .attempts = 1,
                                  .checkpoints = {.made = 1, .splits = 1, .replays = 1, .replayed = 2},
                                  .draft_model = {.passes = 6, .caught_up = 4, .prompts = 30},
                                  .by_source = by_source,
                                  .propose = {},
                                  .memory_bytes_per_token = 40}},
                                {"a", 2, "x", {}},
                                {"b", 1, "y", {.tokens = 4, .passes = 4, .propose = std::chrono::nanoseconds(60)}}}};
  Json const json = to_json(report);
  CHECK(json["trace"] == "t");
  CHECK(json["policy"] == "copy");
  CHECK(json["settings"]["match_length"] == 3);
  CHECK(json["marginal_cost"] == 0.5);
  CHECK(json["turns"].size() == 3);
  CHECK(
      json["turns"][0].dump() ==
      R"({"id":"a","turn":1,"category":"x","tokens":6,"passes":2,"drafted":8,"accepted":4,"attempts":1,)"
      R"("by_source":{"context":{"drafted":5,"accepted":3},"reference":{"drafted":0,"accepted":0},)"
      R"("history":{"drafted":3,"accepted":1},"draft-model":{"drafted":0,"accepted":0},"other":{"drafted":0,"accepted":0}},)"
      R"("checkpoints":{"made":1,"split_passes":1,"replaying_passes":1,"replayed":2},)"
      R"("draft_model":{"passes":6,"caught_up":4,"prompts":30},"cost":10.0,"speedup":0.6,"propose_ns_per_step":null,"memory_bytes_per_token":40.0})");
  CHECK(json["turns"][1]["speedup"].is_null());
  CHECK(json["by_turn"].size() == 2);
  CHECK(json["by_turn"][0]["turn"] == 1);
  CHECK(json["by_turn"][0]["tokens"] == 10);
  CHECK(
      json["total"].dump() ==
      R"({"tokens":10,"passes":6,"drafted":8,"accepted":4,"attempts":1,)"
      R"("by_source":{"context":{"drafted":5,"accepted":3},"reference":{"drafted":0,"accepted":0},)"
      R"("history":{"drafted":3,"accepted":1},"draft-model":{"drafted":0,"accepted":0},"other":{"drafted":0,"accepted":0}},)"
      R"("checkpoints":{"made":1,"split_passes":1,"replaying_passes":1,"replayed":2},)"
      R"("draft_model":{"passes":6,"caught_up":4,"prompts":30},"cost":14.0,"speedup":0.7142857142857143,)"
      R"("propose_ns_per_step":10.0,"memory_bytes_per_token":40.0})");
  std::string const table = to_table(report);
  for (auto const* const row : {"\nturn 1 ", "\nturn 2 ", "\nx ", "\ny ", "\ntotal "})
    CHECK(table.find(row) != std::string::npos);
}

TEST_CASE("the published rule gives the published figures") {
  char const* const folder = std::getenv("COPYSPEC_TRACES");
  if (folder == nullptr) {
    MESSAGE("skipped: COPYSPEC_TRACES does not name a folder with the published traces");
    return;
  }
  struct Published {
    char const* trace;
    double tokens_per_pass;
    double copied;
  };
  for (auto const& published :
       {Published{"qwen2.5-7b.mt-redundant", 2.146, 0.534}, Published{"llama3-70b.mt-redundant", 2.183, 0.542}}) {
    CAPTURE(published.trace);
    Trace const trace = read_trace(std::filesystem::path(folder) / (std::string(published.trace) + ".jsonl"));
    Tally second;
    for (TurnTally const& turn : replay(trace, CopyProposer(copyspec::published_rule)))
      if (turn.turn == 2) second += turn.tally;
    CHECK(second.tokens_per_pass().value() == doctest::Approx(published.tokens_per_pass).epsilon(0.01));
    CHECK(second.copied_share().value() == doctest::Approx(published.copied).epsilon(0.01));
  }
}
