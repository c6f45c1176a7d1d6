// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/checkpoints.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <copyspec/adapters/llama_cpp/model.hpp>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/demo_model.hpp"
#include "support/llama_error.hpp"
#include "support/random_model.hpp"

namespace {

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::MixingOptions;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec_test::ContextPointer;
using copyspec_test::error_of;
using copyspec_test::make_context;
using copyspec_test::RandomModel;

constexpr std::uint32_t window = 8;
constexpr double rounding = 2e-5;

struct Kind {
  std::string_view name;
  RandomModel model;
  bool keeps_state;
  bool slides;
};

// Models whose cache cannot be cut back, of each kind that llama.cpp has.
std::vector<Kind>& kinds() {
  static std::vector<Kind> all = [] {
    llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    std::vector<Kind> made;
    made.push_back({"recurrent", copyspec_test::make_random_mamba(), true, false});
    made.push_back({"hybrid", copyspec_test::make_random_hybrid(), true, false});
    made.push_back({"hybrid with a window", copyspec_test::make_random_hybrid(window), true, true});
    made.push_back({"window", copyspec_test::make_random_sliding_window(window), false, true});
    for (Kind const& kind : made) REQUIRE_MESSAGE(kind.model != nullptr, kind.name);
    return made;
  }();
  return all;
}

llama_context_params small_context(std::uint32_t at_once = 128) {
  llama_context_params parameters = copyspec_test::small_context();
  parameters.n_ctx = 1536;
  parameters.n_seq_max = 3;
  parameters.n_batch = 64;
  parameters.n_ubatch = at_once;
  parameters.n_threads = parameters.n_threads_batch = 1;
  parameters.swa_full = false;
  // So that little is rounded.
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  return parameters;
}

std::vector<Token> random_tokens(std::mt19937_64& random, std::size_t count) {
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % 64);
  return tokens;
}

// Knows what the model will say, and drafts `right` tokens of it and `wrong` others, as `chosen(position)` says.
class DraftSampler {
 public:
  struct Length {
    std::size_t right;
    std::size_t wrong;
  };

  DraftSampler(std::vector<std::vector<Token>> known, std::function<Length(std::size_t)> chosen)
      : known_(std::move(known)), chosen_(std::move(chosen)) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    auto const found = std::ranges::find_if(known_, [&](std::vector<Token> const& whole) {
      return whole.size() >= context.size() && std::ranges::equal(context, std::span(whole).first(context.size()));
    });
    if (found == known_.end()) return {};
    auto const [right, wrong] = chosen_(context.size());
    std::size_t const total = std::min(space.size(), right + wrong);
    for (std::size_t i = 0; i < total; ++i) {
      std::size_t const position = context.size() + i;
      Token const said = position < found->size() ? (*found)[position] : 0;
      space[i] = i < right ? said : (said + 1) % 64;
    }
    return {.length = total};
  }

  static void truncate(std::size_t) {}

 private:
  std::vector<std::vector<Token>> known_;
  std::function<Length(std::size_t)> chosen_;
};

// Tokens that were fed once more than in plain decoding, and were not rejected.
std::size_t fed_again(SequenceCounters const& counters, std::size_t prompt) {
  return counters.tokens_fed - (prompt + counters.generated - 1) - (counters.drafted - counters.accepted);
}

// The prompt and what plain decoding says.
std::vector<Token> plain_text(LlamaCpp& model, std::span<Token const> prompt, std::size_t budget) {
  Composer composer(model, NoProposer(), GreedyVerifier());
  (void)composer.generate(prompt, {.max_new_tokens = budget});
  auto const said = composer.sequence(SequenceId{0}).context();
  std::vector<Token> text(said.begin(), said.end());
  composer.remove(SequenceId{0});
  return text;
}

}  // namespace

