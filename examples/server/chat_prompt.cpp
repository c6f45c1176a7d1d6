// SPDX-License-Identifier: MIT
#include "chat_prompt.hpp"

#include <fmt/format.h>

#include <exception>
#include <random>

#include "api_error.hpp"

namespace copyspec_server {
namespace {

using copyspec::Token;
using copyspec_llama::ControlNames;

// What the model is told of the functions, in front of all else.
std::string describe(std::span<Tool const> tools) {
  std::string text =
      "You can call functions. Each line between the <tools> tags describes one as a JSON object.\n<tools>\n";
  for (Tool const& tool : tools)
    text += to_text({{"type", "function"},
                     {"function",
                      {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}}}}) +
            '\n';
  return text +
         "</tools>\nTo call a function, write a JSON object with its name and its arguments between <tool_call> "
         "tags:\n<tool_call>\n{\"name\": \"...\", \"arguments\": {...}}\n</tool_call>";
}

// Arguments that are no object are none.
Json object_of(std::string const& arguments) {
  Json value = parse_inner(arguments).value_or(Json::object());
  return value.is_object() ? value : Json::object();
}

// The call as the model would have written it.
std::string written(ToolCall const& call) {
  return fmt::format("<tool_call>\n{}\n</tool_call>",
                     to_text({{"name", call.name}, {"arguments", object_of(call.arguments)}}));
}

// Messages whose roles every chat template knows.
std::vector<Message> plain_messages(std::span<Message const> messages, std::span<Tool const> tools) {
  std::vector<Message> plain;
  for (Message const& message : messages) {
    Message next{.role = message.role == "developer" ? "system" : message.role, .content = message.content};
    for (ToolCall const& call : message.tool_calls) {
      if (!next.content.empty()) next.content += '\n';
      next.content += written(call);
    }
    if (message.role == "tool") {
      next.role = "user";
      next.content = fmt::format("<tool_response>\n{}\n</tool_response>", message.content);
    }
    plain.push_back(std::move(next));
  }
  if (tools.empty()) return plain;
  if (plain.front().role == "system")
    plain.front().content += "\n\n" + describe(tools);
  else
    plain.insert(plain.begin(), {.role = "system", .content = describe(tools)});
  return plain;
}

std::string random_guard() {
  std::random_device device;
  return fmt::format("\x1f{:08x}{:08x}{:08x}{:08x}\x1f", device(), device(), device(), device());
}

}  // namespace

ChatPrompt::ChatPrompt(llama_model const& model, copyspec_llama::Vocabulary const& vocabulary)
    : vocabulary_(&vocabulary), guard_(random_guard()) {
  llama_vocab const* const words = llama_model_get_vocab(&model);
  auto const name_of = [&](Token token) {
    return token == LLAMA_TOKEN_NULL ? std::string() : std::string(llama_vocab_get_text(words, token));
  };
  if (llama_vocab_get_add_bos(words)) begin_ = name_of(llama_vocab_bos(words));
  if (char const* const source = llama_model_chat_template(&model, nullptr); source == nullptr) {
    why_none_ = "this model has no chat template";
  } else {
    try {
      chat_template_.emplace(source, name_of(llama_vocab_bos(words)), name_of(llama_vocab_eos(words)));
    } catch (std::exception const& error) {
      why_none_ = fmt::format("llama.cpp cannot run the chat template of this model: {}", error.what());
    }
  }
  for (Token token = 0; token < llama_vocab_n_tokens(words); ++token) {
    auto const attributes = static_cast<unsigned>(llama_vocab_get_attr(words, token));
    if ((attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) == 0) continue;
    // A name of one byte cannot be divided.
    std::string name = llama_vocab_get_text(words, token);
    if (name.size() < 2) continue;
    name_sizes_.insert(name.size());
    control_names_.insert(std::move(name));
  }
}

// With the guard after the first byte of each name of a control token.
std::string ChatPrompt::guarded(std::string_view text) const {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    for (std::size_t const size : name_sizes_) {
      if (!control_names_.contains(text.substr(i, size))) continue;
      result += guard_;
      break;
    }
  }
  return result;
}

std::vector<Token> ChatPrompt::tokens(std::span<Message const> messages, std::span<Tool const> tools) const {
  if (!chat_template_) throw ApiError::bad_request(why_none_ + ": use /v1/completions");
  std::vector<Message> plain = plain_messages(messages, tools);
  for (Message& message : plain) message.content = guarded(message.content);
  std::string const text = chat_template_->text(plain);

  // Between two pieces, a name of a control token was divided.
  std::vector<Token> result;
  std::string_view rest = text;
  // The vocabulary puts this token there.
  if (rest.starts_with(begin_)) rest.remove_prefix(begin_.size());
  for (bool first = true;; first = false) {
    std::size_t const end = rest.find(guard_);
    std::vector<Token> const piece = vocabulary_->tokens(rest.substr(0, end), first, ControlNames::tokens);
    result.insert(result.end(), piece.begin(), piece.end());
    if (end == std::string_view::npos) return result;
    rest.remove_prefix(end + guard_.size());
  }
}

std::vector<Token> ChatPrompt::tokens(std::string_view text) const {
  return vocabulary_->tokens(text, true, ControlNames::text);
}

}  // namespace copyspec_server
