// SPDX-License-Identifier: MIT
#include <copyspec/decode/sequence.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"

namespace {

using copyspec::Segment;
using copyspec::Sequence;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;

using Tokens = std::vector<Token>;

std::string text(std::span<Token const> tokens) {
  std::string text;
  for (Token const token : tokens) text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

std::string text(std::span<Source const> sources) {
  std::string text;
  for (Source const source : sources) text += "mcrhdo"[static_cast<std::size_t>(source)];
  return text;
}

StopDecision never(std::span<Token const>) {
  return {};
}

auto stop_at(Token stop) {
  return [stop](std::span<Token const> generated) {
    return generated.back() == stop ? StopDecision{.stop = true, .held = 1} : StopDecision{};
  };
}

Sequence begun(Tokens const& prompt, std::size_t budget, std::size_t context_limit = 100) {
  Sequence sequence(SequenceId{7}, context_limit);
  sequence.begin(prompt, budget);
  return sequence;
}

// Writes `draft` where it belongs and asks for the pass that verifies it.
Segment next(Sequence& sequence, Tokens const& draft = {}, std::size_t max_tokens = 100) {
  std::span<Token> const space = sequence.draft_space(max_tokens);
  REQUIRE(draft.size() <= space.size());
  std::ranges::copy(draft, space.begin());
  return sequence.next_segment(draft.size(), max_tokens);
}

Verdict accept(std::size_t accepted, Token next) {
  return {.accepted = accepted, .next = next, .status = VerdictStatus::ok};
}

}  // namespace

TEST_CASE("a new sequence is idle and holds nothing") {
  Sequence const sequence(SequenceId{7}, 100);
  CHECK(sequence.id() == SequenceId{7});
  CHECK(sequence.context_limit() == 100);
  CHECK(sequence.status() == SequenceStatus::idle);
  CHECK_FALSE(sequence.running());
  CHECK_FALSE(sequence.needs_truncate());
  CHECK(sequence.length() == 0);
  CHECK(sequence.cached() == 0);
  CHECK(sequence.budget_left() == 0);
  CHECK(sequence.context().empty());
  CHECK(sequence.tokens().empty());
  CHECK(sequence.generated().empty());
  CHECK(sequence.released().empty());
  CHECK(sequence.sources().empty());
  CHECK(sequence.counters().tokens_fed == 0);
}

TEST_CASE("a prompt is fed in chunks, and only the last one has a row") {
  Sequence sequence = begun({1, 2, 3, 4, 5, 6, 7}, 10);
  CHECK(sequence.pending() == 7);

  Segment segment = next(sequence, {}, 3);
  CHECK(segment.sequence == SequenceId{7});
  CHECK(text(segment.tokens) == "1 2 3");
  CHECK(segment.rows == 0);
  sequence.commit_prefill();
  CHECK(sequence.cached() == 3);

  segment = next(sequence, {}, 3);
  CHECK(text(segment.tokens) == "4 5 6");
  CHECK(segment.rows == 0);
  sequence.commit_prefill();

  segment = next(sequence, {}, 3);
  CHECK(text(segment.tokens) == "7");
  CHECK(segment.rows == 1);
  CHECK(text(sequence.accept(accept(0, 8), never)) == "8");
  CHECK(text(sequence.context()) == "1 2 3 4 5 6 7 8");
  CHECK(text(sequence.generated()) == "8");
  CHECK(sequence.cached() == 7);
  CHECK(sequence.pending() == 1);
  CHECK(sequence.budget_left() == 9);
  CHECK_FALSE(sequence.needs_truncate());
  CHECK(sequence.counters().prefill_passes == 2);
  CHECK(sequence.counters().decode_passes == 1);
  CHECK(sequence.counters().tokens_fed == 7);
  CHECK(sequence.counters().generated == 1);
}

TEST_CASE("a chunk that ends with the newest token has its row") {
  Sequence sequence = begun({1, 2, 3, 4, 5, 6}, 10);
  next(sequence, {}, 3);
  sequence.commit_prefill();
  CHECK(sequence.draft_space(3).empty());
  Segment const segment = next(sequence, {}, 3);
  CHECK(text(segment.tokens) == "4 5 6");
  CHECK(segment.rows == 1);
}

TEST_CASE("a draft has no more room than can be fed and kept") {
  Sequence sequence = begun({1, 2, 3}, 10, 8);
  // Five tokens fit into the context; the last of them is the model's own.
  CHECK(sequence.budget_left() == 5);
  CHECK(sequence.draft_space(100).size() == 4);
  CHECK(sequence.draft_space(7).size() == 4);
  CHECK(sequence.draft_space(6).size() == 3);
  CHECK(sequence.draft_space(4).size() == 1);
  CHECK(sequence.draft_space(3).empty());
  CHECK(sequence.draft_space(1).empty());

  CHECK(begun({1, 2, 3}, 1).draft_space(100).empty());
  CHECK(begun({1, 2, 3}, 2).draft_space(100).size() == 1);
}

TEST_CASE("a draft lies directly behind the context, and the segment covers both") {
  Sequence sequence = begun({1, 2, 3}, 10);
  Segment const segment = next(sequence, {4, 5});
  CHECK(text(segment.tokens) == "1 2 3 4 5");
  CHECK(segment.rows == 3);
  CHECK(text(sequence.tokens()) == "1 2 3 4 5");
  CHECK(text(sequence.context()) == "1 2 3");
  CHECK(sequence.tokens().data() == sequence.context().data());
}

TEST_CASE("accepted tokens are kept with the one that the model adds") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence, {4, 5, 6});

  SUBCASE("a draft that was right leaves nothing to forget") {
    CHECK(text(sequence.accept(accept(3, 7), never)) == "4 5 6 7");
    CHECK(text(sequence.sources()) == "ooom");
    CHECK(sequence.cached() == 6);
    CHECK_FALSE(sequence.needs_truncate());
    CHECK(sequence.counters().accepted == 3);
  }
  SUBCASE("what a wrong draft left in the model is to be forgotten") {
    CHECK(text(sequence.accept(accept(1, 9), never)) == "4 9");
    CHECK(text(sequence.sources()) == "om");
    CHECK(sequence.cached() == 4);
    CHECK(sequence.needs_truncate());
    CHECK(sequence.counters().accepted == 1);
  }
  SUBCASE("nothing of a draft may be right") {
    CHECK(text(sequence.accept(accept(0, 9), never)) == "9");
    CHECK(text(sequence.sources()) == "m");
    CHECK(sequence.cached() == 3);
    CHECK(sequence.needs_truncate());
    CHECK(sequence.counters().accepted == 0);
  }
  CHECK(sequence.running());
  CHECK(sequence.pending() == 1);
  CHECK(sequence.counters().decode_passes == 1);
  CHECK(sequence.counters().draft_passes == 1);
  CHECK(sequence.counters().drafted == 3);
  CHECK(sequence.counters().tokens_fed == 6);
  CHECK(text(sequence.tokens()) == text(sequence.context()));
}