TEST_CASE("models whose cache cannot be cut back keep the laws of Model") {
  for (Kind& kind : kinds()) {
    CAPTURE(kind.name);
    for (std::uint32_t const at_once : {128U, 5U}) {
      llama_context_params parameters = small_context(at_once);
      for (bool const unified : {false, true}) {
        parameters.kv_unified = unified;
        auto const context = make_context(*kind.model, parameters);
        LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
        CHECK(copyspec::detail::LlamaCppCheckpoints::keeps_state(*context) == kind.keeps_state);
        auto const report =
            copyspec::testing::check_model_laws(model, {.length = 40, .tolerance = rounding, .seed = 5});
        for (auto const& violation : report.violations) FAIL_CHECK(violation);
      }
    }
  }
}

TEST_CASE("whatever is fed, drafted and cut back, rows are those of a sequence that was fed at once") {
  for (Kind& kind : kinds()) {
    for (std::uint32_t const at_once : {128U, 7U}) {
      // A window in parts is not llama.cpp's strength: before it computes the first, it drops what the last overwrites.
      if (kind.slides && at_once == 7) continue;
      llama_context_params parameters = small_context(at_once);
      parameters.kv_unified = at_once == 7;
      auto const context = make_context(*kind.model, parameters);
      LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
      // Of one sequence that is never cut back.
      parameters.n_ubatch = 512;
      parameters.n_batch = 512;
      auto const other = make_context(*kind.model, parameters);
      LlamaCpp reference(*other, 0, LlamaCpp::Streams::apart);
      std::mt19937_64 random(at_once);
      std::array<std::vector<Token>, 3> held;
      std::size_t restored = 0, forgotten = 0;
      double largest = 0;
      for (int round = 0; round < 250; ++round) {
        std::vector<std::vector<Token>> added;
        std::vector<Segment> batch;
        std::vector<std::size_t> fed;
        std::size_t left = model.max_tokens();
        for (std::size_t id = 0; id < held.size(); ++id) {
          std::size_t const room = std::min<std::size_t>(left, 400 - std::min<std::size_t>(400, held[id].size()));
          if (random() % 3 == 0 || room == 0) continue;
          std::size_t const count = 1 + random() % std::min<std::size_t>(room, random() % 4 == 0 ? 60 : 9);
          added.push_back(random_tokens(random, count));
          fed.push_back(id);
          left -= count;
        }
        if (fed.empty()) continue;
        for (std::size_t i = 0; i < fed.size(); ++i) {
          std::size_t const rows = random() % 3 == 0   ? random() % (added[i].size() + 1)
                                   : random() % 3 == 0 ? 1
                                                       : added[i].size();
          batch.push_back({.sequence = SequenceId{static_cast<int>(fed[i])}, .tokens = added[i], .rows = rows});
        }
        auto const rows = model.forward(std::span<Segment const>(batch));
        std::size_t row = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) {
          auto& tokens = held[fed[i]];
          tokens.insert(tokens.end(), added[i].begin(), added[i].end());
          if (batch[i].rows == 0) continue;
          reference.truncate(SequenceId{0}, 0);
          Segment const whole{.sequence = SequenceId{0}, .tokens = tokens, .rows = batch[i].rows};
          auto const expected = reference.forward({&whole, 1});
          for (std::size_t r = 0; r < batch[i].rows; ++r, ++row)
            for (std::size_t t = 0; t < model.vocabulary_size(); ++t)
              largest = std::max(largest, static_cast<double>(std::abs(rows.row(row)[t] - expected.row(r)[t])));
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
          auto& tokens = held[fed[i]];
          std::size_t const before = tokens.size() - added[i].size();
          std::size_t const kept = random() % 20 == 0  ? random() % (tokens.size() + 1)
                                   : random() % 2 == 0 ? before + random() % (added[i].size() + 1)
                                                       : tokens.size();
          std::size_t const now = model.truncate(SequenceId{static_cast<int>(fed[i])}, kept);
          REQUIRE(now <= kept);
          if (kept == tokens.size()) CHECK(now == kept);
          // What was drafted is lost at most, behind a checkpoint that was made before.
          std::size_t const drafted = tokens.size() - batch[i].rows;
          if (batch[i].rows > 1 && kept >= drafted) CHECK(now >= drafted);
          if (now < kept) ++(now > 0 ? restored : forgotten);
          tokens.resize(now);
        }
      }
      CAPTURE(kind.name);
      CAPTURE(at_once);
      CHECK(largest < rounding);
      MESSAGE(kind.name, ", ", at_once, ": gone back to a checkpoint ", restored, " times, to nothing ", forgotten,
              " times; largest difference ", largest);
      if (kind.keeps_state) CHECK(restored > 30);
    }
  }
}

