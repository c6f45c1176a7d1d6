// SPDX-License-Identifier: MIT
//
// As little as it takes to copy with llama.cpp: completes a text with a GGUF file.
//
//   copyspec-llama-minimal FILE "text"

#include <llama.h>

#include <copyspec/adapters/llama_cpp/model.hpp>
#include <copyspec/copyspec.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <vector>

namespace {

void complete(char const* file, char const* text) {
  std::unique_ptr<llama_model, decltype(&llama_model_free)> const weights(
      llama_model_load_from_file(file, llama_model_default_params()), llama_model_free);
  if (!weights) copyspec::raise_error(copyspec::ErrorCode::file, "this file is no model that llama.cpp can load");
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = 2048;
  std::unique_ptr<llama_context, decltype(&llama_free)> const context(llama_init_from_model(weights.get(), parameters),
                                                                      llama_free);
  if (!context) copyspec::raise_error(copyspec::ErrorCode::file, "llama.cpp could not make a context");

  llama_vocab const* const vocabulary = llama_model_get_vocab(weights.get());
  auto const size = static_cast<std::int32_t>(std::strlen(text));
  std::vector<copyspec::Token> prompt(static_cast<std::size_t>(size) + 2);
  std::int32_t const tokens =
      llama_tokenize(vocabulary, text, size, prompt.data(), static_cast<std::int32_t>(prompt.size()), true, false);
  if (tokens <= 0) copyspec::raise_error(copyspec::ErrorCode::file, "there is no text to continue");
  prompt.resize(static_cast<std::size_t>(tokens));

  copyspec::adapters::LlamaCpp model(*context);
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  std::span<copyspec::Token const> const answer = composer.generate(prompt, {.max_new_tokens = 200});

  for (copyspec::Token const token : answer) {
    char piece[256];
    std::int32_t const length = llama_token_to_piece(vocabulary, token, piece, sizeof(piece), 0, false);
    if (length > 0) std::fwrite(piece, 1, static_cast<std::size_t>(length), stdout);
  }
  std::puts("");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: copyspec-llama-minimal FILE \"text\"\n", stderr);
    return 2;
  }
  llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
  try {
    complete(argv[1], argv[2]);
    return EXIT_SUCCESS;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "copyspec-llama-minimal: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
