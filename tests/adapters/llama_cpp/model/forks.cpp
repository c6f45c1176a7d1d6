// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/demo_model.hpp"
#include "support/llama_error.hpp"
#include "support/random_model.hpp"

namespace {

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::adapters::LlamaCpp;
using copyspec_test::error_of;
using copyspec_test::make_context;
using copyspec_test::RandomModel;

using Tokens = std::vector<Token>;
using Row = std::vector<float>;

constexpr std::uint32_t window = 8;

struct Kind {
  std::string_view name;
  llama_model* model;
  double rounding;
  bool keeps_state = false;
  bool slides = false;
};

std::vector<Kind> const& kinds() {
  static std::vector<RandomModel> made;
  static std::vector<Kind> const all = [] {
    auto const add = [](RandomModel model) {
      REQUIRE(model != nullptr);
      made.push_back(std::move(model));
      return made.back().get();
    };
    constexpr double little = 1e-4;
    return std::vector<Kind>{
        {"the demo's", &copyspec_test::demo_model(), 1.5},
        {"attention", add(copyspec_test::random_llama().spread(0.5F).build()), little},
        {"recurrent", add(copyspec_test::make_random_mamba()), little, true},
        {"hybrid", add(copyspec_test::make_random_hybrid()), little, true},
        {"hybrid with a window", add(copyspec_test::make_random_hybrid(window)), little, true, true},
        {"window", add(copyspec_test::make_random_sliding_window(window)), little, false, true},
    };
  }();
  return all;
}

llama_context_params context_of(Kind const& kind, bool unified, bool whole_window) {
  llama_context_params parameters = copyspec_test::small_context();
  parameters.n_ctx = 1024;
  parameters.n_seq_max = 4;
  parameters.n_batch = 64;
  parameters.n_ubatch = 16;
  parameters.kv_unified = unified;
  parameters.swa_full = whole_window;
  parameters.n_threads = parameters.n_threads_batch = 1;
  if (kind.model == &copyspec_test::demo_model()) return parameters;
  // So that little is rounded.
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  return parameters;
}

// Calls `check` for each kind of model in each kind of context. With the demo's model, which takes seconds, if it says
// so.
template <class Check>
void for_each_context(bool with_demo, Check&& check) {
  for (Kind const& kind : kinds()) {
    if (!with_demo && kind.model == &copyspec_test::demo_model()) continue;
    for (bool const unified : {false, true}) {
      for (bool const whole_window : {true, false}) {
        if (!whole_window && !kind.slides) continue;
        CAPTURE(kind.name);
        CAPTURE(unified);
        CAPTURE(whole_window);
        auto const context = make_context(*kind.model, context_of(kind, unified, whole_window));
        LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
        check(kind, model, whole_window);
      }
    }
  }
}

Tokens some_tokens(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Tokens tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % 64);
  return tokens;
}

Tokens operator+(Tokens first, Tokens const& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Tokens first(Tokens const& tokens, std::size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)};
}

// The last row after `tokens`, fed in passes of no more than the model takes, with `rows` rows in the last one.
Row feed(LlamaCpp& model, int id, std::span<Token const> tokens, std::size_t rows = 1) {
  Row row;
  while (!tokens.empty()) {
    auto const part = tokens.first(std::min(tokens.size(), model.max_tokens()));
    tokens = tokens.subspan(part.size());
    Segment const segment{.sequence = SequenceId{id}, .tokens = part, .rows = tokens.empty() ? rows : 0};
    auto const logits = model.forward({&segment, 1});
    if (tokens.empty()) row.assign(logits.row(rows - 1).begin(), logits.row(rows - 1).end());
  }
  return row;
}

// The same of a sequence that never held anything else.
Row fresh(LlamaCpp& model, std::span<Token const> tokens) {
  REQUIRE(model.truncate(SequenceId{3}, 0) == 0);
  Row row = feed(model, 3, tokens);
  model.truncate(SequenceId{3}, 0);
  return row;
}

// Feeds what sequence `id` lacks of `tokens`, of which it holds `held`, and compares with a fresh sequence.
void check_continues(Kind const& kind, LlamaCpp& model, int id, std::size_t held, Tokens const& tokens,
                     std::size_t rows = 1) {
  Row const expected = fresh(model, tokens);
  Row const row = feed(model, id, std::span(tokens).subspan(held), rows);
  REQUIRE(row.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < row.size(); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(row[i] - expected[i])));
  CAPTURE(id);
  CHECK(worst < kind.rounding);
}

