// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/limits.hpp>

#include <doctest/doctest.h>

#include <copyspec/adapters/llama_cpp/model.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
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
using copyspec::detail::LlamaCppLimits;
using copyspec::detail::LlamaCppStreams;
using copyspec_test::error_of;
using copyspec_test::make_context;

llama_model& random_llama() {
  static copyspec_test::RandomModel const model = [] {
    llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    return copyspec_test::make_random_llama();
  }();
  REQUIRE(model != nullptr);
  return *model;
}

// Eight sequences that share 256 cells, of which 64 tokens may be fed at once.
llama_context_params shared_cells() {
  llama_context_params parameters = copyspec_test::small_context();
  parameters.n_ctx = 256;
  parameters.n_seq_max = 8;
  parameters.n_batch = parameters.n_ubatch = 64;
  parameters.kv_unified = true;
  return parameters;
}

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

std::vector<Token> const tokens(300, 5);

Segment chain(std::int32_t id, std::size_t count, std::size_t rows = 1) {
  return {.sequence = SequenceId{id}, .tokens = std::span(tokens).first(count), .rows = rows};
}

TreeSegment tree(std::int32_t id, std::span<std::int32_t const> parents) {
  return {.sequence = SequenceId{id},
          .tokens = std::span(tokens).first(parents.size() + 1),
          .rows = parents.size() + 1,
          .parents = parents};
}

}  // namespace

TEST_CASE("limits are those of the context, and branches have the highest ids") {
  auto const context = make_context(random_llama(), shared_cells());
  for (std::size_t const branches : {0U, 1U, 7U}) {
    LlamaCppLimits const limits(*context, branches, LlamaCppStreams::together);
    CHECK(limits.max_tokens() == 64);
    CHECK(limits.context_limit() == 256);
    CHECK(limits.max_branches() == branches);
    CHECK(limits.first_branch() == static_cast<llama_seq_id>(8 - branches));
    for (std::int32_t id = -2; id < 12; ++id) {
      bool const refused = !error_of([&] { limits.require_id(SequenceId{id}); }).empty();
      CHECK(refused == (id < 0 || id >= static_cast<std::int32_t>(8 - branches)));
    }
  }
  CHECK(contains(error_of([&] { LlamaCppLimits(*context, 8, LlamaCppStreams::together); }),
                 "leave no sequence id: n_seq_max = 8"));
}

TEST_CASE("a context that keeps its sequences apart splits passes, so it is refused unless that is expected") {
  llama_context_params parameters = shared_cells();
  CHECK(error_of([&] {
          LlamaCppLimits(*make_context(random_llama(), parameters), 0, LlamaCppStreams::together);
        }).empty());
  parameters.kv_unified = false;
  auto const apart = make_context(random_llama(), parameters);
  CHECK(contains(error_of([&] { LlamaCppLimits(*apart, 0, LlamaCppStreams::together); }), "kv_unified = true"));
  CHECK(error_of([&] { LlamaCppLimits(*apart, 0, LlamaCppStreams::apart); }).empty());
  parameters.n_seq_max = 1;  // nothing to split
  auto const single = make_context(random_llama(), parameters);
  CHECK(error_of([&] { LlamaCppLimits(*single, 0, LlamaCppStreams::together); }).empty());
}

TEST_CASE("branches need one cache for all sequences, and no recurrent state") {
  llama_context_params parameters = shared_cells();
  parameters.kv_unified = false;
  auto const apart = make_context(random_llama(), parameters);
  CHECK(contains(error_of([&] { LlamaCppLimits(*apart, 1, LlamaCppStreams::apart); }), "kv_unified = true"));
  CHECK(error_of([&] { LlamaCppLimits(*apart, 0, LlamaCppStreams::apart); }).empty());
  copyspec_test::RandomModel const mamba = copyspec_test::make_random_mamba();
  auto const recurrent = make_context(*mamba, shared_cells());
  CHECK(contains(error_of([&] { LlamaCppLimits(*recurrent, 1, LlamaCppStreams::together); }), "attention only"));
  CHECK(error_of([&] { LlamaCppLimits(*recurrent, 0, LlamaCppStreams::together); }).empty());
}

TEST_CASE("segments fit as long as all have room in the pass, and each in its sequence") {
  auto const context = make_context(random_llama(), shared_cells());
  LlamaCppLimits const limits(*context, 2, LlamaCppStreams::together);
  auto const fit = [&](std::vector<Segment> const& segments) {
    return limits.require_fit(std::span<Segment const>(segments));
  };
  CHECK(fit({}) == 0);
  CHECK(fit({chain(0, 40), chain(5, 24)}) == 64);
  CHECK(contains(error_of([&] { return fit({chain(0, 40), chain(5, 25)}); }), "65 tokens exceeds n_batch = 64"));
  CHECK(contains(error_of([&] { return fit({chain(0, 1), chain(6, 1)}); }), "sequence 6"));
  CHECK(contains(error_of([&] { return fit({chain(0, 257)}); }), "would grow to 257 tokens"));
  CHECK(contains(error_of([&] { return fit({chain(0, 3, 4)}); }), "sequence 0"));
  CHECK(fit({chain(0, 3, 3)}) == 3);

  LlamaCpp model(*context, 2);
  for (int i = 0; i < 4; ++i) {
    CHECK(limits.held(SequenceId{0}) == static_cast<std::size_t>(60 * i));
    Segment const segment = chain(0, 60);
    static_cast<void>(model.forward({&segment, 1}));
  }
  CHECK(fit({chain(0, 16)}) == 16);
  CHECK(contains(error_of([&] { return fit({chain(0, 17)}); }), "would grow to 257 tokens"));
}

TEST_CASE("trees fit as long as branches are left, and each node has a row") {
  auto const context = make_context(random_llama(), shared_cells());
  LlamaCppLimits const limits(*context, 2, LlamaCppStreams::together);
  auto const fit = [&](std::vector<TreeSegment> const& segments) {
    return limits.require_fit(std::span<TreeSegment const>(segments));
  };
  std::vector<std::int32_t> const straight = {-1, 0, 1};
  std::vector<std::int32_t> const one_branch = {-1, 0, 0};
  std::vector<std::int32_t> const two_branches = {-1, -1, -1};
  CHECK(fit({tree(0, straight), tree(1, two_branches)}) == 8);
  CHECK(fit({tree(0, one_branch), tree(1, one_branch)}) == 8);
  CHECK(contains(error_of([&] {
                   return fit({tree(0, one_branch), tree(1, two_branches)});
                 }),
                 "the 1 branches that are left"));
  TreeSegment rows = tree(0, straight);
  rows.rows = 3;
  CHECK(contains(error_of([&] { return fit({rows}); }), "sequence 0"));
  std::vector<std::int32_t> const no_tree = {-1, 1};
  CHECK(contains(error_of([&] { return fit({tree(0, no_tree)}); }), "is no tree"));
}
