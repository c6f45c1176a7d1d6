// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/copy_sources.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::History;
using copyspec::HistoryEntryId;
using copyspec::Source;
using copyspec::Token;
using copyspec::detail::CopyPointers;
using copyspec::detail::CopySources;
using copyspec::detail::MatchModel;
using copyspec::detail::MatchPointer;
using copyspec::detail::MatchPointers;
using copyspec::detail::MixerInput;
using copyspec::detail::OwnText;
using copyspec::detail::SuccessorCounts;
using Truncated = OwnText::Truncated;

namespace {

// Reads `context` as a proposer does: the history is followed with the last tokens only.
void read_as_prompt(CopySources& sources, std::span<Token const> context) {
  std::size_t const end = sources.begin_reading(context);
  while (sources.size() < end) {
    std::size_t const length = sources.size();
    sources.append(context.first(length + 1), contexts_of(context.first(length)),
                   length + CopySources::followed >= context.size());
  }
}

bool same(SuccessorCounts const& one, SuccessorCounts const& other) {
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i)
    if (one.token(i) != other.token(i) || one.count(i) != other.count(i)) return false;
  return true;
}

bool same(MixerInput::Vote const& one, MixerInput::Vote const& other) {
  if (one.token < 0 && other.token < 0) return true;
  return one.token == other.token && one.length == other.length && one.misses == other.misses &&
         one.history == other.history;
}

bool same(MixerInput const& one, MixerInput const& other) {
  auto const equal = [](auto const& a, auto const& b) { return same(a, b); };
  return std::ranges::equal(one.successors, other.successors, equal) &&
         std::ranges::equal(one.votes, other.votes, equal) && one.history == other.history && one.hits == other.hits &&
         one.newest == other.newest;
}

bool same(MatchPointer const& one, MatchPointer const& other) {
  if (!one.active && !other.active) return true;
  return one.active == other.active && one.position == other.position && one.length == other.length &&
         one.misses == other.misses && one.history == other.history;
}

bool same(MatchPointers const& one, MatchPointers const& other) {
  return same(one.longest, other.longest) && same(one.recovered, other.recovered) && one.hits == other.hits;
}

bool same(CopyPointers const& one, CopyPointers const& other) {
  return same(one.own, other.own) && same(one.history, other.history);
}

MixerInput input_after(CopySources const& sources, std::span<Token const> context) {
  return sources.input(contexts_of(context), sources.pointers(), context.size(),
                       [&](std::size_t position) { return context[position]; });
}

// What followed what: the newest, the newest two, the one before the newest, the one before that; or, of a history, the
// newest one, two and three.
using Followed = std::map<std::pair<std::size_t, Tokens>, SuccessorCounts>;

std::vector<std::pair<std::size_t, Tokens>> contexts(std::span<Token const> said, bool of_history) {
  auto const newest = [&](std::size_t first, std::size_t count) {
    auto const part = said.subspan(said.size() - first, count);
    return Tokens(part.begin(), part.end());
  };
  std::vector<std::pair<std::size_t, Tokens>> contexts;
  if (!said.empty()) contexts.emplace_back(0, newest(1, 1));
  if (said.size() > 1) contexts.emplace_back(1, newest(2, 2));
  if (said.size() > 1 && !of_history) contexts.emplace_back(2, newest(2, 1));
  if (said.size() > 2 && !of_history) contexts.emplace_back(3, newest(3, 1));
  if (said.size() > 2 && of_history) contexts.emplace_back(2, newest(3, 3));
  return contexts;
}

void observe(Followed& followed, std::span<Token const> said, bool of_history) {
  for (auto const& context : contexts(said.first(said.size() - 1), of_history)) followed[context].observe(said.back());
}

// The same, without hashes. Its history is a list of requests, searched from its end.
class Reference {
 public:
  Reference(std::size_t window, std::size_t room) : match_(window) { match_.reserve(room); }