TEST_CASE("a stop at any place in a pass cuts what is kept behind it") {
  for (std::size_t place = 0; place < 4; ++place) {
    CAPTURE(place);
    Sequence sequence = begun({1, 2, 3}, 10);
    next(sequence, {4, 5, 6});
    auto const kept = sequence.accept(accept(3, 7), stop_at(static_cast<Token>(4 + place)));
    CHECK(kept.size() == place + 1);
    CHECK(sequence.status() == SequenceStatus::stopped);
    CHECK(sequence.length() == 3 + place + 1);
    CHECK(sequence.released().size() == place);
    CHECK(text(sequence.sources()) == std::string("ooom").substr(0, place + 1));
    CHECK(sequence.counters().accepted == std::min<std::size_t>(place + 1, 3));
    CHECK(sequence.counters().generated == place + 1);
    // The model holds the accepted tokens that were kept, and not its own.
    CHECK(sequence.cached() == std::min<std::size_t>(sequence.length(), 6));
    CHECK(sequence.needs_truncate() == (place < 2));
  }
}

TEST_CASE("budget and context end a turn with the token that reaches them") {
  SUBCASE("budget") {
    Sequence sequence = begun({1, 2, 3}, 2);
    next(sequence, {4});
    CHECK(text(sequence.accept(accept(1, 5), never)) == "4 5");
    CHECK(sequence.status() == SequenceStatus::length);
    CHECK(sequence.budget_left() == 0);
  }
  SUBCASE("context") {
    Sequence sequence = begun({1, 2, 3}, 100, 5);
    next(sequence, {4});
    CHECK(text(sequence.accept(accept(1, 5), never)) == "4 5");
    CHECK(sequence.status() == SequenceStatus::context_full);
  }
  SUBCASE("both at once count as a full context") {
    Sequence sequence = begun({1, 2, 3}, 1, 4);
    next(sequence);
    sequence.accept(accept(0, 4), never);
    CHECK(sequence.status() == SequenceStatus::context_full);
  }
  SUBCASE("a stop comes before both") {
    Sequence sequence = begun({1, 2, 3}, 1, 4);
    next(sequence);
    sequence.accept(accept(0, 4), stop_at(4));
    CHECK(sequence.status() == SequenceStatus::stopped);
  }
  SUBCASE("a budget of zero is spent at once") {
    CHECK(begun({1, 2, 3}, 0).status() == SequenceStatus::length);
  }
}

TEST_CASE("a row without a token ends the turn after what was accepted") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence, {4, 5, 6});
  Verdict const verdict{.accepted = 2, .next = 99, .status = VerdictStatus::invalid_row};

  SUBCASE("unless a stop comes first") {
    CHECK(text(sequence.accept(verdict, stop_at(4))) == "4");
    CHECK(sequence.status() == SequenceStatus::stopped);
  }
  SUBCASE("and nothing is held back then") {
    auto const hold = [](std::span<Token const> generated) { return StopDecision{.held = generated.size()}; };
    CHECK(text(sequence.accept(verdict, hold)) == "4 5");
    CHECK(sequence.status() == SequenceStatus::invalid_row);
    CHECK(text(sequence.released()) == "4 5");
    CHECK(text(sequence.sources()) == "oo");
    CHECK(sequence.cached() == 5);
    CHECK(sequence.needs_truncate());
    CHECK(sequence.counters().generated == 2);
  }
}

