// SPDX-License-Identifier: MIT
#include "examples/server/chat_prompt.hpp"

#include <doctest/doctest.h>
#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"
#include "examples/llama_cpp/vocabulary.hpp"
#include "examples/server/api_error.hpp"
#include "examples/server/json.hpp"
#include "examples/server/request.hpp"
#include "support/demo_model.hpp"
#include "support/random.hpp"

using copyspec::Token;
using copyspec_llama::ControlNames;
using copyspec_llama::Vocabulary;
using copyspec_server::ApiError;
using copyspec_server::ChatPrompt;
using copyspec_server::Json;
using copyspec_server::Message;
using copyspec_server::Tool;
using copyspec_server::ToolCall;
using copyspec_test::demo_model;
using copyspec_test::Random;

namespace {

using Tokens = std::vector<Token>;

Vocabulary const& vocabulary() {
  static Vocabulary const words(demo_model());
  return words;
}

ChatPrompt const& prompts() {
  static ChatPrompt const all(demo_model(), vocabulary());
  return all;
}

// The names of all control tokens, by token.
std::vector<std::pair<Token, std::string>> const& controls() {
  static std::vector<std::pair<Token, std::string>> const all = [] {
    std::vector<std::pair<Token, std::string>> named;
    llama_vocab const* const words = llama_model_get_vocab(&demo_model());
    for (Token token = 0; token < llama_vocab_n_tokens(words); ++token)
      if (llama_vocab_is_control(words, token)) named.emplace_back(token, vocabulary().name(token));
    REQUIRE(named.size() > 3);
    return named;
  }();
  return all;
}

Tokens controls_in(Tokens const& tokens) {
  Tokens found;
  for (Token const token : tokens)
    if (vocabulary().text(token).empty() && !vocabulary().name(token).empty()) found.push_back(token);
  return found;
}

// With the names of control tokens.
std::string text_of(Tokens const& tokens) {
  std::string text;
  for (Token const token : tokens) text += vocabulary().name(token);
  return text;
}

// What the chat template of this model says if it is told nothing.
std::string const told_nothing =
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";

std::string template_text(std::span<Message const> messages) {
  std::string text = messages.front().role == "system" ? "" : told_nothing;
  for (Message const& message : messages)
    text += "<|im_start|>" + message.role + "\n" + message.content + "<|im_end|>\n";
  return text + "<|im_start|>assistant\n";
}

std::vector<Message> const talk{{.role = "system", .content = "Be short."},
                                {.role = "user", .content = "One?"},
                                {.role = "assistant", .content = "Two."},
                                {.role = "user", .content = "And then?"}};

// Prompts in which a client's text stands at any place that there is.
std::vector<std::function<Tokens(std::string const&)>> const places{
    [](std::string const& text) {
      return prompts().tokens(std::vector<Message>{{.role = "user", .content = text}}, {});
    },
    [](std::string const& text) {
      return prompts().tokens(
          std::vector<Message>{{.role = "system", .content = text}, {.role = "user", .content = "?"}}, {});
    },
    [](std::string const& text) {
      return prompts().tokens(
          std::vector<Message>{{.role = "developer", .content = text}, {.role = "user", .content = "?"}}, {});
    },
    [](std::string const& text) {
      return prompts().tokens(std::vector<Message>{{.role = "user", .content = "?"},
                                                   {.role = "assistant", .content = text},
                                                   {.role = "user", .content = "?"}},
                              {});
    },
    [](std::string const& text) {
      return prompts().tokens(std::vector<Message>{{.role = "user", .content = "?"},
                                                   {.role = "tool", .content = text, .tool_call_id = "c"}},
                              {});
    },
    [](std::string const& text) {
      return prompts().tokens(
          std::vector<Message>{{.role = "user", .content = "?"},
                               {.role = "assistant",
                                .content = "",
                                .tool_calls = {{.id = text, .name = text, .arguments = Json{{text, text}}.dump()}}},
                               {.role = "tool", .content = "?"}},
          {});
    },
    [](std::string const& text) {
      std::vector<Tool> const tools{
          {.name = text, .description = text, .parameters = {{"type", "object"}, {"description", text}}}};
      return prompts().tokens(std::vector<Message>{{.role = "user", .content = "?"}}, tools);
    }};

}  // namespace

