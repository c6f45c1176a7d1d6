// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/peers/drive.hpp"
#include "bench/peers/own_peer.hpp"
#include "bench/peers/peer.hpp"
#include "bench/replay_trace.hpp"
#include "bench/trace.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/mixing_proposer.hpp"

using copyspec::Token;
using namespace copyspec::bench;

namespace {

// The longest path from the context on that says what is expected, found by trying the path to each token.
std::size_t longest_path(TreeDraft const& draft, std::span<Token const> expected) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < draft.tokens.size(); ++i) {
    std::vector<Token> path;
    for (auto at = static_cast<std::int32_t>(i); at >= 0; at = draft.parents[static_cast<std::size_t>(at)])
      path.insert(path.begin(), draft.tokens[static_cast<std::size_t>(at)]);
    if (path.size() <= expected.size() && std::ranges::equal(path, expected.first(path.size())))
      longest = std::max(longest, path.size());
  }
  return longest;
}

// Drafts `tokens`, whatever the limit, and notes what it is told.
class Scripted final : public Peer {
 public:
  explicit Scripted(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  void begin_conversation() override { heard += 'c'; }
  void begin_turn(std::span<Token const> context, std::size_t answer) override {
    heard += 't';
    turns.emplace_back(context.size(), answer);
  }
  void propose(std::span<Token const> context, std::size_t limit, TreeDraft& draft) override {
    heard += 'p';
    contexts.emplace_back(context.begin(), context.end());
    limits.push_back(limit);
    CHECK(draft.tokens.empty());
    for (Token const token : tokens_)
      if (draft.tokens.size() < limit) draft.extend(token);
  }
  void accept(std::span<Token const> said, std::size_t accepted) override {
    heard += 'a';
    spoken.emplace_back(said.begin(), said.end());
    kept.push_back(accepted);
  }
  void on_turn_end(std::span<Token const> context) override {
    heard += 'e';
    ends.emplace_back(context.begin(), context.end());
  }

  std::string heard;
  std::vector<std::pair<std::size_t, std::size_t>> turns;
  std::vector<std::vector<Token>> contexts;
  std::vector<std::size_t> limits;
  std::vector<std::vector<Token>> spoken;
  std::vector<std::size_t> kept;
  std::vector<std::vector<Token>> ends;

 private:
  std::vector<Token> tokens_;
};

Trace own_trace() {
  return read_trace(std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl");
}

template <copyspec::DraftProposer Proposer>
Tally check_same_as_composer(Proposer const& prototype, Proposer const& other, std::size_t max_branches = 0) {
  Trace const trace = own_trace();
  Tally expected;
  for (TurnTally const& turn : replay(trace, prototype, {.max_branches = max_branches})) expected += turn.tally;
  Tally tally;
  PeerTimes times;
  OwnPeer<Proposer> peer(other, max_branches);
  drive(peer, trace.conversations, tally, times);
  CHECK(tally.tokens == expected.tokens);
  CHECK(tally.passes == expected.passes);
  CHECK(tally.drafted == expected.drafted);
  CHECK(tally.accepted == expected.accepted);
  CHECK(tally.attempts == expected.attempts);
  CHECK(tally.drafted > 0);
  CHECK(times.steps.size() == expected.passes);
  return tally;
}

}  // namespace

TEST_CASE("of a tree the path is accepted that the model says") {
  std::mt19937_64 random(3);
  std::size_t seen = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::size_t const size = random() % 12;
    TreeDraft draft;
    for (std::size_t i = 0; i < size; ++i) {
      auto const parent = static_cast<std::int32_t>(random() % (i + 1)) - 1;
      auto const token = static_cast<Token>(random() % 3);
      // Siblings differ, as a tree of guesses has no guess twice.
      bool taken = false;
      for (std::size_t j = 0; j < draft.tokens.size(); ++j)
        taken = taken || (draft.parents[j] == parent && draft.tokens[j] == token);
      if (taken) continue;
      if (static_cast<std::size_t>(parent + 1) > draft.tokens.size()) continue;
      draft.parents.push_back(parent);
      draft.tokens.push_back(token);
    }
    std::vector<Token> expected(random() % 6);
    for (Token& token : expected) token = static_cast<Token>(random() % 3);
    std::size_t const accepted = count_accepted(draft, expected, draft.tokens.size());
    REQUIRE(accepted == longest_path(draft, expected));
    seen = std::max(seen, accepted);
  }
  CHECK(seen == 5);
}

