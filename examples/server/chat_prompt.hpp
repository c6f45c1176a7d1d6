// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../llama_cpp/vocabulary.hpp"
#include "chat_template.hpp"
#include "copyspec/core/token.hpp"
#include "request.hpp"

namespace copyspec_server {

/// Makes the prompts that requests ask for: messages in the form that a model was trained on, by the chat template in
/// its file, with the functions that it may call. What is in a message is text: names of control tokens in it are not
/// these tokens. Borrows the model and the vocabulary. Threads: any number of calls.
class ChatPrompt {
 public:
  ChatPrompt(llama_model const& model, copyspec_llama::Vocabulary const& vocabulary);

  /// The tokens after which the answer to `messages` comes. Throws `ApiError` if the model has no chat template that
  /// llama.cpp can run, or if its template refuses the messages.
  [[nodiscard]] std::vector<copyspec::Token> tokens(std::span<Message const> messages,
                                                    std::span<Tool const> tools) const;

  /// A text to be continued, as tokens.
  [[nodiscard]] std::vector<copyspec::Token> tokens(std::string_view text) const;

 private:
  [[nodiscard]] std::string guarded(std::string_view text) const;

  copyspec_llama::Vocabulary const* vocabulary_;
  std::optional<ChatTemplate> chat_template_;
  std::string why_none_;  // if there is no template
  std::string begin_;     // name of the token in front of all text, or nothing
  std::set<std::string, std::less<>> control_names_;
  std::set<std::size_t> name_sizes_;
  std::string guard_;  // stands inside names of control tokens, and in no text of a client
};

}  // namespace copyspec_server