TEST_CASE("copying says what plain decoding says, in no more passes than tokens, whatever is drafted") {
  std::mt19937_64 random(11);
  constexpr std::size_t budget = 90;
  for (Kind& kind : kinds()) {
    CAPTURE(kind.name);
    auto const context = make_context(*kind.model, small_context());
    LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
    std::vector<Token> const prompt = random_tokens(random, 40);
    std::vector<Token> const text = plain_text(model, prompt, budget);
    auto const run = [&](auto proposer) {
      Composer composer(model, std::move(proposer), GreedyVerifier());
      (void)composer.generate(prompt, {.max_new_tokens = budget});
      CHECK(std::ranges::equal(composer.sequence(SequenceId{0}).context(), text));
      SequenceCounters const counters = composer.sequence(SequenceId{0}).counters();
      CHECK(counters.decode_passes <= budget);
      CHECK(fed_again(counters, prompt.size()) <= counters.draft_passes + counters.accepted);
      composer.remove(SequenceId{0});
      return counters;
    };
    using Length = DraftSampler::Length;
    auto const guess = [&](std::function<Length(std::size_t)> chosen) { return run(DraftSampler({text}, chosen)); };

    SequenceCounters const right = guess([](std::size_t) { return Length{5, 0}; });
    CHECK(right.decode_passes == budget / 6);
    CHECK(fed_again(right, prompt.size()) == 0);
    SequenceCounters const wrong = guess([](std::size_t) { return Length{0, 7}; });
    SequenceCounters const half = guess([](std::size_t) { return Length{3, 3}; });
    if (kind.keeps_state) {
      // Every second pass feeds again what the one before it lost, and drafts nothing.
      CHECK(wrong.decode_passes == budget);
      CHECK(wrong.draft_passes == budget / 2);
      CHECK(fed_again(wrong, prompt.size()) == budget / 2);
      CHECK(half.decode_passes == 2 * budget / 5);
      CHECK(half.draft_passes == budget / 5);
      CHECK(fed_again(half, prompt.size()) == 4 * budget / 5);
    } else {
      CHECK(fed_again(wrong, prompt.size()) == 0);
      CHECK(fed_again(half, prompt.size()) == 0);
    }
    (void)guess([&](std::size_t) { return Length{random() % 9, random() % 3 * 5}; });
    SequenceCounters const copied = run(CopyProposer());
    SequenceCounters const mixed = run(MixingProposer());
    SequenceCounters const told = run(
        MixingProposer({.rollback = kind.keeps_state ? copyspec::Rollback::checkpoint : copyspec::Rollback::exact}));
    MESSAGE(kind.name, ", 90 tokens: passes of CopyProposer ", copied.decode_passes, ", of MixingProposer ",
            mixed.decode_passes, ", if it is told of checkpoints ", told.decode_passes);
  }
}

TEST_CASE("several sequences, with prompts longer than a pass and second turns, say what each says alone") {
  std::mt19937_64 random(12);
  for (Kind& kind : kinds()) {
    for (bool const unified : {false, true}) {
      CAPTURE(kind.name);
      CAPTURE(unified);
      llama_context_params parameters = small_context();
      parameters.kv_unified = unified;
      auto const context = make_context(*kind.model, parameters);
      LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
      std::array<std::size_t, 3> const lengths{90, 5, 40};
      std::vector<std::vector<Token>> prompts, more, texts;
      for (std::size_t const length : lengths) {
        prompts.push_back(random_tokens(random, length));
        more.push_back(random_tokens(random, 100 - length));
        auto text = plain_text(model, prompts.back(), 50);
        text.insert(text.end(), more.back().begin(), more.back().end());
        texts.push_back(plain_text(model, text, 50));
      }
      Composer composer(model,
                        DraftSampler(texts,
                                     [&](std::size_t) {
                                       return DraftSampler::Length{random() % 7, random() % 4};
                                     }),
                        GreedyVerifier());
      for (auto const* const turn : {&prompts, &more}) {
        for (int id = 0; id < 3; ++id)
          composer.begin(SequenceId{id}, (*turn)[static_cast<std::size_t>(id)], {.max_new_tokens = 50});
        composer.run();
      }
      for (int id = 0; id < 3; ++id) {
        auto const& sequence = composer.sequence(SequenceId{id});
        CHECK(std::ranges::equal(sequence.context(), texts[static_cast<std::size_t>(id)]));
        CHECK(sequence.counters().accepted > 30);
        CHECK(sequence.counters().drafted > sequence.counters().accepted + 10);
      }
    }
  }
}

