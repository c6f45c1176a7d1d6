// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/compare_with_greedy.hpp>
#include <copyspec/testing/detail/tree_laws.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/demo_model.hpp"
#include "support/llama_error.hpp"
#include "support/random_model.hpp"

namespace {

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::TreeSpace;
using copyspec::adapters::LlamaCpp;
using copyspec_test::ask;
using copyspec_test::copying_task;
using copyspec_test::demo_model;
using copyspec_test::end_tokens;
using copyspec_test::error_of;
using copyspec_test::make_context;
using copyspec_test::small_context;
using copyspec_test::tokenize;

// Below this, two logits of the demo's model are a near-tie for an engine that rounds differently per batch shape.
constexpr double rounding = 0.05;

// Guesses trees around an answer that it knows, of tokens below 64, in any order and shape, and now and then without
// anything right.
class TreesAround {
 public:
  TreesAround(std::vector<Token> prompt_and_answer, std::uint64_t seed)
      : known_(std::move(prompt_and_answer)), random_(seed) {}

  Draft propose(std::span<Token const>, std::span<Token>) { return {}; }

  Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    std::size_t const wanted = std::min<std::size_t>(space.tokens.size(), 10);
    std::vector<std::size_t> right(wanted, 0);
    for (std::size_t node = 0; node < wanted; ++node) {
      space.parents[node] = static_cast<std::int32_t>(node - random_() % std::min<std::size_t>(3, node + 1)) - 1;
      if (copyspec::tree_size(space.parents.first(node + 1), space.max_branches).nodes == node) return {node};
      auto const parent = static_cast<std::size_t>(space.parents[node] + 1);
      std::size_t const depth = parent == 0 ? 1 : right[parent - 1] == 0 ? 0 : right[parent - 1] + 1;
      std::size_t const position = context.size() + depth - 1;
      bool const follows = depth > 0 && position < known_.size() && random_() % 3 != 0;
      space.tokens[node] = follows ? known_[position] : static_cast<Token>(random_() % 64);
      if (follows) right[node] = depth;
    }
    return {wanted};
  }

  static void truncate(std::size_t) {}

 private:
  std::vector<Token> known_;
  std::mt19937_64 random_;
};
static_assert(copyspec::TreeProposer<TreesAround>);

llama_context_params branching_context() {
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 8;
  parameters.kv_unified = true;
  return parameters;
}

bool contains(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the adapter keeps the laws of Model up to rounding") {
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 2;
  for (bool const unified : {false, true}) {
    parameters.kv_unified = unified;
    auto const context = make_context(demo_model(), parameters);
    LlamaCpp model(*context, 0, unified ? LlamaCpp::Streams::together : LlamaCpp::Streams::apart);
    auto const report =
        copyspec::testing::check_model_laws(model, {.length = 12, .tolerance = 10 * rounding, .seed = 5});
    for (auto const& violation : report.violations) FAIL_CHECK(violation);
    MESSAGE("largest difference between rows that should be equal: ", report.largest_difference);
  }
}

TEST_CASE("the adapter keeps the laws of trees up to rounding") {
  llama_context_params parameters = branching_context();
  parameters.swa_full = true;
  auto const check = [&](llama_model& tested, std::size_t branches, copyspec::testing::LawOptions const& options) {
    auto const context = make_context(tested, parameters);
    LlamaCpp model(*context, branches);
    auto const report = copyspec::detail::TreeLaws<LlamaCpp>(model, options).check();
    for (auto const& violation : report.violations) FAIL_CHECK(violation);
    return report.largest_difference;
  };
  auto const llama = copyspec_test::make_random_llama();
  auto const sliding = copyspec_test::make_random_sliding_window(4);
  REQUIRE(llama != nullptr);
  REQUIRE(sliding != nullptr);
  // Random weights of 32 bits round little. Trees may be longer than what llama.cpp computes at once, too.
  for (std::uint32_t const at_once : {128U, 3U}) {
    parameters.n_ubatch = at_once;
    for (std::size_t const branches : {1U, 6U}) {
      double const largest = check(*llama, branches, {.length = 24, .tolerance = 1e-4, .seed = branches});
      MESSAGE("largest difference between rows that should be equal: ", largest);
      check(*sliding, branches, {.length = 24, .tolerance = 1e-4, .seed = branches});
    }
  }
}

