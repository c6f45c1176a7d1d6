// SPDX-License-Identifier: MIT
#pragma once

#include <gguf.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../../core/version.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// The types of the matrices in a GGUF file, each once, in ascending order. Vectors, such as the weights of norms, are
/// left out: no matrix product reads them. Of a model in several files, each has types of its own.
///
/// Reads the header of the file, not the weights. Throws `LlamaCppError` if it cannot be read as a GGUF file.
/// Allocates. Threads: safe.
[[nodiscard]] inline std::vector<ggml_type> llama_cpp_weight_types(std::string const& path) {
  std::unique_ptr<gguf_context, decltype(&gguf_free)> const file(
      gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}), gguf_free);
  if (!file) raise_error<LlamaCppError>(ErrorCode::file, std::string(path).append(" cannot be read as a GGUF file"));
  std::vector<ggml_type> types;
  for (std::int64_t i = 0; i < gguf_get_n_tensors(file.get()); ++i)
    if (gguf_get_tensor_ne(file.get(), i)[1] > 1) types.push_back(gguf_get_tensor_type(file.get(), i));
  std::ranges::sort(types);
  types.erase(std::unique(types.begin(), types.end()), types.end());
  return types;
}

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