TEST_CASE("a pass that fails leaves a sequence that goes on as if it had not") {
  std::mt19937_64 random(13);
  struct Abort {
    int left;
  };
  for (Kind& kind : kinds()) {
    CAPTURE(kind.name);
    llama_context_params parameters = small_context();
    auto const context = make_context(*kind.model, parameters);
    LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
    std::vector<Token> const prompt = random_tokens(random, 100);
    std::vector<Token> const text = plain_text(model, prompt, 20);
    int failures = 0;
    for (int at = 1; at < 500; at += 7) {
      Composer composer(model,
                        DraftSampler({text},
                                     [](std::size_t place) {
                                       return DraftSampler::Length{place % 4, 2};
                                     }),
                        GreedyVerifier());
      composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 20});
      Abort abort{at};
      llama_set_abort_callback(
          context.get(), [](void* data) { return --static_cast<Abort*>(data)->left == 0; }, &abort);
      for (bool running = true; running;) {
        std::string const error = error_of([&] { running = composer.step([](OutputDelta const&) {}); });
        if (!error.empty()) ++failures;
      }
      llama_set_abort_callback(context.get(), nullptr, nullptr);
      CHECK(std::ranges::equal(composer.sequence(SequenceId{0}).context(), text));
      composer.remove(SequenceId{0});
    }
    CHECK(failures > 3);
  }
}

TEST_CASE("a full cache says so, and sequences with a state go on once there is room") {
  std::mt19937_64 random(14);
  llama_context_params parameters = small_context();
  parameters.n_ctx = 256;
  parameters.kv_unified = true;
  auto const context = make_context(*kinds()[1].model, parameters);
  LlamaCpp model(*context);
  std::vector<Token> const prompt = random_tokens(random, 40);
  std::vector<Token> const text = plain_text(model, prompt, 200);
  for (int i = 0; i < 2; ++i) {
    std::vector<Token> const filler(64, 5);
    Segment const other{.sequence = SequenceId{1}, .tokens = filler, .rows = 0};
    (void)model.forward({&other, 1});
  }
  Composer composer(model,
                    DraftSampler({text},
                                 [](std::size_t at) {
                                   return DraftSampler::Length{at % 5, 2};
                                 }),
                    GreedyVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 200});
  CHECK(error_of([&] { composer.run(); }).find("the cache is full") != std::string::npos);
  CHECK(composer.sequence(SequenceId{0}).length() > 256 - 128 - 8);
  model.truncate(SequenceId{1}, 0);
  composer.run();
  CHECK(std::ranges::equal(composer.sequence(SequenceId{0}).context(), text));
}

