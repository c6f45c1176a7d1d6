// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <string>
#include <string_view>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// Checks that every token means the same to a draft model as to its target model. Throws `LlamaCppError`, which names
/// the first difference, unless their vocabularies have the same type, size, begin-of-text token, end-of-text token,
/// and the same text and attributes for each token. For models without token texts, only type and size are compared.
///
/// A difference would not change the output, but would make most drafts wrong. O(vocabulary), a few milliseconds.
/// Allocates.
inline void check_same_vocabulary(llama_model const& model, llama_model const& draft_model) {
  llama_vocab const* const own = llama_model_get_vocab(&model);
  llama_vocab const* const other = llama_model_get_vocab(&draft_model);
  auto const differ = [](std::string const& what, std::string const& of_model, std::string const& of_draft_model) {
    raise_error<LlamaCppError>(
        ErrorCode::vocabulary_mismatch,
        what + " is " + of_model + " to the model and " + of_draft_model +
            " to the draft model: they need the same vocabulary, as models of one family mostly have");
  };
  auto const compare = [&](auto const& name, auto of, auto... token) {
    auto const of_model = of(own, token...);
    auto const of_draft_model = of(other, token...);
    if (of_model == of_draft_model) return;
    if constexpr (requires { std::string(of_model); })
      differ(name(), '"' + std::string(of_model) + '"', '"' + std::string(of_draft_model) + '"');
    else
      differ(name(), std::to_string(of_model), std::to_string(of_draft_model));
  };
  compare([] { return "the type of vocabulary"; }, llama_vocab_type);
  compare([] { return "the number of tokens"; }, llama_vocab_n_tokens);
  // llama.cpp aborts the process when asked for a text that does not exist.
  if (llama_vocab_type(own) == LLAMA_VOCAB_TYPE_NONE) return;
  auto const text = [](llama_vocab const* of, Token token) {
    return std::string_view(llama_vocab_get_text(of, token));
  };
  for (Token token = 0; token < llama_vocab_n_tokens(own); ++token) {
    auto const name = [&] { return "token " + std::to_string(token); };
    compare(name, text, token);
    compare([&] { return "the attribute of " + name(); }, llama_vocab_get_attr, token);
  }
  compare([] { return "the token that begins a text"; }, llama_vocab_bos);
  compare([] { return "the token that ends a text"; }, llama_vocab_eos);
}

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