TEST_CASE("what is no tree within the limit is refused") {
  std::vector<Token> const expected = {1, 2};
  CHECK_THROWS_AS((void)count_accepted({.tokens = {1, 2}, .parents = {-1}}, expected, 2), copyspec::Error);
  CHECK_THROWS_AS((void)count_accepted({.tokens = {1, 2}, .parents = {-1, 0}}, expected, 1), copyspec::Error);
  CHECK_THROWS_AS((void)count_accepted({.tokens = {1, 2}, .parents = {-1, 1}}, expected, 2), copyspec::Error);
  CHECK_THROWS_AS((void)count_accepted({.tokens = {1, 2}, .parents = {0, 0}}, expected, 2), copyspec::Error);
  CHECK_THROWS_AS((void)count_accepted({.tokens = {1}, .parents = {-2}}, expected, 2), copyspec::Error);
  CHECK(count_accepted({.tokens = {1, 2}, .parents = {-1, 0}}, expected, 2) == 2);
}

TEST_CASE("a peer hears of each conversation, turn and step, and drafts up to one token before the end") {
  Conversation const conversation{
      .id = {}, .category = {}, .tokens = {1, 2, 5, 5, 7, 3, 5, 6}, .turns = {{0, 2, 5}, {5, 6, 8}}};
  Scripted peer({5, 5, 5});
  Tally tally;
  PeerTimes times;
  drive(peer, std::span(&conversation, 1), tally, times);
  CHECK(peer.heard == "ctpaetpae");
  CHECK(peer.turns == std::vector<std::pair<std::size_t, std::size_t>>{{2, 3}, {6, 2}});
  CHECK(peer.contexts == std::vector<std::vector<Token>>{{1, 2}, {1, 2, 5, 5, 7, 3}});
  CHECK(peer.limits == std::vector<std::size_t>{2, 1});
  CHECK(peer.spoken == std::vector<std::vector<Token>>{{5, 5, 7}, {5, 6}});
  CHECK(peer.kept == std::vector<std::size_t>{2, 1});
  CHECK(peer.ends == std::vector<std::vector<Token>>{{1, 2, 5, 5, 7}, {1, 2, 5, 5, 7, 3, 5, 6}});
  CHECK(tally.tokens == 5);
  CHECK(tally.passes == 2);
  CHECK(tally.drafted == 3);
  CHECK(tally.accepted == 3);
  CHECK(tally.attempts == 2);

  Scripted wrong({9, 9, 9});
  Tally plain;
  drive(wrong, std::span(&conversation, 1), plain, times);
  CHECK(wrong.limits == std::vector<std::size_t>{2, 1, 0, 1, 0});
  CHECK(plain.passes == 5);
  CHECK(plain.drafted == 4);
  CHECK(plain.accepted == 0);
  CHECK(plain.attempts == 3);
}

TEST_CASE("our own proposers draft here as a composer lets them") {
  check_same_as_composer(copyspec::CopyProposer(copyspec::published_rule),
                         copyspec::CopyProposer(copyspec::published_rule));
  auto const mixing = [](bool shares) {
    return copyspec::MixingProposer({.pass_cost = copyspec::PassCost::marginal(0.06),
                                     .history = shares ? std::make_shared<copyspec::History>(1 << 20) : nullptr});
  };
  std::set<std::size_t> drafted;
  for (bool const shares : {false, true})
    for (std::size_t const max_branches : {0U, 63U})
      drafted.insert(check_same_as_composer(mixing(shares), mixing(shares), max_branches).drafted);
  CHECK(drafted.size() == 4);
}