std::size_t fork(LlamaCpp& model, int from, int to, std::size_t length) {
  return model.fork(SequenceId{from}, SequenceId{to}, length);
}

Tokens const text = some_tokens(40, 1);

}  // namespace

TEST_CASE("a fork continues as a sequence that was fed the same tokens, and so does its source") {
  for_each_context(true, [](Kind const& kind, LlamaCpp& model, bool whole_window) {
    for (std::size_t const length :
         {std::size_t{0}, std::size_t{1}, std::size_t{25}, std::size_t{40}, std::size_t{99}}) {
      // The demo's model takes a second for each length.
      if (kind.model == &copyspec_test::demo_model() && length != 25) continue;
      CAPTURE(length);
      (void)feed(model, 0, text);
      std::size_t const held = fork(model, 0, 1, length);
      bool const whole = length >= text.size() || (!kind.keeps_state && (!kind.slides || whole_window));
      if (whole) CHECK(held == std::min(length, text.size()));
      CHECK(held <= std::min(length, text.size()));
      Tokens const other = first(text, std::min(length, text.size())) + some_tokens(10, 2);
      check_continues(kind, model, 1, held, other);
      check_continues(kind, model, 0, text.size(), text + some_tokens(10, 3));
      // Either may leave first.
      int const left = length % 2 == 0 ? 0 : 1;
      model.truncate(SequenceId{1 - left}, 0);
      check_continues(kind, model, left, left == 0 ? text.size() + 10 : other.size(),
                      (left == 0 ? text + some_tokens(10, 3) : other) + some_tokens(5, 4));
      model.truncate(SequenceId{left}, 0);
    }
  });
}

TEST_CASE("a fork outlives its source, whatever that is used for before the next pass") {
  for_each_context(false, [](Kind const& kind, LlamaCpp& model, bool) {
    (void)feed(model, 0, text);
    CHECK(fork(model, 0, 1, 40) == 40);
    CHECK(fork(model, 1, 2, 40) == 40);
    model.truncate(SequenceId{0}, 0);
    check_continues(kind, model, 0, 0, some_tokens(50, 5));
    check_continues(kind, model, 2, 40, text + some_tokens(7, 6));
    check_continues(kind, model, 1, 40, text + some_tokens(7, 7));
  });
}

TEST_CASE("a state is forked up to its checkpoint") {
  for_each_context(false, [](Kind const& kind, LlamaCpp& model, bool) {
    if (!kind.keeps_state) return;
    (void)feed(model, 0, first(text, 30));
    (void)feed(model, 0, std::span(text).subspan(30), 10);
    REQUIRE(model.checkpoints().length(0) == 30);
    CHECK(fork(model, 0, 1, 35) == 30);
    check_continues(kind, model, 1, 30, first(text, 35) + some_tokens(6, 8));
    CHECK(fork(model, 0, 2, 29) == 0);
    check_continues(kind, model, 0, 40, text + some_tokens(6, 9));
    CHECK(model.truncate(SequenceId{0}, 33) == 30);
  });
}

TEST_CASE("a rejected draft is rolled back in a fork and in its source, right after the fork") {
  for_each_context(false, [](Kind const& kind, LlamaCpp& model, bool) {
    // Longer than what llama.cpp computes at once, so that windows have checkpoints, too.
    Tokens const draft = some_tokens(24, 10);
    (void)feed(model, 0, text);
    CHECK(fork(model, 0, 1, 40) == 40);
    for (int const id : {0, 1}) {
      (void)feed(model, id, draft, draft.size());
      std::size_t const held = model.truncate(SequenceId{id}, 40);
      CHECK(held == 40);
      check_continues(kind, model, id, held, text + some_tokens(3, 11 + static_cast<unsigned>(id)));
    }
  });
}

TEST_CASE("a source that goes back to its checkpoint before the next pass does not change its fork") {
  for_each_context(false, [](Kind const& kind, LlamaCpp& model, bool) {
    Tokens const draft = some_tokens(24, 12);
    (void)feed(model, 0, text);
    (void)feed(model, 0, draft, draft.size());
    CHECK(fork(model, 0, 1, 64) == 64);
    std::size_t const held = model.truncate(SequenceId{0}, 40);
    check_continues(kind, model, 0, held, text + some_tokens(50, 13));
    check_continues(kind, model, 1, 64, text + draft + some_tokens(5, 14));
  });
}