TEST_CASE("what may become part of a stop is released once it cannot") {
  Sequence sequence = begun({1}, 4);
  std::size_t held = 0;
  auto const hold = [&](std::span<Token const>) { return StopDecision{.held = held}; };
  auto const say = [&](Token token, std::size_t hold_back) {
    next(sequence);
    held = hold_back;
    sequence.accept(accept(0, token), hold);
    return text(sequence.released());
  };
  CHECK(say(2, 1) == "");
  CHECK(say(3, 2) == "");
  CHECK(say(4, 1) == "2 3");
  // The end of the budget is an end that no stop can follow.
  CHECK(say(5, 2) == "2 3 4 5");
}

TEST_CASE("no more is held back than was said") {
  Sequence sequence = begun({1}, 4);
  next(sequence);
  sequence.accept(accept(0, 2), [](std::span<Token const>) { return StopDecision{.held = 1000}; });
  CHECK(sequence.generated().size() == 1);
  CHECK(sequence.released().empty());
}

TEST_CASE("the stop rule sees each token once, in order, with all of this turn before it") {
  Sequence sequence = begun({1, 2, 3}, 10);
  Tokens lengths;
  auto const count = [&](std::span<Token const> generated) {
    lengths.push_back(static_cast<Token>(generated.size()));
    return StopDecision{.stop = generated.back() == 6};
  };
  next(sequence);
  sequence.accept(accept(0, 4), count);
  next(sequence, {5, 6, 7});
  sequence.accept(accept(3, 8), count);
  CHECK(text(lengths) == "1 2 3");
}

TEST_CASE("a pass that failed leaves the sequence as it was, and the model to be cut back") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence);
  sequence.accept(accept(0, 4), never);
  next(sequence, {5, 6});
  sequence.cancel();
  CHECK(text(sequence.context()) == "1 2 3 4");
  CHECK(text(sequence.tokens()) == "1 2 3 4");
  CHECK(sequence.running());
  CHECK(sequence.cached() == 3);
  CHECK(sequence.needs_truncate());
  CHECK(sequence.counters().decode_passes == 1);
  CHECK(sequence.counters().draft_passes == 0);
  CHECK(sequence.counters().tokens_fed == 3);
  sequence.truncated(3);
  CHECK_FALSE(sequence.needs_truncate());
  CHECK(text(next(sequence).tokens) == "4");
}

TEST_CASE("cancelling without a pass under way does nothing") {
  Sequence sequence = begun({1, 2, 3}, 10);
  sequence.cancel();
  CHECK_FALSE(sequence.needs_truncate());
  next(sequence);
  sequence.accept(accept(0, 4), never);
  sequence.cancel();
  CHECK_FALSE(sequence.needs_truncate());
}

TEST_CASE("a stop rule that throws keeps nothing, and the pass can be cancelled") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence, {4, 5});
  auto const fail = [](std::span<Token const> generated) -> StopDecision {
    if (generated.size() == 2) throw std::runtime_error("a broken rule");
    return {};
  };
  CHECK_THROWS_AS(sequence.accept(accept(2, 6), fail), std::runtime_error);
  CHECK(sequence.generated().empty());
  CHECK(sequence.sources().empty());
  CHECK(sequence.counters().decode_passes == 0);
  sequence.cancel();
  CHECK(sequence.needs_truncate());
  sequence.truncated(0);
  CHECK(text(next(sequence, {4, 5}).tokens) == "1 2 3 4 5");
  CHECK(text(sequence.accept(accept(2, 6), never)) == "4 5 6");
}

TEST_CASE("what a model lost is fed again, without a draft until it is made up for") {
  Sequence sequence = begun({1, 2, 3, 4, 5, 6}, 10);
  next(sequence, {7, 8});
  sequence.accept(accept(0, 9), never);
  REQUIRE(sequence.needs_truncate());
  REQUIRE(sequence.cached() == 6);
  sequence.truncated(2);
  CHECK(sequence.cached() == 2);
  CHECK(sequence.pending() == 5);
  CHECK(sequence.draft_space(100).empty());

  Segment segment = next(sequence, {}, 3);
  CHECK(text(segment.tokens) == "3 4 5");
  CHECK(segment.rows == 0);
  sequence.commit_prefill();
  CHECK(sequence.draft_space(100).empty());

  segment = next(sequence);
  CHECK(text(segment.tokens) == "6 9");
  CHECK(segment.rows == 1);
  sequence.accept(accept(0, 10), never);
  CHECK(text(sequence.generated()) == "9 10");
  CHECK_FALSE(sequence.draft_space(100).empty());
}

TEST_CASE("a model that lost nothing may be given a draft at once") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence, {7, 8});
  sequence.accept(accept(0, 9), never);
  sequence.truncated(3);
  CHECK_FALSE(sequence.draft_space(100).empty());
}