TEST_CASE("trees say what greedy decoding says, of two sequences at once, and leave no cell behind") {
  auto const llama = copyspec_test::make_random_llama();
  auto const context = make_context(*llama, branching_context());
  LlamaCpp model(*context, 6);
  std::vector<Token> const prompt{3, 1, 4, 1, 5};
  std::vector<Token> whole = prompt;
  {
    Composer plain(model, NoProposer(), GreedyVerifier());
    auto const said = plain.generate(prompt, {.max_new_tokens = 100});
    whole.insert(whole.end(), said.begin(), said.end());
  }
  std::span<Token const> const expected = std::span<Token const>(whole).subspan(prompt.size());
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Composer composer(model, TreesAround(whole, seed), GreedyVerifier());
    for (int i = 0; i < 2; ++i) composer.begin(SequenceId{i}, prompt, {.max_new_tokens = 100});
    composer.run();
    for (int i = 0; i < 2; ++i) {
      auto const& sequence = composer.sequence(SequenceId{i});
      CHECK(std::ranges::equal(sequence.generated(), expected));
      CHECK(sequence.counters().accepted > 30);
      CHECK(sequence.counters().decode_passes < 70);
    }
  }
  for (llama_seq_id id = 0; id < 8; ++id) CHECK(llama_memory_seq_pos_max(llama_get_memory(context.get()), id) == -1);
}

TEST_CASE("a cache that is too full for a tree has room for plain decoding, and an aborted tree leaves nothing") {
  auto const llama = copyspec_test::make_random_llama();
  llama_context_params parameters = branching_context();
  parameters.n_ctx = 256;
  auto const context = make_context(*llama, parameters);
  LlamaCpp model(*context, 6);
  auto const held_by_branches = [&] {
    for (llama_seq_id id = 2; id < 8; ++id)
      if (llama_memory_seq_pos_max(llama_get_memory(context.get()), id) != -1) return true;
    return false;
  };
  std::vector<Token> const filler(100, 5);
  Segment const other{.sequence = SequenceId{1}, .tokens = filler, .rows = 0};
  (void)model.forward({&other, 1});
  Composer composer(model, TreesAround(std::vector<Token>(256, 5), 7), GreedyVerifier());
  composer.begin(SequenceId{0}, std::vector<Token>{3, 1, 4});
  composer.step([](OutputDelta const&) {});
  llama_set_abort_callback(
      context.get(), [](void*) { return true; }, nullptr);
  CHECK(contains(error_of([&] { composer.step([](OutputDelta const&) {}); }), "aborted"));
  CHECK_FALSE(held_by_branches());
  llama_set_abort_callback(context.get(), nullptr, nullptr);
  CHECK(contains(error_of([&] { composer.run(); }), "the cache is full"));
  CHECK(composer.sequence(SequenceId{0}).length() == 256 - 100 + 1);
  CHECK_FALSE(held_by_branches());
}

