// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/row_kernels.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/demo_model.hpp"
#include "support/llama_error.hpp"
#include "support/random_model.hpp"

using copyspec::detail::equal_rows;
using copyspec::detail::require_one_order;
using copyspec::detail::RowRange;
using copyspec_test::demo_model;
using copyspec_test::error_of;
using copyspec_test::make_context;
using copyspec_test::small_context;

namespace {

std::pair<std::size_t, std::size_t> range(llama_context_params const& parameters, std::vector<ggml_type> const& weights,
                                          bool repacked = true) {
  auto const context = make_context(demo_model(), parameters);
  RowRange const rows = equal_rows(*context, parameters, weights, repacked);
  return {rows.least, rows.most};
}

std::string refusal(llama_model& model, llama_context_params const& parameters) {
  auto const context = make_context(model, parameters);
  return error_of([&] { require_one_order(*context, parameters, true); });
}

using Range = std::pair<std::size_t, std::size_t>;

}  // namespace

TEST_CASE("the weights that allow least decide") {
  llama_context_params parameters = small_context();
  parameters.n_threads = 1;
  for (ggml_type const type : {GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_Q8_0})
    CHECK(range(parameters, {type}) == Range{1, 63});
  for (ggml_type const type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16})
    CHECK(range(parameters, {GGML_TYPE_Q8_0, type}) == Range{2, 63});
  for (ggml_type const type : {GGML_TYPE_Q3_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K})
    CHECK(range(parameters, {type, GGML_TYPE_Q8_0}) == Range{1, 7});
  for (ggml_type const type : {GGML_TYPE_Q2_K, GGML_TYPE_Q4_K}) {
    CHECK(range(parameters, {type, GGML_TYPE_Q6_K}) == Range{1, 3});
    CHECK(range(parameters, {type, GGML_TYPE_F32}, false) == Range{2, 7});
  }
}

TEST_CASE("K-quants that are neither repacked nor multiplied in tiles allow as much as others") {
  llama_context_params parameters = small_context();
  parameters.n_threads = 1;
  REQUIRE(setenv("GGML_CPU_TILED_MM", "0", 1) == 0);
  CHECK(range(parameters, {GGML_TYPE_Q6_K}) == Range{1, 63});
  CHECK(range(parameters, {GGML_TYPE_Q6_K, GGML_TYPE_Q4_K}) == Range{1, 3});
  CHECK(range(parameters, {GGML_TYPE_Q6_K, GGML_TYPE_Q4_K}, false) == Range{1, 63});
  REQUIRE(setenv("GGML_CPU_TILED_MM", "1", 1) == 0);
  CHECK(range(parameters, {GGML_TYPE_Q6_K}) == Range{1, 7});
  REQUIRE(unsetenv("GGML_CPU_TILED_MM") == 0);
}

TEST_CASE("a lone row is avoided where threads would divide its attention") {
  auto const least = [](ggml_type cache, std::int32_t threads, std::uint32_t room) {
    llama_context_params parameters = small_context();
    parameters.type_k = parameters.type_v = cache;
    parameters.n_threads = threads;
    parameters.n_ctx = room;
    return range(parameters, {GGML_TYPE_Q4_1}).first;
  };
  CHECK(least(GGML_TYPE_F16, 2, 512) == 2);
  CHECK(least(GGML_TYPE_F32, 2, 512) == 2);
  CHECK(least(GGML_TYPE_F16, 2, 257) == 2);
  CHECK(least(GGML_TYPE_F16, 2, 256) == 1);
  CHECK(least(GGML_TYPE_F16, 1, 512) == 1);
  CHECK(least(GGML_TYPE_BF16, 2, 512) == 1);
  CHECK(least(GGML_TYPE_Q8_0, 2, 512) == 1);
}

TEST_CASE("what nothing is known of is refused, by name") {
  CHECK(
      error_of([] { (void)equal_rows(GGML_TYPE_IQ2_XS, true); }) ==
      "rows of weights of type iq2_xs are not known to be equal: convert the model to Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, a "
      "K-quant or a float type");
  auto const context = make_context(demo_model(), small_context());
  CHECK(error_of([&] { (void)equal_rows(*context, small_context(), {}, true); }) ==
        "no weight types: read those of the file with llama_cpp_weight_types");
}

TEST_CASE("contexts whose kernels or cells depend on more than the rows are refused, with what to change") {
  CHECK(refusal(demo_model(), small_context()).empty());
  llama_context_params parameters = small_context();
  parameters.n_seq_max = 2;
  CHECK(refusal(demo_model(), parameters) == "the cells of several sequences mix: make the context with n_seq_max = 1");
  parameters = small_context();
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  CHECK(refusal(demo_model(), parameters) ==
        "attention without flash attention rounds by rows: leave flash_attn_type at its default");
  parameters = small_context();
  CHECK(refusal(*copyspec_test::make_random_mamba(), parameters) ==
        "the state of a recurrent model cannot be truncated");
  CHECK_FALSE(refusal(*copyspec_test::make_random_hybrid(), parameters).empty());
  auto const sliding = copyspec_test::make_random_sliding_window(4);
  parameters.swa_full = false;
  CHECK(refusal(*sliding, parameters) ==
        "the cells of a sliding window change their order: make the context with swa_full = true");
  parameters.swa_full = true;
  CHECK(refusal(*sliding, parameters).empty());
  auto const experts = copyspec_test::random_llama().count("expert_count", 4).count("expert_used_count", 2).build();
  REQUIRE(experts != nullptr);
  CHECK(refusal(*experts, parameters) == "rows of a model with experts are not known to be equal");
}
