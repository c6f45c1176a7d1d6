// SPDX-License-Identifier: MIT
#include "chat_format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "copyspec/core/error.hpp"

namespace copyspec_llama {

using copyspec::Token;

ChatFormat::ChatFormat(llama_model const& model, Vocabulary const& vocabulary)
    : vocabulary_(&vocabulary), chat_template_(llama_model_chat_template(&model, nullptr)) {
  std::array const messages{llama_chat_message{.role = "user", .content = "?"}};
  if (chat_template_ == nullptr) {
    why_plain_ = "the model has no chat template";
  } else if (llama_chat_apply_template(chat_template_, messages.data(), messages.size(), true, nullptr, 0) < 0) {
    chat_template_ = nullptr;
    why_plain_ = "the chat template of the model is none that llama.cpp knows";
  }
}

std::vector<Token> ChatFormat::prompt(Conversation const& conversation, std::size_t turn,
                                      std::span<Token const> context) const {
  std::vector<Token> tokens = added_tokens(conversation, turn, context.empty());
  // The template ends an answer with a token that the model has mostly said already.
  bool const ended = !context.empty() && std::ranges::binary_search(vocabulary_->ends(), context.back());
  if (ended && !tokens.empty() && tokens.front() == context.back()) tokens.erase(tokens.begin());
  return tokens;
}

std::string ChatFormat::apply(std::span<llama_chat_message const> messages) const {
  std::int32_t const size =
      llama_chat_apply_template(chat_template_, messages.data(), messages.size(), true, nullptr, 0);
  if (size < 0)
    copyspec::raise_error(copyspec::ErrorCode::engine, "llama.cpp cannot apply the chat template of the model");
  std::string text(static_cast<std::size_t>(size), '\0');
  llama_chat_apply_template(chat_template_, messages.data(), messages.size(), true, text.data(), size);
  return text;
}

std::vector<Token> ChatFormat::added_tokens(Conversation const& conversation, std::size_t turn,
                                            bool starts_context) const {
  std::string const& said = conversation.turns[turn];
  if (chat_template_ == nullptr) return vocabulary_->tokens(said, starts_context, ControlNames::text);
  std::vector<Token> const as_text = vocabulary_->tokens(said, false, ControlNames::text);
  if (as_text == vocabulary_->tokens(said, false, ControlNames::tokens))
    return vocabulary_->tokens(added_text(conversation, turn, said), starts_context, ControlNames::tokens);
  // Names of control tokens in what is said: what is around it is made into tokens apart.
  constexpr std::string_view stand_in = "copyspec-stand-in";
  std::string const around = added_text(conversation, turn, std::string(stand_in));
  std::size_t const place = around.find(stand_in);
  if (place == std::string::npos)
    copyspec::raise_error(copyspec::ErrorCode::engine, "the chat template of the model leaves out what the user says");
  std::vector<Token> tokens =
      vocabulary_->tokens(std::string_view(around).substr(0, place), starts_context, ControlNames::tokens);
  tokens.insert(tokens.end(), as_text.begin(), as_text.end());
  std::vector<Token> const after =
      vocabulary_->tokens(std::string_view(around).substr(place + stand_in.size()), false, ControlNames::tokens);
  tokens.insert(tokens.end(), after.begin(), after.end());
  return tokens;
}

// `said` stands for what the user says in this turn.
std::string ChatFormat::added_text(Conversation const& conversation, std::size_t turn, std::string const& said) const {
  // Only what stands after the last answer is wanted, so any text will do for the answers; templates may trim theirs.
  constexpr char const* answer = "answer";
  std::vector<llama_chat_message> messages;
  for (std::size_t i = 0; i <= turn; ++i) {
    if (i > 0) messages.push_back({.role = "assistant", .content = answer});
    messages.push_back({.role = "user", .content = (i == turn ? said : conversation.turns[i]).c_str()});
  }
  std::string text = apply(messages);
  if (turn == 0) return text;
  std::string const before = apply(std::span(messages).first(messages.size() - 2)) + answer;
  if (!text.starts_with(before))
    copyspec::raise_error(
        copyspec::ErrorCode::engine,
        "the chat template of the model rewrites earlier turns, so a conversation cannot be continued");
  return text.substr(before.size());
}

}  // namespace copyspec_llama