TEST_CASE("branches that cannot be are refused by name") {
  llama_context_params parameters = branching_context();
  auto const context = make_context(demo_model(), parameters);
  CHECK(contains(error_of([&] { LlamaCpp(*context, 8); }), "leave no sequence id: n_seq_max = 8"));
  LlamaCpp model(*context, 6);
  CHECK(model.max_branches() == 6);
  CHECK(LlamaCpp(*context).max_branches() == 0);
  CHECK(contains(error_of([&] { model.truncate(SequenceId{2}, 0); }), "sequence 2 is not below n_seq_max = 8 less 6"));
  std::vector<Token> const tokens(10, 5);
  auto const feed = [&](std::vector<std::int32_t> const& parents, std::size_t rows) {
    return error_of([&] {
      TreeSegment const segment{
          .sequence = SequenceId{1}, .tokens = std::span(tokens).first(8), .rows = rows, .parents = parents};
      (void)model.forward({&segment, 1});
    });
  };
  CHECK(contains(feed(std::vector<std::int32_t>(8, -1), 9), "is no tree after a token"));
  CHECK(contains(feed({-1, 1, 0}, 4), "is no tree"));
  CHECK(contains(feed({-1, -2, 0}, 4), "is no tree"));
  CHECK(contains(feed({-1, 0, 0}, 3), "is no tree"));
  CHECK(contains(feed({0, 0}, 3), "is no tree"));
  CHECK(feed(std::vector<std::int32_t>(7, -1), 8).empty());
  model.truncate(SequenceId{1}, 0);
  parameters.kv_unified = false;
  auto const apart = make_context(demo_model(), parameters);
  CHECK(contains(error_of([&] { LlamaCpp(*apart, 1, LlamaCpp::Streams::apart); }), "kv_unified = true"));
  CHECK(contains(error_of([&] { LlamaCpp(*apart, 0); }), "kv_unified = true"));
  CHECK(LlamaCpp(*apart, 0, LlamaCpp::Streams::apart).max_branches() == 0);
}

TEST_CASE("copying says what greedy decoding says") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  auto const stop_tokens = end_tokens();
  std::vector<Token> const prompt = ask(copying_task);
  copyspec::SequenceCounters counters;
  auto const comparison = copyspec::testing::compare_with_greedy(
      model, prompt,
      [&](std::span<Token const> tokens) {
        Composer composer(model, CopyProposer(), GreedyVerifier());
        auto const answer = composer.generate(tokens, {.max_new_tokens = 48, .stop = {.tokens = stop_tokens}});
        counters = composer.sequence(SequenceId{0}).counters();
        return std::vector<Token>(answer.begin(), answer.end());
      },
      {.max_new_tokens = 48, .stop_tokens = stop_tokens});
  CHECK(counters.accepted > 0);
  CHECK(counters.decode_passes < counters.generated);
  if (comparison.divergence) {
    MESSAGE(comparison.divergence->describe());
    CHECK(comparison.divergence->margin() < rounding);
  }
}

TEST_CASE("a wrong decoder is caught on the real engine") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  auto const comparison =
      copyspec::testing::compare_with_greedy(model, ask("What is the capital of France?"),
                                             [&](std::span<Token const> tokens) {
                                               Composer composer(model, NoProposer(), GreedyVerifier());
                                               auto const answer = composer.generate(tokens, {.max_new_tokens = 6});
                                               std::vector<Token> wrong(answer.begin(), answer.end());
                                               ++wrong[3];
                                               return wrong;
                                             },
                                             {.max_new_tokens = 6});
  REQUIRE(comparison.divergence);
  CHECK(comparison.divergence->position == 3);
  CHECK(comparison.divergence->margin() > rounding);
}

TEST_CASE("a pass of several sequences is one evaluation of the graph, whatever each of them feeds") {
  struct Count {
    std::size_t evaluations = 0;
  };
  auto const count = [](ggml_tensor* tensor, bool asked, void* user) {
    if (asked && std::string_view(ggml_get_name(tensor)) == "result_output") ++static_cast<Count*>(user)->evaluations;
    return false;
  };
  Count counted;
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 4;
  parameters.n_ctx = 2048;
  parameters.cb_eval = count;
  parameters.cb_eval_user_data = &counted;
  std::vector<Token> const tokens(8, 5);
  // The ids of the sequences, and how many tokens they feed.
  auto const evaluations = [&](LlamaCpp& model, std::vector<std::pair<int, std::size_t>> const& fed) {
    std::vector<Segment> segments;
    for (auto const& [id, size] : fed)
      segments.push_back({.sequence = SequenceId{id}, .tokens = std::span(tokens).first(size), .rows = size});
    std::size_t const before = counted.evaluations;
    (void)model.forward(segments);
    return counted.evaluations - before;
  };
  parameters.kv_unified = true;
  auto const context = make_context(demo_model(), parameters);
  LlamaCpp model(*context);
  CHECK(evaluations(model, {{0, 8}, {1, 1}, {2, 5}, {3, 3}}) == 1);
  CHECK(evaluations(model, {{3, 1}, {2, 1}, {1, 1}, {0, 1}}) == 1);
  CHECK(evaluations(model, {{0, 1}, {2, 4}}) == 1);
  for (int i = 0; i < 4; ++i) model.truncate(SequenceId{i}, 0);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  for (int i = 0; i < 4; ++i)
    composer.begin(SequenceId{i}, ask(copying_task), {.max_new_tokens = 12 + 4 * static_cast<std::size_t>(i)});
  std::size_t passes = 0;
  std::size_t const before = counted.evaluations;
  for (bool more = true; more; ++passes) more = composer.step([](OutputDelta const&) {});
  CHECK(counted.evaluations - before == passes);

  // What the adapter refuses unless it is expected.
  parameters.kv_unified = false;
  auto const apart = make_context(demo_model(), parameters);
  LlamaCpp split(*apart, 0, LlamaCpp::Streams::apart);
  CHECK(evaluations(split, {{0, 8}, {1, 1}, {2, 5}, {3, 3}}) > 1);
}