  void remember(History const& history, Tokens const& request) {
    history_ = &history;
    for (std::size_t i = 1; i <= request.size(); ++i) observe(followed_there_, std::span(request).first(i), true);
  }

  void skip(std::size_t length) { match_.begin_at(length); }

  void append(std::span<Token const> context, bool follow) {
    observe(followed_, context, false);
    match_.append([&](std::size_t position) { return context[position]; }, contexts_of(context).three);
    if (history_ == nullptr) return;
    if (!follow) {
      there_ = {};
      return;
    }
    Text const text{*history_, context};
    there_.advance(context.back(), [&](std::size_t position) { return history_->token(position); });
    for (MatchPointer* const pointer : {&there_.longest, &there_.recovered})
      if (pointer->active && !text.has(pointer->position)) pointer->active = false;
    there_.search(text, is_sure() ? 0 : text.previous(history_->end()), context.size(),
                  [&](std::size_t i) { return context[context.size() - 1 - i]; });
  }

  [[nodiscard]] CopyPointers pointers() const { return {.own = match_.pointers(), .history = there_}; }

  [[nodiscard]] MixerInput input_after(std::span<Token const> context) const {
    MixerInput input;
    for (auto const& known : contexts(context, false))
      if (auto const found = followed_.find(known); found != followed_.end())
        input.successors[known.first] = found->second;
    input.votes[0] = vote(match_.pointers().longest, context);
    input.votes[1] = vote(match_.pointers().recovered, context);
    input.hits = match_.pointers().hits;
    input.newest = context.empty() ? 0 : context.back();
    input.history = history_ != nullptr && (input.votes[0].token < 0 || !is_sure());
    if (!input.history) return input;
    for (auto const& known : contexts(context, true))
      if (auto const found = followed_there_.find(known); found != followed_there_.end())
        input.successors[MixerInput::own_contexts + known.first] = found->second;
    // Of the newest token nothing is said where the newest three were seen.
    if (input.successors[MixerInput::own_contexts + 2].size() > 0) input.successors[MixerInput::own_contexts] = {};
    input.votes[2] = vote_there(there_.longest);
    input.votes[3] = vote_there(there_.recovered);
    for (std::size_t i : {2U, 3U}) input.votes[i].source = Source::history;
    return input;
  }

 private:
  struct Text {
    History const& history;
    std::span<Token const> context;

    [[nodiscard]] bool has(std::size_t position) const { return history.token(position) >= 0; }
    [[nodiscard]] bool equal(std::size_t position, Token token) const { return history.token(position) == token; }
    // The next older place, of a token, that the newest three tokens stand before.
    [[nodiscard]] std::size_t previous(std::size_t position) const {
      if (context.size() < 3) return 0;
      while (position-- > history.begin() + 3)
        if (has(position) && equal(position - 1, context[context.size() - 1]) &&
            equal(position - 2, context[context.size() - 2]) && equal(position - 3, context[context.size() - 3]))
          return position;
      return 0;
    }
  };

  static MixerInput::Vote vote(MatchPointer const& pointer, Token token) {
    return {.token = token, .length = pointer.length, .misses = pointer.misses, .history = pointer.history};
  }
  static MixerInput::Vote vote(MatchPointer const& pointer, std::span<Token const> context) {
    return pointer.active && pointer.position < context.size() ? vote(pointer, context[pointer.position])
                                                               : MixerInput::Vote{};
  }
  [[nodiscard]] MixerInput::Vote vote_there(MatchPointer const& pointer) const {
    return pointer.active ? vote(pointer, history_->token(pointer.position)) : MixerInput::Vote{};
  }

  // A history has nothing to add to a long match of the own text.
  [[nodiscard]] bool is_sure() const {
    return match_.pointers().longest.active && match_.pointers().longest.length >= 16;
  }

  MatchModel match_;
  Followed followed_;
  History const* history_ = nullptr;
  Followed followed_there_;
  MatchPointers there_;
};