TEST_CASE("a second turn goes on behind the first, its stop included") {
  Sequence sequence = begun({1, 2}, 10);
  next(sequence, {3, 4, 5});
  sequence.accept(accept(3, 6), stop_at(4));
  sequence.truncated(sequence.cached());

  sequence.begin(Tokens{7, 8}, 10);
  CHECK(text(sequence.context()) == "1 2 3 4 7 8");
  CHECK(sequence.generated().empty());
  CHECK(sequence.sources().empty());
  CHECK(sequence.released().empty());
  CHECK_FALSE(sequence.needs_truncate());
  CHECK(text(next(sequence).tokens) == "7 8");
}

TEST_CASE("an empty prompt goes on from the newest token, which is fed for its row") {
  Sequence sequence = begun({1, 2}, 10);
  next(sequence, {3, 4, 5});
  sequence.accept(accept(3, 6), stop_at(5));
  REQUIRE(sequence.cached() == sequence.length());
  sequence.begin({}, 10);
  CHECK(sequence.pending() == 1);
  CHECK(sequence.needs_truncate());
  sequence.truncated(sequence.cached());
  CHECK(text(next(sequence).tokens) == "5");
}

TEST_CASE("cutting back ends the turn and says what the model must forget") {
  Sequence sequence = begun({1, 2, 3}, 10);
  next(sequence, {4, 5});
  sequence.accept(accept(2, 6), never);

  SUBCASE("into what the model holds") {
    sequence.truncate(2);
    CHECK(text(sequence.context()) == "1 2");
    CHECK(sequence.cached() == 2);
    CHECK(sequence.needs_truncate());
  }
  SUBCASE("to what the model holds") {
    sequence.truncate(5);
    CHECK(sequence.cached() == 5);
    CHECK_FALSE(sequence.needs_truncate());
  }
  SUBCASE("not at all") {
    sequence.truncate(6);
    CHECK(sequence.cached() == 5);
    CHECK_FALSE(sequence.needs_truncate());
  }
  SUBCASE("to nothing") {
    sequence.truncate(0);
    CHECK(sequence.cached() == 0);
    CHECK(sequence.needs_truncate());
  }
  CHECK(sequence.status() == SequenceStatus::idle);
  CHECK(sequence.generated().empty());
  CHECK(sequence.released().empty());
  CHECK(sequence.sources().empty());
  CHECK(sequence.budget_left() == 0);
  if (sequence.needs_truncate()) sequence.truncated(sequence.cached());
  sequence.begin(Tokens{9}, 3);
  CHECK(sequence.running());
  CHECK(sequence.context().back() == 9);
  CHECK(sequence.budget_left() == 3);
}

TEST_CASE("what was lost behind a cut need not be fed again") {
  Sequence sequence = begun({1, 2, 3, 4, 5, 6}, 10);
  next(sequence, {7});
  sequence.accept(accept(0, 9), never);
  sequence.truncated(0);
  sequence.truncate(3);
  sequence.begin(Tokens{8}, 10);
  CHECK(sequence.draft_space(100).empty());
  next(sequence, {}, 3);
  sequence.commit_prefill();
  CHECK_FALSE(sequence.draft_space(100).empty());
}

TEST_CASE("only begin allocates") {
  Tokens const prompt(50, 1);
  Sequence sequence = begun(prompt, 200, 1000);
  std::size_t const before = allocations();
  while (sequence.running()) {
    std::span<Token> const space = sequence.draft_space(9);
    std::ranges::fill(space, 2);
    Segment const segment = sequence.next_segment(space.size(), 9);
    if (segment.rows == 0)
      sequence.commit_prefill();
    else
      sequence.accept(accept(space.size() / 2, 3), never);
    if (sequence.needs_truncate()) sequence.truncated(sequence.cached());
  }
  sequence.truncate(20);
  std::size_t const after = allocations();
  CHECK(before == after);
  CHECK(sequence.counters().generated == 200);
}

TEST_CASE("the loop of an engine of one's own says what plain decoding says") {
  copyspec::testing::ToyModelOptions options{.vocabulary = 5, .order = 2, .max_tokens = 4, .context_limit = 90};
  for (options.seed = 1; options.seed <= 200; ++options.seed) {
    CAPTURE(options.seed);
    Tokens const prompt{1, 2, 3, 0, 1, 2, 4};

    copyspec::testing::ToyModel<float> reference(options);
    Tokens expected = prompt;
    for (std::size_t fed = 0; expected.size() < 60; ++fed) {
      Segment const segment{.tokens = std::span<Token const>(expected).subspan(fed, 1), .rows = 1};
      auto const row = reference.forward({&segment, 1}).row(0);
      if (fed + 1 == expected.size())
        expected.push_back(static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin()));
    }

    std::mt19937_64 random(options.seed);
    copyspec::testing::ToyModel<float> model(options);
    Sequence sequence(SequenceId{0}, model.context_limit());
    sequence.begin(prompt, 60 - prompt.size());
    while (sequence.running()) {
      if (sequence.needs_truncate()) sequence.truncated(model.truncate(sequence.id(), sequence.cached()));
      std::span<Token> const space = sequence.draft_space(model.max_tokens());
      for (Token& token : space) token = static_cast<Token>(random() % 5);
      Segment const segment = sequence.next_segment(random() % (space.size() + 1), model.max_tokens());
      auto const rows = model.forward({&segment, 1});
      if (segment.rows == 0) {
        sequence.commit_prefill();
        continue;
      }
      std::span<Token const> const draft = sequence.tokens().subspan(sequence.length());
      Verdict verdict;
      for (std::size_t i = 0;; ++i) {
        auto const row = rows.row(i);
        verdict = accept(i, static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin()));
        if (i == draft.size() || draft[i] != verdict.next) break;
      }
      sequence.accept(verdict, never);
    }
    REQUIRE(text(sequence.context()) == text(expected));
  }
}