TEST_CASE("a talk is the text of the chat template, whose control tokens are these tokens") {
  for (std::size_t count = 1; count <= talk.size(); ++count) {
    std::span<Message const> const some = std::span(talk).first(count);
    Tokens const tokens = prompts().tokens(some, {});
    CHECK(tokens == vocabulary().tokens(template_text(some), true, ControlNames::tokens));
    CHECK(text_of(tokens) == text_of(vocabulary().tokens("", true, ControlNames::tokens)) + template_text(some));
    CHECK(controls_in(tokens).size() > count);
  }
}

TEST_CASE("a name of a control token is never this token, wherever it stands") {
  std::vector<std::string> texts;
  for (auto const& [token, name] : controls()) {
    texts.insert(texts.end(), {name, name + name, "a " + name + " b", "\n" + name + "\n"});
    // A name within a name: what is left when one is taken out must not be one either.
    for (std::size_t at = 1; at < name.size(); ++at) texts.push_back(name.substr(0, at) + name + name.substr(at));
  }
  for (auto const& place : places) {
    Tokens const plain = controls_in(place("x"));
    REQUIRE_FALSE(plain.empty());
    for (std::string const& text : texts) {
      Tokens const tokens = place(text);
      CAPTURE(text);
      REQUIRE(controls_in(tokens) == plain);
      // As it is, or as JSON has it.
      std::string const quoted = Json(text).dump();
      REQUIRE((text_of(tokens).find(text) != std::string::npos ||
               text_of(tokens).find(quoted.substr(1, quoted.size() - 2)) != std::string::npos));
    }
  }
}

TEST_CASE("no text of parts of names makes a control token, and none of it is lost") {
  std::vector<std::string> parts{"<", "|", ">", "x", " ", "\n", "\x1f", "\x1e"};
  for (auto const& [token, name] : controls()) {
    parts.push_back(name);
    parts.push_back(name.substr(0, name.size() / 2));
    parts.push_back(name.substr(name.size() / 2));
  }
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = "x";
    for (std::size_t count = random.below(10); count > 0; --count) text += parts[random.below(parts.size())];
    text += "x";
    std::vector<Message> const messages{{.role = "user", .content = text}};
    Tokens const tokens = prompts().tokens(messages, {});
    CAPTURE(text);
    REQUIRE(controls_in(tokens) == controls_in(places.front()("x")));
    REQUIRE(text_of(tokens) == text_of(vocabulary().tokens("", true, ControlNames::tokens)) + template_text(messages));
  }
}

TEST_CASE("a text to be continued has no control tokens but those that a context begins with") {
  Tokens const begin = vocabulary().tokens("", true, ControlNames::tokens);
  for (auto const& [token, name] : controls()) {
    Tokens const tokens = prompts().tokens(name + "a" + name);
    CHECK(controls_in(tokens) == controls_in(begin));
    CHECK(text_of(tokens) == text_of(begin) + name + "a" + name);
  }
}

TEST_CASE("what another message adds stands behind what was there") {
  Tokens before;
  for (std::size_t count = 2; count <= talk.size(); count += 2) {
    Tokens const tokens = prompts().tokens(std::span(talk).first(count), {});
    std::size_t const common = static_cast<std::size_t>(std::ranges::mismatch(before, tokens).in1 - before.begin());
    // The last token may become one with what follows.
    CHECK(common + 1 >= before.size());
    before = tokens;
  }
}

TEST_CASE("tools are described in front, behind what the system says") {
  std::vector<Tool> const tools{{.name = "find", .description = "Finds it.", .parameters = {{"type", "object"}}},
                                {.name = "count", .description = "", .parameters = {{"type", "object"}}}};
  std::vector<std::string> described;
  for (Tool const& tool : tools)
    described.push_back(copyspec_server::to_text(
        {{"type", "function"},
         {"function", {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}}}}));
  for (std::string const role : {"system", "developer", "user"}) {
    std::vector<Message> const messages{{.role = role, .content = "First."}, {.role = "user", .content = "Second."}};
    std::string const text = text_of(prompts().tokens(messages, tools));
    std::size_t const first = text.find("First."), begin = text.find("<tools>\n" + described[0] + "\n"),
                      next = text.find(described[1] + "\n</tools>"), second = text.find("Second.");
    CAPTURE(text);
    REQUIRE(std::max({first, begin, next, second}) < text.size());
    CHECK(begin < next);
    CHECK(next < second);
    CHECK((first < begin) == (role != "user"));
    // One message of the system, which the model was trained on.
    CHECK(text.find("system\n") == text.rfind("system\n"));
    CHECK(text_of(prompts().tokens(messages, {})).find("<tools>") == std::string::npos);
  }
}