std::size_t votes(MixerInput const& input, std::size_t first) {
  return static_cast<std::size_t>(
      std::ranges::count_if(std::span(input.votes).subspan(first), [](auto const& vote) { return vote.token >= 0; }));
}

bool says_nothing_of_history(MixerInput const& input) {
  return votes(input, MixerInput::own_pointers) == 0 &&
         std::ranges::all_of(std::span(input.successors).subspan(MixerInput::own_contexts),
                             [](SuccessorCounts const& successors) { return successors.size() == 0; });
}

}  // namespace

TEST_CASE("what copy sources say is what its text says, read without hashes") {
  Random random(1);
  std::size_t voted = 0;
  for (std::size_t const window : {0U, 40U, 200U}) {
    for (int round = 0; round < 10; ++round) {
      // With a window there is room for few contexts.
      Tokens const text = copying_text(random, 500, 2 + below(random, window == 0 ? 12 : 2));
      CopySources sources(window, nullptr);
      Reference reference(window, text.size());
      sources.reserve(4000);
      for (std::size_t length = 0; length <= text.size(); ++length) {
        auto const context = std::span(text).first(length);
        read(sources, context);
        if (length > 0) reference.append(context, true);
        REQUIRE(same(sources.pointers(), reference.pointers()));
        REQUIRE(same(input_after(sources, context), reference.input_after(context)));
        voted += votes(reference.input_after(context), 0);
      }
    }
  }
  CHECK(voted > 10000);
}

TEST_CASE("what copy sources say of a history is what the requests say, searched from the end") {
  Random random(2);
  std::size_t voted = 0;
  for (int round = 0; round < 20; ++round) {
    std::size_t const vocabulary = 4 + below(random, 12);
    auto const history = std::make_shared<History>(std::size_t{1} << 20);
    CopySources sources(0, history);
    sources.reserve(4000);
    Reference reference(0, 1000);
    Tokens earlier;
    for (std::size_t i = 0; i < 4; ++i) {
      Tokens const request = copying_text(random, below(random, 150), vocabulary);
      history->append(request);
      reference.remember(*history, request);
      earlier = earlier + request;
    }
    Tokens const text = copying_text(random, 400, vocabulary, earlier);
    for (std::size_t length = 1; length <= text.size(); ++length) {
      auto const context = std::span(text).first(length);
      bool const follow = length > 20 && below(random, 100) != 0;
      read(sources, context, follow);
      reference.append(context, follow);
      REQUIRE(same(sources.pointers(), reference.pointers()));
      REQUIRE(same(input_after(sources, context), reference.input_after(context)));
      MixerInput const known = input_after(sources, context);
      for (std::size_t i = 0; i < MixerInput::pointers; ++i)
        if (known.votes[i].token >= 0) REQUIRE(known.votes[i].source == reference.input_after(context).votes[i].source);
      voted += votes(reference.input_after(context), MixerInput::own_pointers);
    }
  }
  CHECK(voted > 5000);
}

TEST_CASE("without a history nothing is said of one") {
  CopySources sources(0, nullptr);
  sources.reserve(100);
  Tokens const text = counting(0, 20) + counting(0, 10);
  read(sources, text);
  MixerInput const said = input_after(sources, text);
  CHECK_FALSE(said.history);
  CHECK(said.votes[0].token == 10);
  CHECK(says_nothing_of_history(said));
}

