// SPDX-License-Identifier: MIT
#include "chat_template.hpp"

#include <fmt/format.h>
#include <jinja/caps.h>
#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api_error.hpp"

namespace copyspec_server {
namespace {

jinja::value string_value(std::string const& text) {
  return jinja::mk_val<jinja::value_string>(text);
}

std::vector<Message> without_system(std::span<Message const> messages) {
  std::vector<Message> others;
  std::string told;
  for (Message const& message : messages) {
    if (message.role == "system") {
      told += message.content + "\n\n";
      continue;
    }
    others.push_back(message);
    if (message.role == "user") others.back().content.insert(0, std::exchange(told, {}));
  }
  if (!told.empty()) others.push_back({.role = "user", .content = told.substr(0, told.size() - 2)});
  return others;
}

// What a template says itself, or else what the engine says of it.
std::string_view reason_in(std::string_view text) {
  constexpr std::string_view raised = "Jinja Exception: ";
  if (std::size_t const at = text.find(raised); at != std::string_view::npos) return text.substr(at + raised.size());
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

}  // namespace

struct ChatTemplate::Program {
  std::string begin, end;
  jinja::program program;
  jinja::caps abilities;

  [[nodiscard]] jinja::value value_of(Message const& message) const {
    auto const content = [&]() -> jinja::value {
      if (abilities.supports_string_content) return string_value(message.content);
      auto part = jinja::mk_val<jinja::value_object>();
      part->insert("type", string_value("text"));
      part->insert("text", string_value(message.content));
      auto parts = jinja::mk_val<jinja::value_array>();
      parts->push_back(std::move(part));
      return parts;
    };
    auto value = jinja::mk_val<jinja::value_object>();
    value->insert("role", string_value(message.role));
    value->insert("content", content());
    return value;
  }

  [[nodiscard]] std::string run(std::span<Message const> messages) const {
    jinja::context context;
    auto list = jinja::mk_val<jinja::value_array>();
    for (Message const& message : messages) list->push_back(value_of(message));
    context.set_val("messages", list);
    context.set_val("bos_token", string_value(begin));
    context.set_val("eos_token", string_value(end));
    context.set_val("add_generation_prompt", jinja::mk_val<jinja::value_bool>(true));
    return jinja::runtime::gather_string_parts(jinja::runtime(context).execute(program))->as_string().str();
  }
};

ChatTemplate::ChatTemplate(std::string const& source, std::string begin, std::string end)
    : program_(std::make_unique<Program>()) {
  program_->begin = std::move(begin);
  program_->end = std::move(end);
  program_->program = jinja::parse_from_tokens(jinja::lexer().tokenize(source));
  program_->abilities = jinja::caps_get(program_->program);
  std::vector<Message> const probe{{.role = "user", .content = "what a user says"}};
  if (program_->run(probe).find(probe.front().content) == std::string::npos)
    throw std::runtime_error("it does not show what a user says");
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::text(std::span<Message const> messages) const {
  try {
    return program_->abilities.supports_system_role ? program_->run(messages) : program_->run(without_system(messages));
  } catch (std::exception const& error) {
    throw ApiError::bad_request(
        fmt::format("the chat template of the model refuses these messages: {}", reason_in(error.what())), "messages");
  }
}

}  // namespace copyspec_server
