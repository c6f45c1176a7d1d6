// SPDX-License-Identifier: MIT
#include "request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>

#include "api_error.hpp"

namespace copyspec_server {
namespace {

constexpr std::int64_t most_tokens = std::numeric_limits<std::int32_t>::max();

// A text, or parts of a text: an array of {"type": "text", "text"}.
std::string content_of(Fields const& fields, std::string_view field) {
  Json const* const value = fields.find(field);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) fields.refuse(field, "a string or an array of text parts");
  std::string text;
  for (std::size_t i = 0; i < value->size(); ++i) {
    Fields const part((*value)[i], fmt::format("{}[{}]", fields.name(field), i));
    std::string const type = part.required_text("type");
    if (type != "text") part.refuse("type", "text: nothing else is read here");
    text += part.required_text("text");
  }
  return text;
}

ToolCall read_tool_call(Json const& value, std::string path) {
  Fields const fields(value, std::move(path));
  if (fields.text("type").value_or("function") != "function") fields.refuse("type", "function");
  Json const* const function = fields.object("function");
  if (function == nullptr) fields.refuse("function", "given");
  Fields const called(*function, fields.name("function"));
  ToolCall call{.id = fields.text("id").value_or(""),
                .name = called.required_text("name"),
                .arguments = called.text("arguments").value_or("{}")};
  if (!parse_inner(call.arguments)) called.refuse("arguments", "JSON, nested not too deep");
  return call;
}

Message read_message(Json const& value, std::string path) {
  constexpr std::array<std::string_view, 5> roles{"system", "developer", "user", "assistant", "tool"};
  Fields const fields(value, std::move(path));
  Message message{.role = fields.required_text("role"), .content = content_of(fields, "content")};
  if (std::ranges::find(roles, message.role) == roles.end())
    fields.refuse("role", "system, developer, user, assistant or tool");
  if (Json const* const calls = fields.array("tool_calls"); calls != nullptr && message.role == "assistant")
    for (std::size_t i = 0; i < calls->size(); ++i)
      message.tool_calls.push_back(read_tool_call((*calls)[i], fmt::format("{}[{}]", fields.name("tool_calls"), i)));
  if (message.role == "tool") message.tool_call_id = fields.required_text("tool_call_id");
  if (fields.find("content") == nullptr && message.tool_calls.empty()) fields.refuse("content", "given");
  // llama.cpp reads messages up to there.
  if (message.content.find('\0') != std::string::npos) fields.refuse("content", "a text without NUL");
  return message;
}

void read_messages(Fields const& body, RequestLimits const& limits, Request& request) {
  Json const* const messages = body.array("messages");
  if (messages == nullptr || messages->empty()) body.refuse("messages", "an array of at least one message");
  if (messages->size() > limits.messages) body.refuse("messages", fmt::format("at most {} messages", limits.messages));
  for (std::size_t i = 0; i < messages->size(); ++i)
    request.messages.push_back(read_message((*messages)[i], fmt::format("messages[{}]", i)));
}

std::vector<copyspec::Token> read_tokens(Json const& values, Fields const& body, std::string_view field) {
  std::vector<copyspec::Token> tokens;
  for (Json const& value : values) {
    if (!value.is_number_integer() || value.get<double>() < 0 || value.get<double>() > static_cast<double>(most_tokens))
      body.refuse(field, "a string, an array of strings, an array of tokens or an array of these");
    tokens.push_back(value.get<copyspec::Token>());
  }
  return tokens;
}

void read_prompts(Fields const& body, RequestLimits const& limits, Request& request) {
  Json const* const prompt = body.find("prompt");
  if (prompt == nullptr) body.refuse("prompt", "given");
  if (prompt->is_string()) {
    request.prompts = {prompt->get<std::string>()};
    return;
  }
  if (!prompt->is_array() || prompt->empty())
    body.refuse("prompt", "a string, an array of strings, an array of tokens or an array of these");
  if (prompt->front().is_number()) {
    request.prompts = {read_tokens(*prompt, body, "prompt")};
    return;
  }
  if (prompt->size() > limits.prompts) body.refuse("prompt", fmt::format("at most {} prompts", limits.prompts));
  for (Json const& one : *prompt) {
    if (one.is_string())
      request.prompts.emplace_back(one.get<std::string>());
    else if (one.is_array())
      request.prompts.emplace_back(read_tokens(one, body, "prompt"));
    else
      body.refuse("prompt", "a string, an array of strings, an array of tokens or an array of these");
  }
}

void read_stops(Fields const& body, RequestLimits const& limits, Request& request) {
  Json const* const stop = body.find("stop");
  if (stop == nullptr) return;
  auto const add = [&](Json const& value) {
    if (!value.is_string() || value.get_ref<std::string const&>().empty() ||
        value.get_ref<std::string const&>().size() > limits.stop_bytes)
      body.refuse("stop", fmt::format("a string of 1 to {} bytes, or an array of these", limits.stop_bytes));
    request.stop.push_back(value.get<std::string>());
  };
  if (!stop->is_array()) return add(*stop);
  if (stop->size() > limits.stops) body.refuse("stop", fmt::format("at most {} strings", limits.stops));
  std::ranges::for_each(*stop, add);
}

void read_logit_bias(Fields const& body, RequestLimits const& limits, Request& request) {
  Json const* const biases = body.object("logit_bias");
  if (biases == nullptr) return;
  if (biases->size() > limits.logit_biases)
    body.refuse("logit_bias", fmt::format("of at most {} tokens", limits.logit_biases));
  Fields const fields(*biases, "logit_bias");
  for (auto const& [key, value] : biases->items()) {
    copyspec::Token token = 0;
    auto const [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0)
      body.refuse("logit_bias", "an object whose keys are tokens: whole numbers");
    request.logit_bias.emplace_back(token, static_cast<float>(fields.number(key, -100, 100).value_or(0)));
  }
}

void read_response_format(Fields const& body, Request& request) {
  Json const* const format = body.object("response_format");
  if (format == nullptr) return;
  Fields const fields(*format, "response_format");
  std::string const type = fields.required_text("type");
  if (type == "text") return;
  if (type == "json_object") {
    request.json_schema = Json{{"type", "object"}};
    return;
  }
  if (type != "json_schema") fields.refuse("type", "text, json_object or json_schema");
  Json const* const named = fields.object("json_schema");
  if (named == nullptr) fields.refuse("json_schema", "given");
  Json const* const schema = Fields(*named, fields.name("json_schema")).object("schema");
  if (schema == nullptr) fields.refuse("json_schema.schema", "given");
  request.json_schema = *schema;
}

void read_tool_choice(Fields const& body, Request& request) {
  Json const* const choice = body.find("tool_choice");
  request.tool_choice = request.tools.empty() ? ToolChoice::none : ToolChoice::automatic;
  if (choice == nullptr) return;
  char const* const expected = "none, auto, required, or {\"type\": \"function\", \"function\": {\"name\"}}";
  if (choice->is_object()) {
    Fields const fields(*choice, "tool_choice");
    Json const* const function = fields.object("function");
    if (function == nullptr) body.refuse("tool_choice", expected);
    std::string const name = Fields(*function, "tool_choice.function").required_text("name");
    std::erase_if(request.tools, [&](Tool const& tool) { return tool.name != name; });
    if (request.tools.empty()) body.refuse("tool_choice", "a function that is among the tools");
    request.tool_choice = ToolChoice::required;
    request.parallel_tool_calls = false;
    return;
  }
  if (!choice->is_string()) body.refuse("tool_choice", expected);
  std::string const name = choice->get<std::string>();
  if (name == "none")
    request.tool_choice = ToolChoice::none;
  else if (name == "required")
    request.tool_choice = ToolChoice::required;
  else if (name != "auto")
    body.refuse("tool_choice", expected);
  if (request.tools.empty() && request.tool_choice != ToolChoice::none)
    body.refuse("tool_choice", "none where there are no tools");
}

void read_tools(Fields const& body, RequestLimits const& limits, Request& request) {
  if (Json const* const tools = body.array("tools")) {
    if (tools->size() > limits.tools) body.refuse("tools", fmt::format("at most {} functions", limits.tools));
    for (std::size_t i = 0; i < tools->size(); ++i) {
      Fields const fields((*tools)[i], fmt::format("tools[{}]", i));
      if (fields.text("type").value_or("function") != "function") fields.refuse("type", "function");
      Json const* const function = fields.object("function");
      if (function == nullptr) fields.refuse("function", "given");
      Fields const described(*function, fields.name("function"));
      Json const* const parameters = described.object("parameters");
      Tool tool{.name = described.required_text("name"),
                .description = described.text("description").value_or(""),
                .parameters = parameters == nullptr ? Json{{"type", "object"}} : *parameters};
      if (tool.name.empty()) described.refuse("name", "not empty");
      if (std::ranges::find(request.tools, tool.name, &Tool::name) != request.tools.end())
        described.refuse("name", "that of no other function");
      request.tools.push_back(std::move(tool));
    }
  }
  request.parallel_tool_calls = body.boolean("parallel_tool_calls").value_or(true);
  read_tool_choice(body, request);
}

void read_prediction(Fields const& body, Request& request) {
  Json const* const prediction = body.object("prediction");
  if (prediction == nullptr) return;
  Fields const fields(*prediction, "prediction");
  if (fields.text("type").value_or("content") != "content") fields.refuse("type", "content");
  if (!fields.has("content")) fields.refuse("content", "given");
  request.prediction = content_of(fields, "content");
}

void read_speculative(Fields const& body, Request& request) {
  Json const* const speculative = body.object("speculative");
  if (speculative == nullptr) return;
  Fields const fields(*speculative, "speculative");
  if (auto const most = fields.integer("max_draft_tokens", 0, most_tokens))
    request.max_draft_tokens = static_cast<std::size_t>(*most);
  if (!fields.boolean("enabled").value_or(true)) request.max_draft_tokens = 0;
  request.show_sources = fields.boolean("show_sources").value_or(false);
}

// What both endpoints have.
void read_common(Fields const& body, RequestLimits const& limits, Request& request) {
  auto const share = [&](char const* name, float& value) {
    value = static_cast<float>(body.number(name, 0, 1).value_or(value));
  };
  request.model = body.text("model").value_or("");
  request.n = static_cast<std::size_t>(body.integer("n", 1, static_cast<std::int64_t>(limits.answers)).value_or(1));
  request.min_tokens = static_cast<std::size_t>(body.integer("min_tokens", 0, most_tokens).value_or(0));
  request.ignore_eos = body.boolean("ignore_eos").value_or(false);
  request.seed =
      body.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  request.temperature = static_cast<float>(body.number("temperature", 0, 2).value_or(1));
  if (request.temperature > 0 && request.temperature < 1e-3F) body.refuse("temperature", "0, or 0.001 to 2");
  share("top_p", request.top_p);
  share("min_p", request.min_p);
  request.top_k = static_cast<std::ptrdiff_t>(body.integer("top_k", -1, most_tokens).value_or(0));
  request.frequency_penalty = static_cast<float>(body.number("frequency_penalty", -2, 2).value_or(0));
  request.presence_penalty = static_cast<float>(body.number("presence_penalty", -2, 2).value_or(0));
  read_logit_bias(body, limits, request);
  read_stops(body, limits, request);
  read_prediction(body, request);
  read_speculative(body, request);
  request.grammar = body.text("grammar");
  if (request.grammar && request.grammar->size() > limits.grammar_bytes)
    body.refuse("grammar", fmt::format("at most {} bytes long", limits.grammar_bytes));
  read_response_format(body, request);
  if (request.grammar && request.json_schema) body.refuse("grammar", "absent where response_format is a schema");
  request.stream = body.boolean("stream").value_or(false);
  if (Json const* const options = body.object("stream_options")) {
    if (!request.stream) body.refuse("stream_options", "absent where nothing is streamed");
    request.include_usage = Fields(*options, "stream_options").boolean("include_usage").value_or(false);
  }
  request.user = body.text("user").value_or("");
}

std::optional<std::size_t> read_max_tokens(Fields const& body, std::string_view field) {
  auto const most = body.integer(field, 1, most_tokens);
  return most ? std::optional(static_cast<std::size_t>(*most)) : std::nullopt;
}

}  // namespace

