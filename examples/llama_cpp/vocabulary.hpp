// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <string>
#include <string_view>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec_llama {

/// What names of control tokens in a text are: these tokens, as in a chat template, or text like any other, as in what
/// a user says.
enum class ControlNames : bool { tokens, text };

/// What a model's tokens stand for. Borrows from the model, which must outlive it.
class Vocabulary {
 public:
  explicit Vocabulary(llama_model const& model);

  /// The bytes of one token, which need not be whole characters. A control token is empty.
  [[nodiscard]] std::string text(copyspec::Token token) const;

  /// As `text`, but control tokens have their name.
  [[nodiscard]] std::string name(copyspec::Token token) const;

  /// `text` as tokens. At the start of a context, what the model wants to begin with is put in front.
  [[nodiscard]] std::vector<copyspec::Token> tokens(std::string_view text, bool starts_context,
                                                    ControlNames control_names) const;

  /// The tokens that end an answer, in ascending order.
  [[nodiscard]] std::vector<copyspec::Token> const& ends() const noexcept { return ends_; }

 private:
  [[nodiscard]] std::string piece(copyspec::Token token, bool special) const;

  llama_vocab const* vocabulary_;
  std::vector<copyspec::Token> ends_;
};

}  // namespace copyspec_llama