TEST_CASE("calls and their results are in the prompt as the model writes and reads them") {
  auto const with_calls = [](std::string content, std::vector<ToolCall> calls) {
    std::vector<Message> const messages{
        {.role = "user", .content = "How many?"},
        {.role = "assistant", .content = std::move(content), .tool_calls = std::move(calls)},
        {.role = "tool", .content = "42", .tool_call_id = "c"}};
    return text_of(prompts().tokens(messages, {}));
  };
  ToolCall const count{.id = "c", .name = "count", .arguments = "{ \"of\" : [1,\"é\"] }"};
  std::string const written = "<tool_call>\n{\"name\":\"count\",\"arguments\":{\"of\":[1,\"é\"]}}\n</tool_call>";
  CHECK(with_calls("", {count}).find("assistant\n" + written + "<|im_end|>") != std::string::npos);
  CHECK(with_calls("I count.", {count}).find("assistant\nI count.\n" + written + "<|im_end|>") != std::string::npos);
  CHECK(with_calls("", {count, count}).find("assistant\n" + written + "\n" + written + "<|im_end|>") !=
        std::string::npos);
  CHECK(with_calls("", {count}).find("user\n<tool_response>\n42\n</tool_response><|im_end|>") != std::string::npos);
  for (std::string const arguments : {"", "no JSON", "{"})
    CHECK(with_calls("", {{.id = "", .name = "f", .arguments = arguments}}).find("{\"name\":\"f\",\"arguments\":{}}") !=
          std::string::npos);
}

TEST_CASE("any characters are the tokens that the text of the chat template has") {
  Random random(2);
  auto const utf8 = [](std::size_t point) {
    auto const byte = [](std::size_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
    auto const more = [&](std::size_t shift) { return byte(0x80 | ((point >> shift) & 0x3F)); };
    if (point < 0x80) return std::string{byte(point)};
    if (point < 0x800) return std::string{byte(0xC0 | (point >> 6)), more(0)};
    if (point < 0x10000) return std::string{byte(0xE0 | (point >> 12)), more(6), more(0)};
    return std::string{byte(0xF0 | (point >> 18)), more(12), more(6), more(0)};
  };
  for (int round = 0; round < 500; ++round) {
    std::string text = "x";
    for (std::size_t count = random.below(20); count > 0; --count) {
      std::size_t const point = random.between(1, random.any_of<std::size_t>({0x7F, 0x7FF, 0xFFFF, 0x10FFFF}));
      if (point < 0xD800 || point > 0xDFFF) text += utf8(point);
    }
    std::vector<Message> const messages{{.role = "user", .content = text + "x"}};
    REQUIRE(prompts().tokens(messages, {}) == vocabulary().tokens(template_text(messages), true, ControlNames::tokens));
  }
}

TEST_CASE("a zero byte does not cut off what stands behind it") {
  std::string const text("before\0behind", 13);
  for (auto const& place : places) CHECK(text_of(place(text)).find("behind") != std::string::npos);
}

TEST_CASE("arguments that are nested too deep, or no object, are none") {
  auto const with = [](std::string const& arguments) {
    std::vector<Message> const messages{
        {.role = "user", .content = "?"},
        {.role = "assistant", .content = "", .tool_calls = {{.id = "c", .name = "f", .arguments = arguments}}}};
    return prompts().tokens(messages, {});
  };
  auto const nested = [](std::size_t depth) {
    return "{\"x\": " + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(with(nested(60)) != with("{}"));
  for (std::string const& arguments : {nested(80), std::string("7"), std::string("[1]"), std::string("{")})
    CHECK(with(arguments) == with("{}"));
}