TEST_CASE("three sequences in one batch, with prompts longer than a pass, say what each says alone") {
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 3;
  parameters.kv_unified = true;
  parameters.n_ctx = 768;
  parameters.n_batch = 24;
  auto const context = make_context(demo_model(), parameters);
  LlamaCpp model(*context);
  std::array const prompts{ask(copying_task), ask("Count from one to five, twice."), ask("Say hello.")};
  GenerateOptions const options{.max_new_tokens = 16, .stop = {.tokens = end_tokens()}};

  Composer together(model, CopyProposer(), GreedyVerifier());
  for (int i = 0; i < 3; ++i) together.begin(SequenceId{i}, prompts[static_cast<std::size_t>(i)], options);
  together.run();
  std::vector<std::vector<Token>> answers;
  for (int i = 0; i < 3; ++i) {
    auto const said = together.sequence(SequenceId{i}).generated();
    answers.emplace_back(said.begin(), said.end());
  }
  CHECK(together.sequence(SequenceId{0}).counters().prefill_passes > 0);
  for (int i = 0; i < 3; ++i) together.remove(SequenceId{i});
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto const comparison =
        copyspec::testing::compare_with_greedy(model, prompts[i], [&](std::span<Token const>) { return answers[i]; },
                                               {.max_new_tokens = 16, .stop_tokens = options.stop.tokens});
    if (!comparison.divergence) continue;
    MESSAGE(comparison.divergence->describe());
    CHECK(comparison.divergence->margin() < rounding);
  }
}

TEST_CASE("a second turn goes on in the same cache") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  GenerateOptions const options{.max_new_tokens = 24, .stop = {.tokens = end_tokens()}};
  (void)composer.generate(ask("Name three colours."), options);
  std::size_t const fed = composer.sequence(SequenceId{0}).counters().tokens_fed;
  auto const second = tokenize("\n<|im_start|>user\nName them again.<|im_end|>\n<|im_start|>assistant\n");
  auto const answer = composer.generate(second, options);
  auto const& sequence = composer.sequence(SequenceId{0});
  CHECK(sequence.counters().tokens_fed - fed < second.size() + 11 * answer.size());
  std::vector<Token> const said(answer.begin(), answer.end());
  auto const before = sequence.context().first(sequence.length() - said.size());
  std::vector<Token> const whole(before.begin(), before.end());
  auto const comparison =
      copyspec::testing::compare_with_greedy(model, whole, [&](std::span<Token const>) { return said; },
                                             {.max_new_tokens = 24, .stop_tokens = options.stop.tokens});
  if (comparison.divergence) CHECK(comparison.divergence->margin() < rounding);
}

