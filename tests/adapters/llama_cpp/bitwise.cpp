// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/bitwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/bitwise.hpp>
#include <copyspec/testing/bitwise_report.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/adapters/llama_cpp/weight_types.hpp"
#include "support/demo_model.hpp"
#include "support/llama_error.hpp"
#include "support/random_model.hpp"

namespace {

using copyspec::Composer;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec::adapters::LlamaCppBitwise;
using copyspec::testing::BitwiseRows;
using copyspec::testing::check_bitwise;
using copyspec_test::ask;
using copyspec_test::copying_task;
using copyspec_test::demo_model;
using copyspec_test::end_tokens;
using copyspec_test::error_of;
using copyspec_test::make_context;
using copyspec_test::small_context;

constexpr SequenceId id{0};

std::vector<ggml_type> const& demo_weights() {
  static std::vector<ggml_type> const types =
      copyspec::adapters::llama_cpp_weight_types(std::getenv("COPYSPEC_TEST_MODEL"));
  return types;
}

// With room for more than 256 tokens, where the attention of a lone row is divided among the threads.
llama_context_params with_cache(ggml_type type) {
  llama_context_params parameters = small_context();
  parameters.n_ctx = 768;
  parameters.type_k = parameters.type_v = type;
  return parameters;
}

std::vector<Token> random_text(std::size_t length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Token> text(length);
  for (Token& token : text) token = static_cast<Token>(random() % 49152);
  return text;
}

LogitsView<float> feed(LlamaCppBitwise& model, std::span<Token const> tokens, std::size_t rows) {
  Segment const segment{id, tokens, rows};
  return model.forward({&segment, 1});
}

// Feeds a prompt in passes of up to `chunk` tokens, and returns the row after its last token.
std::vector<float> feed_prompt(LlamaCppBitwise& model, std::span<Token const> prompt, std::size_t chunk) {
  model.truncate(id, 0);
  while (prompt.size() > chunk) {
    CHECK(feed(model, prompt.first(chunk), 0).rows() == 0);
    prompt = prompt.subspan(chunk);
  }
  auto const rows = feed(model, prompt, 1);
  REQUIRE(rows.rows() == 1);
  return {rows.row(0).begin(), rows.row(0).end()};
}

bool same_bits(std::span<float const> a, std::span<float const> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

TEST_CASE("rows of drafts of any length, right and wrong, are bit for bit those of plain decoding") {
  for (ggml_type const cache : {GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0}) {
    auto const context = make_context(demo_model(), with_cache(cache));
    LlamaCppBitwise model(*context, with_cache(cache), demo_weights());
    CHECK(model.least_rows() == (cache == GGML_TYPE_F16 ? 2 : 1));
    for (std::size_t const held : {40U, 380U}) {
      std::vector<Token> const text = random_text(held + 32, held);
      auto const answer = std::span(text).subspan(held);
      feed_prompt(model, std::span(text).first(held), 63);
      std::vector<std::vector<float>> plain;
      for (std::size_t i = 0; i < answer.size(); ++i) {
        auto const rows = feed(model, answer.subspan(i, 1), 1);
        REQUIRE(rows.rows() == 1);
        plain.emplace_back(rows.row(0).begin(), rows.row(0).end());
        CHECK(model.truncate(id, 9999) == held + i + 1);
      }
      model.truncate(id, held);
      std::mt19937_64 random(held);
      std::size_t differing = 0;
      for (std::size_t at = 0; at < answer.size();) {
        std::size_t const right = std::min<std::size_t>(1 + random() % 12, answer.size() - at);
        std::vector<Token> draft(answer.begin() + static_cast<std::ptrdiff_t>(at),
                                 answer.begin() + static_cast<std::ptrdiff_t>(at + right));
        draft.resize(right + random() % 12, 7);
        auto const rows = feed(model, draft, draft.size());
        REQUIRE(rows.rows() == draft.size());
        for (std::size_t i = 0; i < right; ++i) differing += same_bits(rows.row(i), plain[at + i]) ? 0U : 1U;
        at += right;
        CHECK(model.truncate(id, held + at) == held + at);
      }
      CHECK(differing == 0);
    }
  }
}

TEST_CASE("the row after a prompt does not depend on how it was fed") {
  auto const context = make_context(demo_model(), with_cache(GGML_TYPE_F16));
  LlamaCppBitwise model(*context, with_cache(GGML_TYPE_F16), demo_weights());
  std::vector<Token> const text = random_text(301, 9);
  std::vector<float> const row = feed_prompt(model, text, 63);
  for (std::size_t const chunk : {2U, 5U, 50U}) CHECK(same_bits(feed_prompt(model, text, chunk), row));
  model.truncate(id, 250);
  auto const rows = feed(model, std::span(text).subspan(250), 51);
  CHECK(same_bits(rows.row(50), row));
}

TEST_CASE("no bit differs at any number of rows, and without the class many do") {
  auto const context = make_context(demo_model(), with_cache(GGML_TYPE_F16));
  copyspec::testing::BitwiseOptions const options{.rows = {2, 3, 8, 21}, .contexts = {20, 300}, .length = 42};
  LlamaCppBitwise model(*context, with_cache(GGML_TYPE_F16), demo_weights());
  auto const results = check_bitwise(model, options);
  REQUIRE(results.size() == 8);
  for (BitwiseRows const& result : results) {
    CHECK(result.one.differing == 0);
    CHECK(result.two.differing == 0);
  }
  LlamaCpp plain(*context);
  std::size_t differing = 0;
  for (BitwiseRows const& result : check_bitwise(plain, options)) differing += result.one.differing;
  CHECK(differing > 0);
}

TEST_CASE("float weights are padded whatever the cache, the threads and the room") {
  auto const llama = copyspec_test::make_random_llama();
  std::vector<ggml_type> const weights{GGML_TYPE_F32};
  for (std::int32_t const threads : {1, 2}) {
    llama_context_params parameters = small_context();
    parameters.n_ctx = 256;
    parameters.n_threads = parameters.n_threads_batch = threads;
    auto const context = make_context(*llama, parameters);
    LlamaCppBitwise model(*context, parameters, weights);
    CHECK(model.least_rows() == 2);
    for (BitwiseRows const& result : check_bitwise(model, {.contexts = {1, 130}})) CHECK(result.one.differing == 0);
    // Two segments of one sequence cannot be, and there is no second.
    auto const report = copyspec::testing::check_model_laws(model, {.second = {}});
    for (auto const& violation : report.violations) FAIL_CHECK(violation);
    CHECK(report.largest_difference == 0);
  }
}

TEST_CASE("copying says what plain decoding says, token for token, with costs that it learns") {
  for (ggml_type const cache : {GGML_TYPE_F16, GGML_TYPE_BF16}) {
    auto const context = make_context(demo_model(), with_cache(cache));
    LlamaCppBitwise model(*context, with_cache(cache), demo_weights());
    std::size_t plain_passes = 0;
    std::size_t copying_passes = 0;
    for (std::string const& task : {copying_task, std::string("Count from one to twenty, twice."),
                                    std::string("Say \"a rose is a rose\" ten times.")}) {
      copyspec::GenerateOptions const options{.max_new_tokens = 90, .stop = {.tokens = end_tokens()}};
      Composer plain(model, NoProposer(), GreedyVerifier());
      auto const answer = plain.generate(ask(task), options);
      std::vector<Token> const expected(answer.begin(), answer.end());
      plain_passes += plain.sequence(id).counters().decode_passes;
      Composer copying(model, MixingProposer(), GreedyVerifier());
      CHECK(std::ranges::equal(copying.generate(ask(task), options), expected));
      copying_passes += copying.sequence(id).counters().decode_passes;
    }
    CHECK(copying_passes < plain_passes);
  }
}

TEST_CASE("room is for the second token of a padded pass, too") {
  llama_context_params const parameters = with_cache(GGML_TYPE_F16);
  auto const context = make_context(demo_model(), parameters);
  LlamaCppBitwise model(*context, parameters, demo_weights());
  CHECK(model.max_tokens() == 63);
  CHECK(model.most_rows() == 63);
  CHECK(model.context_limit() == 767);
  CHECK(&model.context() == context.get());
  std::vector<Token> const text = random_text(768, 3);
  feed_prompt(model, std::span(text).first(766), 63);
  CHECK(feed(model, std::span(text).subspan(766, 1), 1).rows() == 1);
  CHECK(model.truncate(id, 9999) == 767);
  CHECK(error_of([&] { (void)feed(model, std::span(text).first(64), 1); }) ==
        "a pass of 64 tokens exceeds the 63 of which rows are equal");
  Segment const segments[] = {{id, std::span(text).first(1), 1}, {SequenceId{1}, std::span(text).first(1), 1}};
  CHECK(error_of([&] { (void)model.forward(segments); }) == "a pass of several sequences: rows are promised of one");

  llama_context_params little = parameters;
  // llama.cpp splits a longer pass, and the rest may be a lone token.
  little.n_ubatch = 16;
  auto const small = make_context(demo_model(), little);
  CHECK(LlamaCppBitwise(*small, little, demo_weights()).max_tokens() == 16);
  std::vector<ggml_type> const k_quants{GGML_TYPE_Q6_K, GGML_TYPE_Q4_0};
  CHECK(LlamaCppBitwise(*context, parameters, k_quants).max_tokens() == 7);
  little.n_ubatch = 1;
  auto const tiny = make_context(demo_model(), little);
  CHECK(error_of([&] { LlamaCppBitwise(*tiny, little, demo_weights()); }) ==
        "lone tokens are padded to two: make the context with n_batch and n_ubatch of at least 2");
}
