// SPDX-License-Identifier: MIT
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "terminal.hpp"

namespace copyspec_llama {

/// Keeps llama.cpp's log off the terminal. Only its errors are remembered.
void silence_engine_log();

/// The first error that llama.cpp has logged since the last call, or nothing.
[[nodiscard]] std::string take_engine_error();

struct FreeModel {
  void operator()(llama_model* model) const noexcept { llama_model_free(model); }
};
using ModelPointer = std::unique_ptr<llama_model, FreeModel>;
struct FreeContext {
  void operator()(llama_context* context) const noexcept { llama_free(context); }
};
using ContextPointer = std::unique_ptr<llama_context, FreeContext>;

/// The tokens and the chat template of a GGUF file, without its weights: for `Vocabulary` and `ChatFormat` with another
/// engine. Throws `copyspec::Error` if the file cannot be used.
[[nodiscard]] ModelPointer load_vocabulary(std::filesystem::path const& file);

/// How a context is made.
struct EngineOptions {
  std::size_t context = 4096;  ///< Most tokens of all sequences; of one, no more than the model was trained for.
  std::size_t batch = 512;     ///< Most tokens in a pass.
  std::size_t threads = 1;
  std::size_t sequences = 1;
  ggml_type cache = GGML_TYPE_F16;
  /// Where processes compute parts of the model by llama.cpp's RPC, as host:port.
  std::vector<std::string> workers = {};
};

/// A model in llama.cpp with a context, loaded from a GGUF file. Throws `copyspec::Error` if the file cannot be used,
/// or a worker cannot be reached for a minute.
class Engine {
 public:
  Engine(std::filesystem::path const& file, EngineOptions const& options, Progress& progress);

  [[nodiscard]] llama_model& model() const noexcept { return *model_; }
  [[nodiscard]] llama_context& context() const noexcept { return *context_; }
  /// What the context was made with.
  [[nodiscard]] llama_context_params const& parameters() const noexcept { return parameters_; }

  /// What llama.cpp calls the model, with its size and the type of its weights.
  [[nodiscard]] std::string description() const;
  /// What pass costs depend on: this model, loaded from `file`, on this machine and with so many threads.
  [[nodiscard]] copyspec::PassCostKey pass_cost_key(std::filesystem::path const& file, std::size_t threads) const;
  /// Bytes of all weights.
  [[nodiscard]] std::size_t weight_bytes() const { return llama_model_size(model_.get()); }

 private:
  ModelPointer model_;
  llama_context_params parameters_;
  ContextPointer context_;
};

/// A function of llama.cpp's RPC back end. Throws `copyspec::Error` if llama.cpp was built without it.
template <class Function>
[[nodiscard]] Function rpc_function(char const* name) {
  ggml_backend_reg_t const rpc = ggml_backend_reg_by_name("RPC");
  void* const address = rpc == nullptr ? nullptr : ggml_backend_reg_get_proc_address(rpc, name);
  if (address == nullptr)
    copyspec::raise_error(copyspec::ErrorCode::engine, "this llama.cpp was built without RPC: GGML_RPC=ON builds it");
  return reinterpret_cast<Function>(address);
}

/// The path of an F32 copy of the model in `file`: next to it, and written now if there is none yet or `file` is newer.
/// Throws `copyspec::Error` if it cannot be written.
[[nodiscard]] std::filesystem::path f32_copy(std::filesystem::path const& file, std::size_t threads,
                                             Progress& progress);

}  // namespace copyspec_llama