TEST_CASE("a token that both texts expect leads on to where appending it leads, and copies stay apart") {
  Random random(3);
  std::size_t followed = 0;
  for (int round = 0; round < 20; ++round) {
    auto const history = std::make_shared<History>(std::size_t{1} << 20);
    Tokens const earlier = copying_text(random, 300, 12);
    history->append(earlier);
    CopySources sources(0, history);
    sources.reserve(1000);
    Tokens const text = copying_text(random, 600, 12, earlier);
    for (std::size_t length = 1; length < text.size(); ++length) {
      auto const context = std::span(text).first(length);
      read(sources, context);
      CopyPointers const before = sources.pointers();
      CopyPointers after = before;
      sources.advance(after, text[length], [&](std::size_t position) { return text[position]; });
      REQUIRE(same(sources.pointers(), before));
      read(sources, std::span(text).first(length + 1));
      REQUIRE(after.own.hits == sources.pointers().own.hits);
      REQUIRE(after.history.hits == sources.pointers().history.hits);
      // Where it holds, nothing is searched for, and a recovered that is there has no reason to leave.
      auto const check = [&](MatchPointers const& old, MatchPointers const& advanced, MatchPointers const& appended) {
        if (!advanced.longest.active) return;
        REQUIRE(same(advanced.longest, appended.longest));
        if (!old.recovered.active || old.recovered.position != old.longest.position) return;
        REQUIRE(same(advanced.recovered, appended.recovered));
        ++followed;
      };
      check(before.own, after.own, sources.pointers().own);
      check(before.history, after.history, sources.pointers().history);
    }
  }
  CHECK(followed > 5000);
}

TEST_CASE("a chain in a history ends with the request, and goes on where the text is its own") {
  auto const history = std::make_shared<History>(std::size_t{1} << 16);
  history->append(counting(100, 8));
  history->append(counting(300, 8));
  CopySources sources(0, history);
  sources.reserve(100);
  Tokens chain = counting(100, 4);
  read(sources, chain);
  CopyPointers pointers = sources.pointers();
  auto const token_at = [&](std::size_t position) { return chain[position]; };
  for (Token token = 104; token < 108; ++token) {
    MixerInput const said = sources.input(contexts_of(chain), pointers, chain.size(), token_at);
    CHECK(said.votes[MixerInput::own_pointers].token == token);
    CHECK(said.successors[MixerInput::own_contexts + 1].token(0) == token);
    chain.push_back(token);
    sources.advance(pointers, token, token_at);
  }
  CHECK_FALSE(pointers.history.longest.active);
  CHECK_FALSE(pointers.history.recovered.active);
  CHECK(says_nothing_of_history(sources.input(contexts_of(chain), pointers, chain.size(), token_at)));
}

TEST_CASE("nothing is said of a request that was removed, also by sources that followed it") {
  auto const history = std::make_shared<History>(std::size_t{1} << 16);
  HistoryEntryId const request = history->append(counting(100, 40));
  CopySources sources(0, history);
  sources.reserve(100);
  Tokens text = counting(100, 5);
  read(sources, text);
  CHECK(votes(input_after(sources, text), MixerInput::own_pointers) == 2);
  history->remove(request);
  CHECK(says_nothing_of_history(input_after(sources, text)));
  text.push_back(105);
  read(sources, text);
  CHECK_FALSE(sources.pointers().history.longest.active);
  CHECK(says_nothing_of_history(input_after(sources, text)));
}

TEST_CASE("where room is made sources forget everything, and seldom") {
  Random random(4);
  Tokens const text = copying_text(random, 300, 6);
  CopySources sources(0, nullptr);
  CHECK(sources.memory_bytes() == 0);
  CHECK(sources.reserve(100));
  read(sources, std::span(text).first(100));
  CHECK_FALSE(sources.reserve(100));
  CHECK_FALSE(sources.reserve(0));
  CHECK(sources.size() == 100);
  CHECK(sources.reserve(101));
  CHECK(sources.size() == 0);
  CHECK(same(sources.pointers(), CopyPointers{}));
  CHECK(same(input_after(sources, {}), MixerInput{}));
  // A quarter more than the last time.
  CHECK_FALSE(sources.reserve(125));
  CHECK(sources.reserve(300));
  read(sources, text);
  CopySources fresh(0, nullptr);
  fresh.reserve(300);
  read(fresh, text);
  CHECK(same(sources.pointers(), fresh.pointers()));
  CHECK(same(input_after(sources, text), input_after(fresh, text)));
}