TEST_CASE(
    "a window that has moved on is forked whole or up to its checkpoint, and the source goes back to that alone") {
  Kind const& kind = kinds().back();
  for (bool const unified : {false, true}) {
    CAPTURE(unified);
    llama_context_params parameters = context_of(kind, unified, false);
    parameters.n_ctx = unified ? 2048 : 4096;
    // The cache of the window has 256 cells, which a longer draft overwrites. The newest tokens of both come first.
    parameters.n_batch = 334;
    parameters.n_ubatch = window;
    Tokens const longer = some_tokens(440, 40);
    Tokens const draft = some_tokens(334, 41);
    for (std::size_t const length : {std::size_t{445}, std::size_t{439}, std::size_t{999}}) {
      CAPTURE(length);
      auto const context = make_context(*kind.model, parameters);
      LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
      Tokens const expected = first(longer + draft, std::min<std::size_t>(length, 774));
      Tokens const more = some_tokens(6, 42);
      (void)feed(model, 0, longer);
      (void)feed(model, 0, draft, draft.size());
      REQUIRE(model.checkpoints().length(0) == 440);
      std::size_t const held = fork(model, 0, 1, length);
      CHECK(held == (length == 999 ? 774 : length == 445 ? 440 : 0));
      CHECK(model.truncate(SequenceId{0}, 440) == 440);
      (void)feed(model, 1, std::span(expected).subspan(held));
      model.truncate(SequenceId{0}, 0);
      check_continues(kind, model, 1, expected.size(), expected + more);
    }
  }
}

TEST_CASE("a fork replaces what its id held, and needs two ids that are not reserved for branches") {
  auto const context = make_context(*kinds()[1].model, context_of(kinds()[1], true, true));
  LlamaCpp model(*context, 2);
  Tokens const whole = text + some_tokens(5, 15);
  Row const expected = feed(model, 1, whole);
  (void)feed(model, 0, text);
  CHECK(fork(model, 0, 1, 40) == 40);
  Row const row = feed(model, 1, some_tokens(5, 15));
  for (std::size_t i = 0; i < row.size(); ++i) CHECK(std::abs(row[i] - expected[i]) < 1e-4F);
  CHECK(error_of([&] { fork(model, 0, 2, 1); }).find("sequence 2 is not below") != std::string::npos);
  CHECK(error_of([&] { fork(model, 3, 0, 1); }).find("sequence 3 is not below") != std::string::npos);
  CHECK(error_of([&] { fork(model, 0, -1, 1); }).find("sequence -1 is not below") != std::string::npos);
  CHECK(error_of([&] { fork(model, 1, 1, 1); }).find("cannot be forked to itself") != std::string::npos);
  CHECK(error_of([&] { model.shift(SequenceId{2}, 0, 1); }).find("sequence 2 is not below") != std::string::npos);
}

TEST_CASE("a fork between a tree and its path has the sequence and none of the branches") {
  Kind const& kind = kinds()[1];
  auto const context = make_context(*kind.model, context_of(kind, true, true));
  LlamaCpp model(*context, 2);
  (void)feed(model, 0, first(text, 39));
  Tokens const tokens{text.back(), 7, 8, 9};
  std::vector<std::int32_t> const parents{-1, -1, 0};
  TreeSegment const tree{.sequence = SequenceId{0}, .tokens = tokens, .rows = 4, .parents = parents};
  (void)model.forward({&tree, 1});
  CHECK(fork(model, 0, 1, 40) == 40);
  // The path to the last node is kept afterwards.
  CHECK(model.keep(SequenceId{0}, 40, std::vector<std::int32_t>{0, 2}) == 42);
  for (llama_seq_id id = 2; id < 4; ++id) CHECK(llama_memory_seq_pos_max(llama_get_memory(context.get()), id) == -1);
  auto const check = [&](int id, Tokens const& held) {
    Row const row = feed(model, id, some_tokens(5, 16));
    model.truncate(SequenceId{id}, 0);
    Row const expected = feed(model, id, held + some_tokens(5, 16));
    for (std::size_t i = 0; i < row.size(); ++i) CHECK(std::abs(row[i] - expected[i]) < 1e-4F);
  };
  check(1, text);
  check(0, text + Tokens{7, 9});
}

TEST_CASE("a shared context takes room once") {
  Kind const& kind = kinds()[1];
  llama_context_params parameters = context_of(kind, true, true);
  parameters.n_ctx = 256;
  auto const context = make_context(*kind.model, parameters);
  LlamaCpp model(*context);
  Tokens const longer = some_tokens(200, 17);
  (void)feed(model, 0, longer);
  for (int id = 1; id < 4; ++id) {
    CHECK(fork(model, 0, id, 200) == 200);
    (void)feed(model, id, some_tokens(18, static_cast<unsigned>(id)));
  }
  CHECK(error_of([&] { (void)feed(model, 0, some_tokens(3, 18)); }).find("the cache is full") != std::string::npos);
}

