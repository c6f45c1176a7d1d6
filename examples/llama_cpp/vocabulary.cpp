// SPDX-License-Identifier: MIT
#include "vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>

#include "copyspec/core/error.hpp"

namespace copyspec_llama {

using copyspec::Token;

Vocabulary::Vocabulary(llama_model const& model) : vocabulary_(llama_model_get_vocab(&model)) {
  for (Token token = 0; token < llama_vocab_n_tokens(vocabulary_); ++token) {
    if (llama_vocab_is_eog(vocabulary_, token)) ends_.push_back(token);
  }
}

std::string Vocabulary::text(Token token) const {
  return piece(token, false);
}

std::string Vocabulary::name(Token token) const {
  return piece(token, true);
}

std::vector<Token> Vocabulary::tokens(std::string_view text, bool starts_context, ControlNames control_names) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    copyspec::raise_error(copyspec::ErrorCode::engine, "a text of more than 2 GiB cannot be made into tokens");
  auto const size = static_cast<std::int32_t>(text.size());
  bool const parse = control_names == ControlNames::tokens;
  // Without room, llama.cpp says how many tokens there are, as a negative number.
  std::int32_t const count = -llama_tokenize(vocabulary_, text.data(), size, nullptr, 0, starts_context, parse);
  std::vector<Token> tokens(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (llama_tokenize(vocabulary_, text.data(), size, tokens.data(), count, starts_context, parse) != count)
    copyspec::raise_error(copyspec::ErrorCode::engine, "llama.cpp cannot make the prompt into tokens");
  return tokens;
}

std::string Vocabulary::piece(Token token, bool special) const {
  std::string piece(32, '\0');
  for (;;) {
    std::int32_t const size =
        llama_token_to_piece(vocabulary_, token, piece.data(), static_cast<std::int32_t>(piece.size()), 0, special);
    piece.resize(static_cast<std::size_t>(size < 0 ? -size : size));
    if (size >= 0) return piece;
  }
}

}  // namespace copyspec_llama