namespace {

// Does random things to a sequence, and does the same, the slow way, to plain vectors.
class Walk {
 public:
  explicit Walk(std::uint64_t seed)
      : random_(seed),
        limit_(2 + pick(60)),
        checkpoint_interval_(1 + pick(4)),
        sequence_(SequenceId{static_cast<std::int32_t>(seed % 100)}, limit_) {}

  void step() {
    if (in_flight_) {
      end_pass();
    } else if (pick(40) == 0) {
      truncate();
    } else if (pick(40) == 0) {
      fork();
    } else if (pick(40) == 0) {
      fail();
    } else if (pick(20) == 0 && (sequence_.running() || status_ == SequenceStatus::length)) {
      extend();
    } else if (!sequence_.running()) {
      if (pick(8) == 0 && !sequence_.needs_truncate())
        shift();
      else if (context_.size() + 1 < limit_)
        begin();
      else
        truncate();
    } else if (sequence_.needs_truncate()) {
      rewind();
    } else {
      begin_pass();
    }
  }

  // What is not as it must be, or nothing.
  [[nodiscard]] std::string wrong() const {
    Sequence const& s = sequence_;
    if (!wrong_.empty()) return wrong_;
    if (!std::ranges::equal(s.context(), context_)) return "the context";
    if (s.length() != context_.size()) return "the length";
    if (s.cached() > s.length() || s.length() > s.context_limit()) return "cached() <= length() <= context_limit()";
    if (s.running() && (s.length() >= s.context_limit() || s.pending() == 0)) return "a running sequence wants feeding";
    if (s.running() && s.budget_left() == 0) return "a running sequence has budget left";
    if (s.pending() != s.length() - s.cached()) return "pending";
    if (s.status() != status_) return "the status";
    if (s.budget_left() != budget_ - (context_.size() - turn_)) return "the budget";
    if (!std::ranges::equal(s.generated(), std::span<Token const>(context_).subspan(turn_))) return "generated";
    if (s.released().size() != s.generated().size() - held_) return "released";
    if (s.released().data() != s.generated().data()) return "released is the beginning of generated";
    if (!std::ranges::equal(s.sources(), sources_)) return "the sources";
    if (!in_flight_ && s.tokens().size() != s.length()) return "a draft without a pass";
    if (s.cached() > model_.size()) return "the model holds less than is said";
    if (!in_flight_ && !s.needs_truncate() && s.cached() != model_.size()) return "the model holds more than is said";
    if (!std::equal(context_.begin(), context_.begin() + static_cast<std::ptrdiff_t>(s.cached()), model_.begin()))
      return "what the model holds is not the context";
    SequenceCounters const& c = s.counters();
    if (c.generated != counters_.generated || c.decode_passes != counters_.decode_passes ||
        c.prefill_passes != counters_.prefill_passes || c.tokens_fed != counters_.tokens_fed ||
        c.draft_passes != counters_.draft_passes || c.drafted != counters_.drafted ||
        c.accepted != counters_.accepted || c.by_source != counters_.by_source)
      return "the counters";
    return {};
  }

 private:
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }
  Token token() { return static_cast<Token>(pick(8)); }

  void begin() {
    std::size_t const room = limit_ - 1 - context_.size();
    Tokens prompt(pick(std::min<std::size_t>(room, 12) + 1));
    if (context_.empty() && prompt.empty()) prompt.resize(1);
    for (Token& t : prompt) t = token();
    std::size_t const budget = pick(5) == 0 ? std::size_t(-1) : pick(20);
    may_continue_ = pick(2) == 0;
    if (pick(2) == 0) {
      sequence_.begin(prompt, budget, may_continue_);
    } else {
      // What is placed is not there before the turn begins, and may be placed anew.
      Tokens const other(std::min<std::size_t>(room, prompt.size() + 3), 1);
      if (!other.empty()) sequence_.place(other, 3);
      std::span<Token const> const placed = sequence_.place(prompt, budget);
      if (!std::ranges::equal(sequence_.context(), context_)) wrong_ = "the context while a prompt is placed";
      if (!std::ranges::equal(placed.first(context_.size()), context_)) wrong_ = "the context that was placed";
      if (!std::ranges::equal(placed.subspan(context_.size()), prompt)) wrong_ = "the prompt that was placed";
      sequence_.begin_placed(prompt.size(), budget, may_continue_);
    }
    context_.insert(context_.end(), prompt.begin(), prompt.end());
    turn_ = context_.size();
    budget_ = std::min(budget, limit_ - turn_);
    held_ = 0;
    sources_.clear();
    status_ = budget_ == 0 ? SequenceStatus::length : SequenceStatus::running;
  }