TEST_CASE("sources that were cut back are fresh ones, unless there was nothing to cut") {
  Random random(5);
  for (int round = 0; round < 100; ++round) {
    auto const history = std::make_shared<History>(std::size_t{1} << 16);
    Tokens const earlier = copying_text(random, 200, 8);
    history->append(earlier);
    CopySources used(0, history);
    CopySources fresh(0, history);
    used.reserve(10000);
    fresh.reserve(10000);
    Tokens const before = copying_text(random, 10 + below(random, 300), 8, earlier);
    read(used, before);
    CopyPointers const pointers = used.pointers();
    CHECK(used.truncate(before.size()) == Truncated::nothing);
    CHECK(used.truncate(before.size() + 1) == Truncated::nothing);
    CHECK(same(used.pointers(), pointers));
    std::size_t const left = below(random, before.size());
    if (used.truncate(left) == Truncated::forgotten) {
      CHECK(used.size() == 0);
      CHECK(same(used.pointers(), CopyPointers{}));
    } else {
      CHECK(used.size() == left);
    }
    Tokens const text = Tokens(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(left)) +
                        copying_text(random, 300, 8, earlier);
    for (std::size_t length = left + below(random, 80); length <= text.size(); ++length) {
      auto const context = std::span(text).first(length);
      read_as_prompt(used, context);
      read_as_prompt(fresh, context);
      REQUIRE(same(used.pointers(), fresh.pointers()));
      REQUIRE(same(input_after(used, context), input_after(fresh, context)));
    }
  }
}

TEST_CASE("of what is skipped nothing is known, and no more is skipped than is further back than the window") {
  Random random(6);
  std::size_t const window = 50;
  for (int round = 0; round < 20; ++round) {
    std::size_t const length = window + 1 + below(random, 300);
    Tokens const text = copying_text(random, length + 100, 3);
    CopySources sources(window, nullptr);
    sources.reserve(4000);
    sources.begin_reading(std::span(text).first(window));
    CHECK(sources.size() == 0);
    sources.begin_reading(std::span(text).first(length));
    REQUIRE(sources.size() == length - window);
    CopySources fresh(0, nullptr);
    fresh.begin_reading(std::span(text).first(length));
    CHECK(fresh.size() == 0);
    Reference reference(window, window);
    reference.skip(length - window);
    for (std::size_t i = length - window + 1; i <= text.size(); ++i) {
      auto const context = std::span(text).first(i);
      read(sources, context);
      reference.append(context, true);
      REQUIRE(same(sources.pointers(), reference.pointers()));
      REQUIRE(same(input_after(sources, context), reference.input_after(context)));
    }
  }
}

TEST_CASE("a place is left when the text is skipped from there on") {
  auto const history = std::make_shared<History>(std::size_t{1} << 16);
  history->append(counting(100, 40));
  CopySources sources(40, history);
  sources.reserve(40);
  Tokens text = counting(100, 10) + counting(100, 6);
  read(sources, text);
  CHECK(votes(input_after(sources, text), 0) == 4);
  text = text + counting(300, 100);
  sources.begin_reading(text);
  CHECK(same(sources.pointers(), CopyPointers{}));
  text.resize(sources.size() + 1);
  read(sources, text);
  CHECK(votes(input_after(sources, text), 0) == 0);
}

TEST_CASE("memory of sources is what is documented, bounded by the window") {
  for (std::size_t const tokens : {1000U, 20000U, 87000U, 300000U}) {
    CopySources sources(0, nullptr);
    sources.reserve(tokens);
    CHECK(sources.memory_bytes() <= 50 * tokens + 11 * 1024);
    CHECK(sources.memory_bytes() > 10 * tokens);
    CopySources bounded(500, nullptr);
    bounded.reserve(tokens);
    CHECK(bounded.memory_bytes() <= 54 * 500 + 3 * 1024);
    CHECK_FALSE(bounded.reserve(2 * tokens));
  }
}

