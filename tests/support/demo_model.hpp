// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "copyspec/core/token.hpp"

// The model of the demo, in a small context.
namespace copyspec_test {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
using ContextPointer = std::unique_ptr<llama_context, FreeContext>;

inline llama_model& demo_model() {
  static std::unique_ptr<llama_model, FreeModel> const model = [] {
    llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    char const* const path = std::getenv("COPYSPEC_TEST_MODEL");
    REQUIRE_MESSAGE(path != nullptr, "COPYSPEC_TEST_MODEL names the GGUF file to test with");
    auto* const loaded = llama_model_load_from_file(path, llama_model_default_params());
    REQUIRE_MESSAGE(loaded != nullptr, path, " could not be loaded");
    return std::unique_ptr<llama_model, FreeModel>(loaded);
  }();
  return *model;
}

inline llama_context_params small_context() {
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = 512;
  parameters.n_batch = 128;
  parameters.n_threads = parameters.n_threads_batch = 2;
  return parameters;
}

inline ContextPointer make_context(llama_model& model, llama_context_params const& parameters) {
  ContextPointer context(llama_init_from_model(&model, parameters));
  REQUIRE(context != nullptr);
  return context;
}

inline std::vector<copyspec::Token> tokenize(std::string_view text) {
  std::vector<copyspec::Token> tokens(text.size() + 8);
  auto const count =
      llama_tokenize(llama_model_get_vocab(&demo_model()), text.data(), static_cast<std::int32_t>(text.size()),
                     tokens.data(), static_cast<std::int32_t>(tokens.size()), true, true);
  REQUIRE(count > 0);
  tokens.resize(static_cast<std::size_t>(count));
  return tokens;
}

inline std::vector<copyspec::Token> ask(std::string const& question) {
  return tokenize("<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n");
}

inline std::string const copying_task =
    "Rewrite this letter so that it is for Mr. Carter instead of Mrs. Adams:\n\nDear Mrs. Adams,\n\nThank you for "
    "visiting "
    "our workshop on Monday. The oak table you ordered will be ready on the 14th of May.";

inline std::vector<copyspec::Token> end_tokens() {
  return {llama_vocab_eot(llama_model_get_vocab(&demo_model()))};
}

}  // namespace copyspec_test