  void truncate() {
    std::size_t const length = pick(context_.size() + 1);
    sequence_.truncate(length);
    context_.resize(length);
    turn_ = length;
    budget_ = held_ = 0;
    sources_.clear();
    status_ = SequenceStatus::idle;
    lost_ = std::min(lost_, length);
  }

  void extend() {
    std::size_t const more = pick(6) == 0 ? std::size_t(-1) : pick(9);
    sequence_.extend(more);
    budget_ += std::min(more, limit_ - turn_ - budget_);
    if (budget_ > context_.size() - turn_) status_ = SequenceStatus::running;
  }

  void fail() {
    sequence_.fail();
    if (status_ == SequenceStatus::running || status_ == SequenceStatus::length) held_ = 0;
    status_ = SequenceStatus::failed;
  }

  // Goes on with a copy, of which a model has taken over some tokens.
  void fork() {
    sequence_ = sequence_.fork(SequenceId{100});
    if (sequence_.id() != SequenceId{100}) wrong_ = "the id of a copy";
    sequence_.rename(SequenceId{101});
    if (sequence_.id() != SequenceId{101}) wrong_ = "the id of a sequence that was renamed";
    counters_ = {};
    lost_ = 0;
    model_.assign(context_.begin(), context_.begin() + static_cast<std::ptrdiff_t>(pick(context_.size() + 1)));
    sequence_.copied(model_.size());
    if (sequence_.needs_truncate() != (status_ == SequenceStatus::running && model_.size() == context_.size()))
      wrong_ = "only the newest token of a turn is fed for its row";
  }

  void shift() {
    std::size_t const first = pick(context_.size() + 1), count = pick(context_.size() - first + 1);
    sequence_.shift(first, count);
    auto const erase = [&](Tokens& tokens) {
      auto const begin = tokens.begin() + static_cast<std::ptrdiff_t>(std::min(first, tokens.size()));
      tokens.erase(begin, tokens.size() < first + count ? tokens.end() : begin + static_cast<std::ptrdiff_t>(count));
    };
    erase(context_);
    erase(model_);
    lost_ = std::min(lost_, model_.size());
    turn_ = context_.size();
    budget_ = held_ = 0;
    sources_.clear();
    status_ = SequenceStatus::idle;
  }

  void rewind() {
    std::size_t const cached = sequence_.cached();
    std::size_t const held =
        cached < model_.size() ? cached - cached % checkpoint_interval_ : std::min(cached, model_.size());
    if (held < cached) lost_ = std::max(lost_, cached);
    model_.resize(held);
    sequence_.truncated(held);
  }

  void begin_pass() {
    max_tokens_ = 1 + pick(pick(2) == 0 ? 4 : 30);
    sequence_.make_room(max_tokens_);
    std::span<Token> const space = sequence_.draft_space(max_tokens_);
    std::size_t const pending = context_.size() - model_.size();
    std::size_t const left = budget_ - (context_.size() - turn_);
    std::size_t const room =
        pending >= max_tokens_ || model_.size() < lost_ ? 0 : std::min(max_tokens_ - pending, left - 1);
    if (space.size() != room) wrong_ = "room for a draft";
    draft_.resize(pick(space.size() + 1));
    for (Token& t : space) t = token();
    std::copy_n(space.begin(), draft_.size(), draft_.begin());
    draft_space_ = space;
    // As many as the draft is long, more, or fewer, the last of which holds for the rest.
    draft_sources_.resize(pick(draft_.size() + 3));
    for (Source& source : draft_sources_) source = copyspec::draft_sources[pick(copyspec::draft_sources.size())];
    Segment const segment = sequence_.next_segment(draft_.size(), max_tokens_, draft_sources_);
    draft_sources_.resize(draft_.size(), draft_sources_.empty() ? Source::other : draft_sources_.back());

    Tokens all(context_.begin() + static_cast<std::ptrdiff_t>(model_.size()), context_.end());
    all.insert(all.end(), draft_.begin(), draft_.end());
    rows_ = all.size() > max_tokens_ ? 0 : draft_.size() + 1;
    all.resize(std::min(all.size(), max_tokens_));
    if (segment.rows != rows_ || !std::ranges::equal(segment.tokens, all)) wrong_ = "the segment";
    fed_ = all;
    in_flight_ = true;
  }