TEST_CASE("what does not fit is refused by name before llama.cpp would abort") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  std::vector<Token> const tokens(600, 5);
  auto const feed = [&](SequenceId id, std::size_t count) {
    return error_of([&] {
      Segment const segment{.sequence = id, .tokens = std::span<Token const>(tokens).first(count), .rows = 1};
      (void)model.forward({&segment, 1});
    });
  };
  CHECK(contains(feed(SequenceId{0}, 129), "exceeds n_batch = 128"));
  CHECK(contains(feed(SequenceId{1}, 1), "sequence 1 is not below n_seq_max = 1"));
  CHECK(contains(feed(SequenceId{-1}, 1), "sequence -1 is not below"));
  for (int i = 0; i < 4; ++i) CHECK(feed(SequenceId{0}, 128).empty());
  CHECK(contains(feed(SequenceId{0}, 1), "beyond the context limit of 512"));
  CHECK(model.truncate(SequenceId{0}, 100) == 100);
  CHECK(feed(SequenceId{0}, 1).empty());
  CHECK(contains(error_of([&] { model.truncate(SequenceId{7}, 0); }), "sequence 7"));
}

TEST_CASE("a token outside the vocabulary is refused") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  std::vector<Token> const tokens{1, static_cast<Token>(model.vocabulary_size())};
  auto const refused = [&](std::vector<Token> const& fed) {
    return error_of([&] {
      Segment const segment{.sequence = SequenceId{0}, .tokens = fed, .rows = 1};
      (void)model.forward({&segment, 1});
    });
  };
  CHECK(refused(tokens) == "token 1 fed to sequence 0 is 49152, outside the vocabulary of 49152");
  for (Token const negative : {-1, -2}) {
    std::string const expected = "is " + std::to_string(negative) + ", which stands for an embedding";
    CHECK(contains(refused({negative}), "token 0 fed to sequence 0 " + expected));
    CHECK(contains(refused({5, 6, negative, 7}), "token 2 fed to sequence 0 " + expected));
  }
  CHECK(model.truncate(SequenceId{0}, 9) == 0);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  CHECK_THROWS_WITH_AS(composer.begin(SequenceId{0}, tokens),
                       "token 1 of the prompt is 49152, outside the vocabulary of 49152", copyspec::Error);
}

TEST_CASE("a full cache says so, copying gets as far as plain decoding, and the sequences go on afterwards") {
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 2;
  parameters.n_ctx = 256;
  parameters.kv_unified = true;
  auto const context = make_context(demo_model(), parameters);
  LlamaCpp model(*context);
  std::vector<Token> const filler(128, 5);
  auto const prompt = ask(copying_task);

  auto const run_until_full = [&](auto proposer) {
    model.truncate(SequenceId{0}, 0);
    model.truncate(SequenceId{1}, 0);
    Segment const segment{.sequence = SequenceId{1}, .tokens = filler, .rows = 0};
    (void)model.forward({&segment, 1});
    Composer composer(model, std::move(proposer), GreedyVerifier());
    composer.begin(SequenceId{0}, prompt);
    CHECK(contains(error_of([&] { composer.run(); }), "the cache is full"));
    auto const said = composer.sequence(SequenceId{0}).generated();
    std::vector<Token> const before(said.begin(), said.end());
    CHECK(composer.sequence(SequenceId{0}).status() == SequenceStatus::running);
    // Once the other sequence has left, there is room again.
    model.truncate(SequenceId{1}, 0);
    for (int i = 0; i < 3; ++i) composer.step([](OutputDelta const&) {});
    CHECK(composer.sequence(SequenceId{0}).generated().size() >= before.size() + 3);
    return before;
  };
  auto const plain = run_until_full(NoProposer());
  auto const copying = run_until_full(CopyProposer());
  CHECK(plain.size() + prompt.size() + filler.size() == 256 + 1);
  CHECK(copying.size() == plain.size());
}

TEST_CASE("an aborted pass leaves the sequence usable") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  composer.begin(SequenceId{0}, ask("Say hello."), {.max_new_tokens = 8});
  composer.step([](OutputDelta const&) {});
  llama_set_abort_callback(
      context.get(), [](void*) { return true; }, nullptr);
  CHECK(contains(error_of([&] { composer.step([](OutputDelta const&) {}); }), "aborted"));
  llama_set_abort_callback(context.get(), nullptr, nullptr);
  composer.run();
  CHECK(composer.sequence(SequenceId{0}).generated().size() == 8);
}