TEST_CASE("a model of one layer continues after a shift as if it had never been fed the forgotten tokens") {
  // Keys and values of the first layer depend on a token and its position alone.
  RandomModel const one_layer = copyspec_test::random_llama().count("block_count", 1).spread(0.5F).build();
  REQUIRE(one_layer != nullptr);
  Kind const kind{"one layer", one_layer.get(), 1e-4};
  for (bool const unified : {false, true}) {
    CAPTURE(unified);
    auto const context = make_context(*kind.model, context_of(kind, unified, true));
    LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
    Tokens expected = text;
    auto const forget = [&](std::size_t from, std::size_t count) {
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(from),
                     expected.begin() + static_cast<std::ptrdiff_t>(from + count));
      CHECK(model.shift(SequenceId{0}, from, count) == expected.size());
    };
    auto const go_on = [&](Tokens const& more) {
      check_continues(kind, model, 0, expected.size(), expected + more);
      expected = expected + more;
    };
    (void)feed(model, 0, text);
    (void)feed(model, 1, text);
    forget(5, 20);
    go_on(some_tokens(3, 20));
    forget(0, 4);
    forget(2, 3);
    go_on(some_tokens(3, 21));
    // A fork of keys that were moved and not yet computed.
    forget(1, 2);
    CHECK(fork(model, 0, 2, 99) == expected.size());
    check_continues(kind, model, 2, expected.size(), expected + some_tokens(4, 22));
    go_on(some_tokens(3, 23));
    check_continues(kind, model, 1, text.size(), text + some_tokens(4, 24));
    // At the end there is nothing to move, and nothing is nothing.
    CHECK(model.shift(SequenceId{0}, 4, 99) == 4);
    CHECK(model.shift(SequenceId{0}, 2, 0) == 4);
    CHECK(model.shift(SequenceId{0}, 9, 5) == 4);
    expected.resize(4);
    go_on(some_tokens(3, 25));
  }
}

TEST_CASE("a shift of a fork moves no token of another sequence") {
  for_each_context(true, [](Kind const& kind, LlamaCpp& model, bool) {
    if (kind.slides) return;
    for (std::size_t const shared : {std::size_t{40}, std::size_t{12}}) {
      (void)feed(model, 0, text);
      std::size_t const held = fork(model, 0, 1, shared);
      Tokens const other = first(text, shared) + some_tokens(30, 26);
      (void)feed(model, 1, std::span(other).subspan(held));
      std::size_t const after = model.shift(SequenceId{1}, 6, 10);
      CHECK((after == other.size() - 10 || after == 6 || after == 0));
      if (shared == 12) CHECK(after == other.size() - 10);
      check_continues(kind, model, 0, 40, text + some_tokens(5, 27));
      if (after == 6) check_continues(kind, model, 1, 6, first(text, 6) + some_tokens(9, 28));
      (void)feed(model, 1, some_tokens(5, 29));
      model.truncate(SequenceId{0}, 0);
      model.truncate(SequenceId{1}, 0);
    }
  });
}

TEST_CASE("a sequence that was shifted goes back no further than it can") {
  for_each_context(false, [](Kind const& kind, LlamaCpp& model, bool) {
    if (kind.slides) {
      (void)feed(model, 0, text);
      CHECK(error_of([&] { model.shift(SequenceId{0}, 3, 5); }).find("cannot shift") != std::string::npos);
      check_continues(kind, model, 0, 40, text + some_tokens(5, 30));
      return;
    }
    (void)feed(model, 0, first(text, 30));
    (void)feed(model, 0, std::span(text).subspan(30), 10);
    CHECK(model.shift(SequenceId{0}, 3, 5) == 35);
    CHECK(model.checkpoints().length(0) <= 3);
    // Longer than what llama.cpp computes at once.
    Tokens const draft = some_tokens(24, 31);
    (void)feed(model, 0, draft, draft.size());
    std::size_t const held = model.truncate(SequenceId{0}, 35);
    CHECK(held == 35);
    if (kind.keeps_state) return;
    CHECK(model.truncate(SequenceId{0}, 2) == 2);
    check_continues(kind, model, 0, 2, first(text, 2) + some_tokens(5, 32));
  });
}