  void end_pass() {
    in_flight_ = false;
    if (pick(6) == 0) {
      model_.insert(model_.end(), fed_.begin(), fed_.begin() + static_cast<std::ptrdiff_t>(pick(fed_.size() + 1)));
      if (rows_ > 0 && pick(2) == 0) {
        bool thrown = false;
        try {
          sequence_.accept(accept(0, token()), [](std::span<Token const>) -> StopDecision { throw 1; });
        } catch (int) {
          thrown = true;
        }
        if (!thrown) wrong_ = "what a stop rule throws must come through";
      }
      sequence_.cancel();
      if (!sequence_.needs_truncate()) wrong_ = "stale after a cancel";
      return;
    }
    model_.insert(model_.end(), fed_.begin(), fed_.end());
    counters_.tokens_fed += fed_.size();
    if (rows_ == 0) {
      ++counters_.prefill_passes;
      sequence_.commit_prefill();
      return;
    }
    judge();
  }

  void judge() {
    Verdict const verdict{.accepted = pick(draft_.size() + 1),
                          .next = token(),
                          .status = pick(30) == 0   ? VerdictStatus::invalid_row
                                    : pick(30) == 0 ? VerdictStatus::all_excluded
                                                    : VerdictStatus::ok};
    auto const stop = [](std::span<Token const> generated) {
      return StopDecision{.stop = generated.back() == 7 && generated.size() > 3,
                          .held = static_cast<std::size_t>(generated.back() % 4)};
    };
    // Of a tree, any nodes may be a path that ascends; its tokens were moved together.
    std::vector<std::int32_t> path;
    if (pick(2) == 0) {
      path.resize(draft_.size());
      std::iota(path.begin(), path.end(), 0);
      std::ranges::shuffle(path, random_);
      std::ranges::sort(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(verdict.accepted));
    }
    for (Source const source : draft_sources_) ++counters_.by_source[source].drafted;
    if (!path.empty()) {
      for (std::size_t i = 0; i < verdict.accepted; ++i) {
        auto const node = static_cast<std::size_t>(path[i]);
        draft_space_[i] = draft_[i] = draft_[node];
        draft_sources_[i] = draft_sources_[node];
        model_[model_.size() - draft_.size() + i] = draft_[i];
      }
    }
    Tokens offered(draft_.begin(), draft_.begin() + static_cast<std::ptrdiff_t>(verdict.accepted));
    if (verdict.status == VerdictStatus::ok) offered.push_back(verdict.next);
    std::size_t kept = 0;
    for (; kept < offered.size() && status_ == SequenceStatus::running; ++kept) {
      context_.push_back(offered[kept]);
      sources_.push_back(kept < verdict.accepted ? draft_sources_[kept] : Source::model);
      counters_.accepted += kept < verdict.accepted ? 1U : 0U;
      if (kept < verdict.accepted) ++counters_.by_source[draft_sources_[kept]].accepted;
      ++counters_.generated;
      StopDecision const decision = stop(std::span<Token const>(context_).subspan(turn_));
      held_ = std::min({decision.held, context_.size() - turn_, held_ + 1});
      if (decision.stop)
        status_ = SequenceStatus::stopped;
      else if (context_.size() == limit_)
        status_ = SequenceStatus::context_full;
      else if (context_.size() - turn_ == budget_)
        status_ = SequenceStatus::length;
    }
    if (status_ == SequenceStatus::running && verdict.status == VerdictStatus::invalid_row)
      status_ = SequenceStatus::invalid_row;
    if (status_ == SequenceStatus::running && verdict.status == VerdictStatus::all_excluded)
      status_ = SequenceStatus::all_excluded;
    bool const goes_on = status_ == SequenceStatus::running || (status_ == SequenceStatus::length && may_continue_);
    if (!goes_on && status_ != SequenceStatus::stopped) held_ = 0;
    ++counters_.decode_passes;
    counters_.draft_passes += draft_.empty() ? 0U : 1U;
    counters_.drafted += draft_.size();

    auto const said = sequence_.accept(verdict, stop, path);
    if (said.size() != kept || said.data() + kept != sequence_.context().data() + context_.size())
      wrong_ = "the tokens kept";
  }

  std::mt19937_64 random_;
  std::size_t limit_;
  std::size_t checkpoint_interval_;
  Sequence sequence_;
  Tokens context_;
  Tokens model_;  // what the model holds
  Tokens draft_;
  std::span<Token> draft_space_;
  std::vector<Source> draft_sources_;
  Tokens fed_;
  std::vector<Source> sources_;
  SequenceCounters counters_;
  SequenceStatus status_ = SequenceStatus::idle;
  std::size_t turn_ = 0;
  std::size_t budget_ = 0;
  std::size_t held_ = 0;
  std::size_t lost_ = 0;
  std::size_t rows_ = 0;
  std::size_t max_tokens_ = 0;
  bool in_flight_ = false;
  bool may_continue_ = false;
  std::string wrong_;
};

}  // namespace

TEST_CASE("after every operation of a random walk the sequence is what plain vectors say") {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Walk walk(seed);
    std::string wrong;
    int step = 0;
    for (; step < 400 && wrong.empty(); ++step) {
      walk.step();
      wrong = walk.wrong();
    }
    CAPTURE(seed);
    CAPTURE(step);
    REQUIRE(wrong == "");
  }
}

