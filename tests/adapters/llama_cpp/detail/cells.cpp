// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/cells.hpp>

#include <doctest/doctest.h>

#include <copyspec/adapters/llama_cpp/model.hpp>
#include <cstddef>
#include <string_view>
#include <vector>

#include "support/demo_model.hpp"
#include "support/random_model.hpp"

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec::detail::LlamaCppCells;
using copyspec_test::make_context;

namespace {

struct Kind {
  std::string_view name;
  copyspec_test::RandomModel model;
  bool shares_streams;  // cells are shared whatever the context
};

std::vector<Kind>& kinds() {
  static std::vector<Kind> all = [] {
    std::vector<Kind> made;
    made.push_back({"attention", copyspec_test::make_random_llama(), false});
    made.push_back({"window", copyspec_test::make_random_sliding_window(8), false});
    made.push_back({"recurrent", copyspec_test::make_random_mamba(), true});
    made.push_back({"hybrid", copyspec_test::make_random_hybrid(), true});
    for (Kind const& kind : made) REQUIRE_MESSAGE(kind.model != nullptr, kind.name);
    return made;
  }();
  return all;
}

llama_context_params three_sequences(bool unified) {
  llama_context_params parameters = copyspec_test::small_context();
  parameters.n_ctx = 768;
  parameters.n_seq_max = 3;
  parameters.kv_unified = unified;
  parameters.swa_full = true;
  return parameters;
}

void feed(llama_context& context, int id, std::size_t count) {
  LlamaCpp model(context, 0, LlamaCpp::Streams::apart);
  std::vector<Token> const tokens(count, 5);
  Segment const segment{.sequence = SequenceId{id}, .tokens = tokens, .rows = 1};
  (void)model.forward({&segment, 1});
}

llama_pos end_of(llama_context& context, llama_seq_id id) {
  return llama_memory_seq_pos_max(llama_get_memory(&context), id) + 1;
}

}  // namespace

TEST_CASE("a copy holds what its source holds, and an empty source gives an empty copy") {
  for (Kind& kind : kinds()) {
    for (bool const unified : {false, true}) {
      CAPTURE(kind.name);
      CAPTURE(unified);
      auto const context = make_context(*kind.model, three_sequences(unified));
      LlamaCppCells cells(*context);
      CHECK(cells.copy(0, 1));
      CHECK(end_of(*context, 1) == 0);
      feed(*context, 0, 20);
      CHECK(cells.copy(0, 2));
      CHECK(cells.copy(2, 1));
      bool const shared = unified || kind.shares_streams;
      for (llama_seq_id id = 0; id < 3; ++id) {
        CHECK(end_of(*context, id) == 20);
        CHECK(cells.can_move(id, 19) != shared);
        CHECK(cells.can_move(id, 20));
      }
      cells.set_length(1, 7);
      CHECK(cells.can_move(1, 7));
      // Once the others have left or gone back, cells have one owner again.
      CHECK(cells.can_move(0, 19) != shared);
      cells.set_length(2, 0);
      CHECK(cells.can_move(0, 7));
      CHECK(cells.can_move(0, 6) != shared);
    }
  }
}

TEST_CASE("what a context holds already may be shared by others") {
  auto const context = make_context(*kinds()[0].model, three_sequences(true));
  feed(*context, 1, 9);
  llama_memory_seq_cp(llama_get_memory(context.get()), 1, 2, 0, 5);
  LlamaCppCells const cells(*context);
  CHECK_FALSE(cells.can_move(1, 4));
  CHECK(cells.can_move(1, 5));
  CHECK(cells.can_move(0, 0));
}

TEST_CASE("tokens that are removed leave no gap, and others where they are") {
  for (Kind& kind : kinds()) {
    for (bool const unified : {false, true}) {
      CAPTURE(kind.name);
      CAPTURE(unified);
      auto const context = make_context(*kind.model, three_sequences(unified));
      LlamaCppCells cells(*context);
      CHECK(cells.can_shift() == (kind.name != "window"));
      if (!cells.can_shift()) continue;
      feed(*context, 0, 20);
      feed(*context, 1, 30);
      cells.remove(0, 3, 10);
      CHECK(end_of(*context, 0) == 10);
      CHECK(end_of(*context, 1) == 30);
      CHECK(cells.copy(0, 2));
      CHECK(end_of(*context, 2) == 10);
      feed(*context, 2, 1);
      CHECK(end_of(*context, 2) == 11);
      CHECK(end_of(*context, 0) == 10);
    }
  }
}