Request parse_chat(Json const& value, RequestLimits const& limits) {
  Fields const body(value);
  Request request{.chat = true};
  read_messages(body, limits, request);
  read_common(body, limits, request);
  request.max_tokens = read_max_tokens(body, "max_completion_tokens");
  if (auto const most = read_max_tokens(body, "max_tokens"); most && !request.max_tokens) request.max_tokens = most;
  read_tools(body, limits, request);
  auto const top = body.integer("top_logprobs", 0, 20);
  if (body.boolean("logprobs").value_or(false))
    request.logprobs = static_cast<std::size_t>(top.value_or(0));
  else if (top)
    body.refuse("top_logprobs", "absent where logprobs is not true");
  if (request.tool_choice != ToolChoice::none && (request.grammar || request.json_schema))
    body.refuse(request.grammar ? "grammar" : "response_format", "absent where tools may be called");
  return request;
}

Request parse_completion(Json const& value, RequestLimits const& limits) {
  Fields const body(value);
  Request request;
  read_prompts(body, limits, request);
  read_common(body, limits, request);
  request.max_tokens = read_max_tokens(body, "max_tokens").value_or(16);
  if (auto const top = body.integer("logprobs", 0, 20)) request.logprobs = static_cast<std::size_t>(*top);
  if (body.boolean("echo").value_or(false)) body.refuse("echo", "false: prompts are not repeated here");
  if (body.has("suffix")) body.refuse("suffix", "absent: texts are not filled in here");
  if (auto const best = body.integer("best_of", 1, most_tokens); best && static_cast<std::size_t>(*best) != request.n)
    body.refuse("best_of", "equal to n");
  return request;
}

}  // namespace copyspec_server
