// SPDX-License-Identifier: MIT
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "../../../core/version.hpp"
#include "../error.hpp"
#include "checkpoints.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Numbers of rows of a pass, among which the rows are equal in all bits.
struct RowRange {
  std::size_t least = 1;
  std::size_t most = 63;  ///< From 64 on, attention is computed in tiles.

  [[nodiscard]] RowRange operator&(RowRange const& other) const noexcept {
    return {std::max(least, other.least), std::min(most, other.most)};
  }
};

/// Whether llama.cpp multiplies unpacked K-quants by 8 rows or more in tiles, which it can be told not to.
[[nodiscard]] inline bool multiplies_in_tiles() {
  char const* const value = std::getenv("GGML_CPU_TILED_MM");
  return value == nullptr || std::atoi(value) != 0;
}

/// The range for products with matrices of one type. Throws `LlamaCppError` for a type of which none is known.
[[nodiscard]] inline RowRange equal_rows(ggml_type weights, bool repacked) {
  std::size_t const unpacked = multiplies_in_tiles() ? 7 : RowRange().most;
  switch (weights) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
      // A lone row is multiplied by another kernel.
      return {.least = 2};
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q5_1:
    case GGML_TYPE_Q8_0:
      return {};
    case GGML_TYPE_Q2_K:
    case GGML_TYPE_Q4_K:
      // When repacked, each four rows are multiplied together.
      return {.most = repacked ? 3 : unpacked};
    case GGML_TYPE_Q3_K:
    case GGML_TYPE_Q5_K:
    case GGML_TYPE_Q6_K:
      return {.most = unpacked};
    default: {
      std::string message = "rows of weights of type ";
      raise_error<adapters::LlamaCppError>(
          ErrorCode::engine,
          message.append(ggml_type_name(weights))
              .append(" are not known to be equal: convert the model to Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, a K-quant or a "
                      "float type"));
    }
  }
}

/// The range for passes of a context. Throws `LlamaCppError` for weights of which none is known.
[[nodiscard]] inline RowRange equal_rows(llama_context& context, llama_context_params const& parameters,
                                         std::span<ggml_type const> weights, bool repacked) {
  if (weights.empty())
    raise_error<adapters::LlamaCppError>(ErrorCode::bad_options,
                                         "no weight types: read those of the file with llama_cpp_weight_types");
  RowRange range;
  for (ggml_type const type : weights) range = range & equal_rows(type, repacked);
  // The attention of a lone row over 512 cells or more is divided among threads. Cells come in blocks of 256.
  bool const divisible = parameters.type_k == parameters.type_v &&
                         (parameters.type_k == GGML_TYPE_F16 || parameters.type_k == GGML_TYPE_F32);
  if (divisible && llama_n_threads(&context) > 1 && llama_n_ctx(&context) >= 512) range = range & RowRange{.least = 2};
  return range;
}

/// Throws `LlamaCppError`, which says what to change, where the kernels of a pass or the order of cells depend on more
/// than its number of rows.
inline void require_one_order(llama_context const& context, llama_context_params const& parameters, bool repacked) {
  auto const refuse = [](char const* what) { raise_error<adapters::LlamaCppError>(ErrorCode::engine, what); };
#if !defined(__x86_64__)
  refuse("rows are known to be equal on x86-64 alone");
#endif
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i)
    if (ggml_backend_dev_type(ggml_backend_dev_get(i)) != GGML_BACKEND_DEVICE_TYPE_CPU)
      refuse("this build of llama.cpp may compute on another device: rows are equal in one for the CPU alone");
  if (repacked && std::string_view(llama_print_system_info()).find("AMX_INT8 = 1") != std::string_view::npos)
    refuse("this build of llama.cpp multiplies with AMX: load the model with use_extra_bufts = false");
  llama_model const* const model = llama_get_model(&context);
  if (LlamaCppCheckpoints::keeps_state(context)) refuse("the state of a recurrent model cannot be truncated");
  if (llama_model_n_swa(model) > 0 && !parameters.swa_full)
    refuse("the cells of a sliding window change their order: make the context with swa_full = true");
  if (llama_n_seq_max(&context) != 1) refuse("the cells of several sequences mix: make the context with n_seq_max = 1");
  if (parameters.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED)
    refuse("attention without flash attention rounds by rows: leave flash_attn_type at its default");
  std::array<char, 64> value{};
  if (llama_model_meta_val_str(model, "general.architecture", value.data(), value.size()) < 0) return;
  std::string const experts = std::string(value.data()).append(".expert_count");
  if (llama_model_meta_val_str(model, experts.c_str(), value.data(), value.size()) > 0 && std::atoi(value.data()) > 0)
    refuse("rows of a model with experts are not known to be equal");
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