TEST_CASE("sources allocate nothing once room was made") {
  Random random(7);
  auto const history = std::make_shared<History>(std::size_t{1} << 18);
  Tokens const earlier = copying_text(random, 1000, 20);
  history->append(earlier);
  Tokens const text = copying_text(random, 2000, 20, earlier);
  for (std::size_t const window : {0U, 100U}) {
    CopySources sources(window, history);
    sources.reserve(text.size());
    std::size_t const memory = sources.memory_bytes();
    std::size_t const before = allocations();
    for (int round = 0; round < 2; ++round) {
      sources.begin_reading(std::span(text).first(text.size() / 2));
      for (std::size_t length = sources.size() + 1; length < text.size(); ++length) {
        auto const context = std::span(text).first(length);
        read(sources, context);
        static_cast<void>(input_after(sources, context));
        CopyPointers pointers = sources.pointers();
        sources.advance(pointers, text[length], [&](std::size_t position) { return text[position]; });
      }
      sources.truncate(7);
      sources.reserve(text.size());
    }
    CHECK(allocations() == before);
    CHECK(sources.memory_bytes() == memory);
  }
}

TEST_CASE(
    "reference texts are worth what they are as context that was said before, with tokens between that are none") {
  Random random(31);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    std::vector<Tokens> texts(1 + below(random, 3));
    Tokens before;
    for (Tokens& text : texts) {
      text = copying_text(random, below(random, 120), 12);
      before = before + text + Tokens{-1};
    }
    Tokens const context = copying_text(random, 200, 12, before);
    CopySources given(0, nullptr);
    CopySources said(0, nullptr);
    // Room for as many contexts in both, or others would share a bucket: a quarter more than 2000, when it grows.
    given.reserve(2000);
    CHECK(given.set_references(texts));
    said.reserve(2500);
    read(said, before);
    for (std::size_t length = 0; length <= context.size(); ++length) {
      auto const part = std::span(context).first(length);
      read(given, part);
      Tokens const all = before + Tokens(part.begin(), part.end());
      read(said, all);
      CAPTURE(length);
      MixerInput const known = input_after(given, part);
      MixerInput const expected = input_after(said, all);
      REQUIRE(same(known.votes[0], expected.votes[0]));
      REQUIRE(same(known.votes[1], expected.votes[1]));
      REQUIRE(known.hits == expected.hits);
      auto const& own = given.pointers().own;
      for (auto const& [vote, pointer] :
           {std::pair(known.votes[0], own.longest), std::pair(known.votes[1], own.recovered)})
        if (vote.token >= 0)
          REQUIRE(vote.source == (pointer.position < before.size() ? Source::reference : Source::context));
      if (length == 150 && round % 2 == 0) CHECK(given.truncate(100) == Truncated::forgotten);
      if (length == 150 && round % 2 == 0) CHECK(said.truncate(before.size() + 100) == Truncated::forgotten);
    }
  }
}

TEST_CASE("references are dropped with others, and with none") {
  std::vector<Tokens> const first = {counting(100, 20)};
  std::vector<Tokens> const second = {counting(300, 20)};
  CopySources sources(0, nullptr);
  sources.reserve(10);
  CHECK_FALSE(sources.set_references({}));
  auto const expected = [&](Tokens const& context) {
    read(sources, context);
    return input_after(sources, context).votes[0].token;
  };
  CHECK(sources.set_references(first));
  CHECK(sources.size() == 0);
  CHECK(expected({105, 106, 107}) == 108);
  CHECK(sources.set_references(second));
  CHECK(expected({105, 106, 107}) < 0);
  CHECK(expected({105, 106, 107, 305, 306, 307}) == 308);
  CHECK(sources.set_references({}));
  CHECK(expected({305, 306, 307}) < 0);
  CHECK(input_after(sources, Tokens{305, 306, 307}).successors[0].size() == 0);
}
