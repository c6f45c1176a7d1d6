// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conversation.hpp"
#include "copyspec/core/token.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// Puts what a user says into the form that a model was trained on, by the chat template in its file. Names of control
/// tokens are these in the template, and text in what the user says. Borrows the model and the vocabulary, which must
/// outlive it.
class ChatFormat {
 public:
  ChatFormat(llama_model const& model, Vocabulary const& vocabulary);

  /// Why prompts are used as they are, or nothing if a template is applied.
  [[nodiscard]] std::string_view why_plain() const noexcept { return why_plain_; }

  /// The tokens to append to `context`, which ends with the answer to the turn before, so that the answer to turn
  /// `turn` comes next. A context is empty before the first turn.
  [[nodiscard]] std::vector<copyspec::Token> prompt(Conversation const& conversation, std::size_t turn,
                                                    std::span<copyspec::Token const> context) const;

 private:
  [[nodiscard]] std::string apply(std::span<llama_chat_message const> messages) const;
  [[nodiscard]] std::string added_text(Conversation const& conversation, std::size_t turn,
                                       std::string const& said) const;
  [[nodiscard]] std::vector<copyspec::Token> added_tokens(Conversation const& conversation, std::size_t turn,
                                                          bool starts_context) const;

  Vocabulary const* vocabulary_;
  char const* chat_template_;  // null: none that can be applied
  std::string_view why_plain_;
};

}  // namespace copyspec_llama