TEST_CASE("a prompt may be part of the context itself") {
  copyspec::Sequence sequence(copyspec::SequenceId{0}, 100'000);
  std::vector<copyspec::Token> prompt(50);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<copyspec::Token>(i);
  sequence.begin(prompt, 0);
  sequence.begin(sequence.context().subspan(10, 30), 50'000);
  REQUIRE(sequence.length() == 80);
  for (std::size_t i = 0; i < 30; ++i) CHECK(sequence.context()[50 + i] == static_cast<copyspec::Token>(10 + i));
}

TEST_CASE("each token raises the number of held ones by no more than one, drafted or not") {
  auto const hold_all = [](std::span<Token const> generated) {
    return StopDecision{.held = generated.size() < 3 ? 0 : generated.size()};
  };
  Sequence drafted = begun({1}, 20);
  next(drafted, {2, 3, 4, 5});
  drafted.accept(accept(4, 6), hold_all);
  CHECK(text(drafted.released()) == "2 3");
  Sequence plain = begun({1}, 20);
  for (Token token = 2; token < 7; ++token) {
    next(plain);
    plain.accept(accept(0, token), hold_all);
  }
  CHECK(text(plain.released()) == "2 3");
}

TEST_CASE("a turn that may continue holds at the end of its budget what may become part of a stop") {
  auto const hold = [](std::span<Token const>) { return StopDecision{.held = 1}; };
  for (bool const may_continue : {false, true}) {
    Sequence sequence(SequenceId{7}, 100);
    sequence.begin(Tokens{1}, 2, may_continue);
    next(sequence, {2});
    sequence.accept(accept(1, 3), hold);
    CHECK(sequence.status() == SequenceStatus::length);
    CHECK(text(sequence.released()) == (may_continue ? "2" : "2 3"));
    sequence.extend(1);
    CHECK(sequence.running());
    CHECK(sequence.budget_left() == 1);
    sequence.make_room(0);
    CHECK(text(next(sequence).tokens) == "3");
  }
}

TEST_CASE("a budget is extended up to the context limit, and by nothing it is not") {
  Sequence sequence = begun({1, 2}, 0, 10);
  sequence.extend(0);
  CHECK(sequence.status() == SequenceStatus::length);
  sequence.extend(3);
  CHECK(sequence.running());
  CHECK(sequence.budget_left() == 3);
  // The newest token is fed for its row.
  CHECK(sequence.pending() == 2);
  sequence.extend(~std::size_t{0});
  CHECK(sequence.budget_left() == 8);
  sequence.extend(~std::size_t{0});
  CHECK(sequence.budget_left() == 8);
}

TEST_CASE("room is made in steps, as far as the turn may go") {
  Sequence sequence = begun(Tokens(100, 1), 5000, 100'000);
  CHECK(sequence.room() == 1124);
  CHECK_FALSE(sequence.make_room(1000));
  CHECK(sequence.make_room(1500));
  CHECK(sequence.room() == 1601);
  CHECK_FALSE(sequence.make_room(1500));
  CHECK(sequence.draft_space(10'000).size() == 1500);
  Sequence short_one = begun(Tokens(100, 1), 7, 100'000);
  CHECK(short_one.room() == 107);
  CHECK_FALSE(short_one.make_room(1000));
  Sequence long_one = begun(Tokens(40'000, 1), 60'000, 100'000);
  // An answer that gives the prompt back has room.
  CHECK(long_one.room() == 80'000);
  CHECK_FALSE(long_one.make_room(20'000));
  CHECK(long_one.make_room(45'000));
  CHECK(long_one.room() == 85'001);
}

TEST_CASE("a turn that fails keeps its context, shows all, and leaves the next one unharmed") {
  Sequence sequence = begun({1}, 9);
  auto const hold = [](std::span<Token const>) { return StopDecision{.held = 1}; };
  next(sequence, {2});
  sequence.accept(accept(1, 3), hold);
  CHECK(text(sequence.released()) == "2");
  next(sequence, {4});
  sequence.fail();
  CHECK(sequence.status() == SequenceStatus::failed);
  CHECK(text(sequence.context()) == "1 2 3");
  CHECK(text(sequence.released()) == "2 3");
  CHECK(sequence.needs_truncate());
  sequence.truncated(sequence.cached());
  sequence.begin(Tokens{5}, 3);
  CHECK(text(next(sequence).tokens) == "3 5");
}

TEST_CASE("a copy says what its source would, and neither changes the other") {
  Sequence sequence = begun({1, 2}, 9);
  next(sequence, {3});
  sequence.accept(accept(1, 4), never);
  Sequence other = sequence.fork(SequenceId{8});
  CHECK(text(other.context()) == "1 2 3 4");
  CHECK(text(other.generated()) == "3 4");
  CHECK(text(other.sources()) == "om");
  CHECK(other.budget_left() == 7);
  CHECK(other.counters().generated == 0);
  next(other);
  other.accept(accept(0, 6), never);
  CHECK(text(next(sequence).tokens) == "4");
  sequence.accept(accept(0, 5), never);
  CHECK(text(other.context()) == "1 2 3 4 6");
  CHECK(text(sequence.context()) == "1 2 3 4 5");
}