TEST_CASE("a checkpoint is a beginning of what is held, and one a sequence is all the memory there is") {
  std::mt19937_64 random(15);
  for (Kind& kind : kinds()) {
    if (!kind.keeps_state) continue;
    CAPTURE(kind.name);
    auto const context = make_context(*kind.model, small_context());
    LlamaCpp model(*context, 0, LlamaCpp::Streams::apart);
    auto const feed = [&](int id, std::size_t count, std::size_t rows) {
      auto const tokens = random_tokens(random, count);
      Segment const segment{.sequence = SequenceId{id}, .tokens = tokens, .rows = rows};
      (void)model.forward({&segment, 1});
    };
    auto const cut = [&](int id, std::size_t length) { return model.truncate(SequenceId{id}, length); };
    feed(0, 20, 1);
    CHECK(model.checkpoints().memory_bytes() == 0);
    CHECK(cut(0, 30) == 20);
    feed(0, 5, 5);
    CHECK(model.checkpoints().length(0) == 20);
    std::size_t const bytes = model.checkpoints().memory_bytes();
    CHECK(bytes > 0);
    CHECK(cut(0, 25) == 25);
    CHECK(cut(0, 22) == 20);
    feed(0, 9, 1);
    CHECK(cut(0, 20) == 20);
    feed(0, 9, 1);
    // Of another sequence.
    feed(1, 10, 1);
    feed(1, 2, 2);
    CHECK(cut(1, 11) == 10);
    CHECK(cut(0, 28) == 20);
    // Nothing is left of a checkpoint that is beyond.
    CHECK(cut(0, 19) == 0);
    CHECK(model.checkpoints().length(0) == 0);
    feed(0, 25, 1);
    CHECK(cut(0, 24) == 0);
    for (int i = 0; i < 20; ++i) feed(0, 10, 10);
    CHECK(model.checkpoints().length(0) == 190);
    CHECK(model.checkpoints().memory_bytes() <= 2 * bytes + 64);
    // What the context is fed otherwise is no beginning of it.
    llama_memory_clear(llama_get_memory(context.get()), true);
    feed(0, 60, 1);
    CHECK(cut(0, 59) == 0);
  }
}

TEST_CASE("a recurrent state has no branches") {
  llama_context_params parameters = small_context();
  parameters.kv_unified = true;
  for (Kind& kind : kinds()) {
    auto const context = make_context(*kind.model, parameters);
    CHECK(LlamaCpp(*context).max_branches() == 0);
    std::string const error = error_of([&] { LlamaCpp(*context, 1); });
    CHECK((error.find("need a model with attention only") != std::string::npos) == kind.keeps_state);
  }
}

TEST_CASE("a window that has moved on goes back as far as it reaches, to a checkpoint, or to nothing") {
  std::mt19937_64 random(16);
  Kind const& kind = kinds().back();
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 1;
  // The cache of the window has 256 cells: as few as that takes, so that a pass of as many overwrites all it may.
  parameters.n_batch = parameters.n_ubatch = 256 - window;
  auto const context = make_context(*kind.model, parameters);
  parameters.n_ubatch = window;
  auto const in_parts = make_context(*kind.model, parameters);
  parameters.swa_full = true;
  auto const full = make_context(*kind.model, parameters);
  constexpr std::size_t held = 440;
  auto const tokens = random_tokens(random, held);
  auto const draft = random_tokens(random, parameters.n_batch);
  auto const last = random_tokens(random, 1);
  for (auto const* const tested : {&context, &in_parts, &full}) {
    LlamaCpp model(**tested);
    auto const feed = [&](std::span<Token const> fed, std::size_t rows) {
      Segment const segment{.sequence = SequenceId{0}, .tokens = fed, .rows = rows};
      auto const row = model.forward({&segment, 1}).row(rows - 1);
      return std::vector<float>(row.begin(), row.end());
    };
    auto const feed_all = [&] {
      (void)feed(std::span(tokens).first(220), 1);
      (void)feed(std::span(tokens).subspan(220), 1);
    };
    feed_all();
    auto const expected = feed(last, 1);
    CHECK(model.truncate(SequenceId{0}, 0) == 0);
    feed_all();
    (void)feed(draft, draft.size());
    CHECK(model.checkpoints().length(0) == (tested == &context ? 0 : held));
    CHECK(model.truncate(SequenceId{0}, held) == held);
    auto const row = feed(last, 1);
    for (std::size_t t = 0; t < row.size(); ++t)
      CHECK(static_cast<double>(row[t]) == doctest::Approx(static_cast<double>(expected[t])).epsilon(rounding));
    CHECK(model.truncate(SequenceId{0}, held) == held);
    (void)feed(draft, draft.size());
    CHECK(model.truncate(SequenceId{0}, held - 1) == (tested == &full ? held - 1 : 0));
  }
}
