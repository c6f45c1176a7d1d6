// SPDX-License-Identifier: MIT
#include "examples/server/request.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "copyspec/core/token.hpp"
#include "examples/server/api_error.hpp"
#include "examples/server/json.hpp"

using copyspec::Token;
using copyspec_server::ApiError;
using copyspec_server::Json;
using copyspec_server::parse_chat;
using copyspec_server::parse_completion;
using copyspec_server::Request;
using copyspec_server::RequestLimits;
using copyspec_server::Tool;
using copyspec_server::ToolChoice;

namespace {

Json chat_body() {
  return {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}};
}

Json completion_body() {
  return {{"prompt", "Hi"}};
}

// A body with one more field, or another value of it.
Json with(Json body, std::string const& field, Json value) {
  body[field] = std::move(value);
  return body;
}

Json chat_with(std::string const& field, Json value) {
  return with(chat_body(), field, std::move(value));
}

Json completion_with(std::string const& field, Json value) {
  return with(completion_body(), field, std::move(value));
}

// The field that an error names; "accepted" if there is none.
template <class Parse>
std::string blamed(Parse const& parse, Json const& body, RequestLimits const& limits = {}) {
  try {
    static_cast<void>(parse(body, limits));
  } catch (ApiError const& error) {
    CHECK(error.status() == 400);
    Json const param = Json::parse(error.body())["error"]["param"];
    return param.is_string() ? param.get<std::string>() : "nothing";
  }
  return "accepted";
}

std::string blamed_in_chat(std::string const& field, Json value, RequestLimits const& limits = {}) {
  return blamed(parse_chat, chat_with(field, std::move(value)), limits);
}

// The same for both endpoints.
std::string blamed_in_both(std::string const& field, Json const& value, RequestLimits const& limits = {}) {
  std::string const name = blamed_in_chat(field, value, limits);
  CHECK(blamed(parse_completion, completion_with(field, value), limits) == name);
  return name;
}

Json message(Json role, Json content) {
  return {{"role", std::move(role)}, {"content", std::move(content)}};
}

Json tool(std::string const& name) {
  return {{"type", "function"}, {"function", {{"name", name}}}};
}

}  // namespace

TEST_CASE("what a request does not say has OpenAI's defaults, and a null says nothing") {
  std::vector<std::string> const fields{"model",
                                        "n",
                                        "min_tokens",
                                        "ignore_eos",
                                        "stop",
                                        "seed",
                                        "temperature",
                                        "top_p",
                                        "min_p",
                                        "top_k",
                                        "frequency_penalty",
                                        "presence_penalty",
                                        "logit_bias",
                                        "logprobs",
                                        "grammar",
                                        "response_format",
                                        "prediction",
                                        "speculative",
                                        "stream",
                                        "stream_options",
                                        "user",
                                        "max_tokens"};
  Json chat = chat_body(), completion = completion_body();
  bool nulls = false;
  SUBCASE("absent") {}
  SUBCASE("null") {
    nulls = true;
    for (std::string const& field : fields) chat[field] = completion[field] = nullptr;
    for (char const* field : {"tools", "tool_choice", "parallel_tool_calls", "top_logprobs", "max_completion_tokens"})
      chat[field] = nullptr;
    for (char const* field : {"echo", "suffix", "best_of"}) completion[field] = nullptr;
  }
  CAPTURE(nulls);
  for (Request const& request : {parse_chat(chat), parse_completion(completion)}) {
    CHECK(request.model.empty());
    CHECK(request.n == 1);
    CHECK(request.min_tokens == 0);
    CHECK_FALSE(request.ignore_eos);
    CHECK(request.stop.empty());
    CHECK_FALSE(request.seed);
    CHECK(request.temperature == 1);
    CHECK(request.top_p == 1);
    CHECK(request.min_p == 0);
    CHECK(request.top_k == 0);
    CHECK(request.frequency_penalty == 0);
    CHECK(request.presence_penalty == 0);
    CHECK(request.logit_bias.empty());
    CHECK_FALSE(request.logprobs);
    CHECK_FALSE(request.grammar);
    CHECK_FALSE(request.json_schema);
    CHECK(request.tools.empty());
    CHECK(request.tool_choice == ToolChoice::none);
    CHECK(request.parallel_tool_calls);
    CHECK(request.prediction.empty());
    CHECK(request.max_draft_tokens == ~std::size_t{0});
    CHECK_FALSE(request.stream);
    CHECK_FALSE(request.include_usage);
    CHECK_FALSE(request.show_sources);
    CHECK(request.user.empty());
  }
  CHECK(parse_chat(chat).chat);
  CHECK_FALSE(parse_completion(completion).chat);
  CHECK_FALSE(parse_chat(chat).max_tokens);
  CHECK(parse_completion(completion).max_tokens == 16);
}

TEST_CASE("each field that both endpoints have is read") {
  Json fields{{"model", "m"},
              {"n", 3},
              {"min_tokens", 4},
              {"max_tokens", 5},
              {"ignore_eos", true},
              {"stop", {"a", "b"}},
              {"seed", -7},
              {"temperature", 0.5},
              {"top_p", 0.25},
              {"min_p", 0.125},
              {"top_k", 40},
              {"frequency_penalty", -2},
              {"presence_penalty", 1.5},
              {"logit_bias", {{"12", -100}, {"7", 1.5}}},
              {"grammar", "root ::= \"a\""},
              {"prediction", {{"type", "content"}, {"content", "p"}}},
              {"speculative", {{"max_draft_tokens", 9}, {"show_sources", true}}},
              {"stream", true},
              {"stream_options", {{"include_usage", true}}},
              {"user", "u"}};
  Json chat = chat_body(), completion = completion_body();
  for (auto const& [field, value] : fields.items()) chat[field] = completion[field] = value;
  for (Request const& request : {parse_chat(chat), parse_completion(completion)}) {
    CHECK(request.model == "m");
    CHECK(request.n == 3);
    CHECK(request.min_tokens == 4);
    CHECK(request.max_tokens == 5);
    CHECK(request.ignore_eos);
    CHECK(request.stop == std::vector<std::string>{"a", "b"});
    CHECK(request.seed == -7);
    CHECK(request.temperature == 0.5F);
    CHECK(request.top_p == 0.25F);
    CHECK(request.min_p == 0.125F);
    CHECK(request.top_k == 40);
    CHECK(request.frequency_penalty == -2);
    CHECK(request.presence_penalty == 1.5F);
    CHECK(request.logit_bias == std::vector<std::pair<Token, float>>{{12, -100.0F}, {7, 1.5F}});
    CHECK(request.grammar == "root ::= \"a\"");
    CHECK(request.prediction == "p");
    CHECK(request.max_draft_tokens == 9);
    CHECK(request.show_sources);
    CHECK(request.stream);
    CHECK(request.include_usage);
    CHECK(request.user == "u");
  }
}

TEST_CASE("fields that are not known are ignored, whatever they are") {
  for (Json const& value : {Json(1), Json("x"), Json::array({1}), Json{{"role", 5}}, Json(nullptr)}) {
    CHECK(blamed_in_both("metadata", value) == "accepted");
    CHECK(blamed_in_both("no such field", value) == "accepted");
    CHECK(blamed(parse_chat, chat_with("prompt", value)) == "accepted");
    CHECK(blamed(parse_completion, completion_with("tools", value)) == "accepted");
    Json one = message("user", "Hi");
    one["name"] = value;
    one["tool_calls"] = Json::array();
    CHECK(blamed_in_chat("messages", Json::array({one})) == "accepted");
  }
}

TEST_CASE("a value of the wrong type, or out of its range, is refused by the name of its field") {
  Json const none = Json::array();
  std::vector<std::pair<std::string, std::vector<Json>>> const wrong{{"model", {1, none, true}},
                                                                     {"n", {0, 9, -1, 1.5, 1.0, "1", none}},
                                                                     {"min_tokens", {-1, 0.5, "1", 2147483648}},
                                                                     {"max_tokens", {0, -1, 0.5, "1", 2147483648}},
                                                                     {"ignore_eos", {0, 1, "true"}},
                                                                     {"seed", {0.5, "1", 9223372036854775808U}},
                                                                     {"temperature", {-0.1, 2.1, "1", 1e-4, none}},
                                                                     {"top_p", {-0.1, 1.1, "1", true}},
                                                                     {"min_p", {-0.1, 1.1, "1", true}},
                                                                     {"top_k", {-2, 0.5, "1"}},
                                                                     {"frequency_penalty", {-2.1, 2.1, "1"}},
                                                                     {"presence_penalty", {-2.1, 2.1, "1"}},
                                                                     {"grammar", {1, none, true}},
                                                                     {"stream", {1, "true"}},
                                                                     {"user", {1, none}},
                                                                     {"logit_bias", {1, "x", none}},
                                                                     {"prediction", {1, "x", none}},
                                                                     {"speculative", {1, "x", none, true}},
                                                                     {"response_format", {1, "json_object", none}}};
  for (auto const& [name, all] : wrong)
    for (Json const& value : all) {
      std::string const& field = name;
      CHECK_MESSAGE(blamed_in_both(field, value) == field, field, value.dump());
    }
  for (Json const& value : std::vector<Json>{1, "x", none})
    CHECK(blamed(parse_chat, with(chat_with("stream", true), "stream_options", value)) == "stream_options");
  CHECK(blamed_in_both("stream_options", Json::object()) == "stream_options");
  CHECK(blamed(parse_chat, with(chat_with("stream", true), "stream_options", {{"include_usage", 1}})) ==
        "stream_options.include_usage");
  CHECK(blamed_in_both("speculative", {{"max_draft_tokens", -1}}) == "speculative.max_draft_tokens");
  CHECK(blamed_in_both("speculative", {{"enabled", 1}}) == "speculative.enabled");
  CHECK(blamed_in_both("speculative", {{"show_sources", 1}}) == "speculative.show_sources");
}

TEST_CASE("values at the ends of their ranges are taken") {
  std::vector<std::pair<std::string, std::vector<Json>>> const right{
      {"n", {1, 8}},
      {"min_tokens", {0, 2147483647}},
      {"max_tokens", {1, 2147483647}},
      {"seed", {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}},
      {"temperature", {0, 0.001, 2, 2.0}},
      {"top_p", {0, 1}},
      {"min_p", {0, 1}},
      {"top_k", {-1, 0, 2147483647}},
      {"frequency_penalty", {-2, 2}},
      {"presence_penalty", {-2, 2}}};
  for (auto const& [name, all] : right)
    for (Json const& value : all) {
      std::string const& field = name;
      CHECK_MESSAGE(blamed_in_both(field, value) == "accepted", field, value.dump());
    }
}

TEST_CASE("drafts can be limited, and turned off") {
  CHECK(parse_chat(chat_with("speculative", {{"enabled", false}})).max_draft_tokens == 0);
  CHECK(parse_chat(chat_with("speculative", {{"enabled", false}, {"max_draft_tokens", 5}})).max_draft_tokens == 0);
  CHECK(parse_chat(chat_with("speculative", {{"enabled", true}, {"max_draft_tokens", 5}})).max_draft_tokens == 5);
  CHECK(parse_chat(chat_with("speculative", {{"enabled", true}})).max_draft_tokens == ~std::size_t{0});
}

TEST_CASE("a body that is no object, or has no messages or no prompt, is refused") {
  for (Json const& body : {Json(1), Json("x"), Json::array(), Json(nullptr)}) {
    CHECK(blamed(parse_chat, body) == "nothing");
    CHECK(blamed(parse_completion, body) == "nothing");
  }
  for (Json const& value : std::vector<Json>{nullptr, "Hi", Json::array(), Json::object(), 1})
    CHECK(blamed_in_chat("messages", value) == "messages");
  for (Json const& value : std::vector<Json>{nullptr, Json::array(), Json::object(), 1, true})
    CHECK(blamed(parse_completion, completion_with("prompt", value)) == "prompt");
}

TEST_CASE("messages are read in their order, with contents as texts or as parts") {
  Json const parts = {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}};
  Json answered = message("assistant", nullptr);
  answered["tool_calls"] = {
      {{"id", "c1"}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", "{\"x\":1}"}}}},
      {{"function", {{"name", "g"}}}}};
  Json result = message("tool", "42");
  result["tool_call_id"] = "c1";
  Request const request = parse_chat({{"messages",
                                       {message("system", "s"), message("developer", ""), message("user", parts),
                                        message("assistant", Json::array()), answered, result}}});
  REQUIRE(request.messages.size() == 6);
  std::vector<std::pair<std::string, std::string>> all;
  for (auto const& one : request.messages) all.emplace_back(one.role, one.content);
  CHECK(all ==
        std::vector<std::pair<std::string, std::string>>{
            {"system", "s"}, {"developer", ""}, {"user", "ab"}, {"assistant", ""}, {"assistant", ""}, {"tool", "42"}});
  auto const& calls = request.messages[4].tool_calls;
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].id == "c1");
  CHECK(calls[0].name == "f");
  CHECK(calls[0].arguments == "{\"x\":1}");
  CHECK(calls[1].name == "g");
  CHECK(calls[1].arguments == "{}");
  CHECK(request.messages[5].tool_call_id == "c1");
}

TEST_CASE("what is wrong in a message is named by its place") {
  auto const second = [](Json one) { return blamed_in_chat("messages", {message("user", "Hi"), std::move(one)}); };
  CHECK(second(1) == "messages[1]");
  CHECK(second("Hi") == "messages[1]");
  CHECK(second({{"content", "Hi"}}) == "messages[1].role");
  for (Json const& role : std::vector<Json>{1, "", "User", "function", nullptr})
    CHECK(second(message(role, "Hi")) == "messages[1].role");
  CHECK(second({{"role", "user"}}) == "messages[1].content");
  for (Json const& content : std::vector<Json>{1, nullptr, true, Json::object()})
    CHECK(second(message("user", content)) == "messages[1].content");
  CHECK(second(message("assistant", nullptr)) == "messages[1].content");
  CHECK(second(message("user", Json::array({"text"}))) == "messages[1].content[0]");
  CHECK(second(message("user", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}}})) ==
        "messages[1].content[1].text");
  CHECK(second(message("user", {{{"text", "a"}}})) == "messages[1].content[0].type");
  CHECK(second(message("user", {{{"type", "image_url"}, {"image_url", Json::object()}}})) ==
        "messages[1].content[0].type");
  CHECK(second(message("tool", "42")) == "messages[1].tool_call_id");

  auto const call = [&](Json calls) {
    Json one = message("assistant", nullptr);
    one["tool_calls"] = std::move(calls);
    return second(std::move(one));
  };
  CHECK(call(1) == "messages[1].tool_calls");
  CHECK(call({1}) == "messages[1].tool_calls[0]");
  CHECK(call(Json::array()) == "messages[1].content");
  CHECK(call({tool("f"), {{"type", "custom"}}}) == "messages[1].tool_calls[1].type");
  CHECK(call({{{"id", 5}, {"function", {{"name", "f"}}}}}) == "messages[1].tool_calls[0].id");
  CHECK(call(Json::array({Json::object()})) == "messages[1].tool_calls[0].function");
  CHECK(call({{{"function", Json::object()}}}) == "messages[1].tool_calls[0].function.name");
  CHECK(call({{{"function", {{"name", "f"}, {"arguments", Json::object()}}}}}) ==
        "messages[1].tool_calls[0].function.arguments");
}

TEST_CASE("prompts are a text, texts, tokens or lists of tokens") {
  using Tokens = std::vector<Token>;
  auto const prompts = [](Json prompt) { return parse_completion({{"prompt", std::move(prompt)}}).prompts; };
  CHECK(std::get<std::string>(prompts("Hi").at(0)) == "Hi");
  CHECK(std::get<std::string>(prompts("").at(0)).empty());
  CHECK(prompts({"a", "b"}).size() == 2);
  CHECK(std::get<std::string>(prompts({"a", "b"}).at(1)) == "b");
  CHECK(prompts({1, 2, 3}).size() == 1);
  CHECK(std::get<Tokens>(prompts({0, 2147483647}).at(0)) == Tokens{0, 2147483647});
  auto const lists = prompts(Json::parse("[[1, 2], [3], \"x\"]"));
  REQUIRE(lists.size() == 3);
  CHECK(std::get<Tokens>(lists[0]) == Tokens{1, 2});
  CHECK(std::get<Tokens>(lists[1]) == Tokens{3});
  CHECK(std::get<std::string>(lists[2]) == "x");
  for (char const* text : {"[1, \"a\"]", "[\"a\", 1]", "[1.0]", "[[1], [2.5]]", "[-1]", "[2147483648]",
                           "[18446744073709551615]", "[[[1]]]", "[null]", "[{}]", "[[1, null]]"})
    CHECK_MESSAGE(blamed(parse_completion, completion_with("prompt", Json::parse(text))) == "prompt", text);
}

TEST_CASE("stops are one text or several, none of them empty") {
  CHECK(parse_chat(chat_with("stop", "x")).stop == std::vector<std::string>{"x"});
  CHECK(parse_chat(chat_with("stop", Json::array())).stop.empty());
  CHECK(parse_chat(chat_with("stop", {"x", "yy"})).stop == std::vector<std::string>{"x", "yy"});
  for (Json const& value : std::vector<Json>{"", 1, Json::object(), Json::array({"x", ""}), Json::array({1}),
                                             Json::array({nullptr}), Json::array({Json::array({"x"})})})
    CHECK(blamed_in_both("stop", value) == "stop");
}

TEST_CASE("biases are of tokens, which are whole numbers") {
  CHECK(parse_chat(chat_with("logit_bias", Json::object())).logit_bias.empty());
  for (char const* key : {"", "x", "1x", " 1", "1 ", "-1", "1.0", "+1", "0x1", "2147483648", "99999999999999999999"})
    CHECK_MESSAGE(blamed_in_both("logit_bias", {{key, 1}}) == "logit_bias", key);
  for (Json const& value : std::vector<Json>{-100.5, 101, "1", true, Json::array()})
    CHECK(blamed_in_both("logit_bias", {{"5", value}}) == "logit_bias.5");
  CHECK(parse_chat(chat_with("logit_bias", {{"2147483647", 100}})).logit_bias.at(0).first == 2147483647);
}

TEST_CASE("a prediction is a text or parts of one") {
  auto const prediction = [](Json value) { return parse_chat(chat_with("prediction", std::move(value))).prediction; };
  CHECK(prediction({{"type", "content"}, {"content", "a"}}) == "a");
  CHECK(prediction({{"content", "a"}}) == "a");
  CHECK(prediction({{"type", "content"}, {"content", ""}}).empty());
  CHECK(prediction({{"type", "content"},
                    {"content", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}}}}) == "ab");
  CHECK(blamed_in_both("prediction", {{"type", "other"}, {"content", "a"}}) == "prediction.type");
  CHECK(blamed_in_both("prediction", {{"type", "content"}}) == "prediction.content");
  CHECK(blamed_in_both("prediction", {{"content", 1}}) == "prediction.content");
  CHECK(blamed_in_both("prediction", {{"content", {{{"type", "text"}}}}}) == "prediction.content[0].text");
}

TEST_CASE("a response format is a text, any object, or what a schema says") {
  auto const schema = [](Json value) { return parse_chat(chat_with("response_format", std::move(value))).json_schema; };
  CHECK_FALSE(schema({{"type", "text"}}));
  CHECK(schema({{"type", "json_object"}}) == Json{{"type", "object"}});
  Json const wanted{{"type", "array"}, {"items", {{"type", "string"}}}};
  CHECK(schema({{"type", "json_schema"}, {"json_schema", {{"name", "n"}, {"strict", true}, {"schema", wanted}}}}) ==
        wanted);
  CHECK(blamed_in_both("response_format", Json::object()) == "response_format.type");
  CHECK(blamed_in_both("response_format", {{"type", "xml"}}) == "response_format.type");
  CHECK(blamed_in_both("response_format", {{"type", "json_schema"}}) == "response_format.json_schema");
  CHECK(blamed_in_both("response_format", {{"type", "json_schema"}, {"json_schema", "x"}}) ==
        "response_format.json_schema");
  CHECK(blamed_in_both("response_format", {{"type", "json_schema"}, {"json_schema", Json::object()}}) ==
        "response_format.json_schema.schema");
  CHECK(blamed_in_both("response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", "x"}}}}) ==
        "response_format.json_schema.schema");
  // One rule alone.
  CHECK(blamed(parse_chat, with(chat_with("grammar", "g"), "response_format", {{"type", "json_object"}})) == "grammar");
  CHECK(blamed(parse_chat, with(chat_with("grammar", "g"), "response_format", {{"type", "text"}})) == "accepted");
}

TEST_CASE("tools are read, each with a name of its own") {
  Json full = tool("f");
  full["function"]["description"] = "d";
  full["function"]["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
  Request const request = parse_chat(chat_with("tools", {full, {{"function", {{"name", "g"}}}}}));
  REQUIRE(request.tools.size() == 2);
  CHECK(request.tools[0].name == "f");
  CHECK(request.tools[0].description == "d");
  CHECK(request.tools[0].parameters == full["function"]["parameters"]);
  CHECK(request.tools[1].description.empty());
  CHECK(request.tools[1].parameters == Json{{"type", "object"}});
  CHECK(request.tool_choice == ToolChoice::automatic);
  CHECK(parse_chat(chat_with("tools", Json::array())).tool_choice == ToolChoice::none);

  auto const second = [](Json one) { return blamed_in_chat("tools", {tool("f"), std::move(one)}); };
  CHECK(blamed_in_chat("tools", Json::object()) == "tools");
  CHECK(second(1) == "tools[1]");
  CHECK(second({{"type", "retrieval"}}) == "tools[1].type");
  CHECK(second({{"type", "function"}}) == "tools[1].function");
  CHECK(second({{"function", Json::object()}}) == "tools[1].function.name");
  CHECK(second(tool("")) == "tools[1].function.name");
  CHECK(second(tool("f")) == "tools[1].function.name");
  CHECK(second({{"function", {{"name", "g"}, {"description", 1}}}}) == "tools[1].function.description");
  CHECK(second({{"function", {{"name", "g"}, {"parameters", "x"}}}}) == "tools[1].function.parameters");
  CHECK(blamed_in_chat("parallel_tool_calls", 1) == "parallel_tool_calls");
}

TEST_CASE("a tool choice is none, auto, required, or one function") {
  Json const body = chat_with("tools", {tool("f"), tool("g"), tool("h")});
  auto const choose = [&](Json choice) { return parse_chat(with(body, "tool_choice", std::move(choice))); };
  CHECK(choose("none").tool_choice == ToolChoice::none);
  CHECK(choose("auto").tool_choice == ToolChoice::automatic);
  CHECK(choose("required").tool_choice == ToolChoice::required);
  for (char const* all : {"auto", "required"}) CHECK(choose(all).tools.size() == 3);
  CHECK_FALSE(parse_chat(with(body, "parallel_tool_calls", false)).parallel_tool_calls);

  Request const one = choose({{"type", "function"}, {"function", {{"name", "g"}}}});
  CHECK(one.tool_choice == ToolChoice::required);
  CHECK_FALSE(one.parallel_tool_calls);
  REQUIRE(one.tools.size() == 1);
  CHECK(one.tools[0].name == "g");

  auto const refused = [&](Json choice) { return blamed(parse_chat, with(body, "tool_choice", std::move(choice))); };
  for (Json const& choice : std::vector<Json>{"any", "", 1, true, Json::array(), Json::object()})
    CHECK(refused(choice) == "tool_choice");
  CHECK(refused({{"type", "function"}, {"function", {{"name", "k"}}}}) == "tool_choice");
  CHECK(refused({{"function", Json::object()}}) == "tool_choice.function.name");
  CHECK(refused({{"function", "g"}}) == "tool_choice.function");
  // Without tools, there is nothing to choose.
  CHECK(blamed_in_chat("tool_choice", "none") == "accepted");
  CHECK(blamed_in_chat("tool_choice", "auto") == "accepted");
  CHECK(blamed_in_chat("tool_choice", "required") == "tool_choice");
  CHECK(blamed_in_chat("tool_choice", {{"function", {{"name", "f"}}}}) == "tool_choice");
}

TEST_CASE("where tools may be called, there is no other rule for the answer") {
  Json const body = chat_with("tools", Json::array({tool("f")}));
  CHECK(blamed(parse_chat, with(body, "grammar", "g")) == "grammar");
  CHECK(blamed(parse_chat, with(body, "response_format", {{"type", "json_object"}})) == "response_format");
  CHECK(blamed(parse_chat, with(with(body, "grammar", "g"), "tool_choice", "none")) == "accepted");
}

TEST_CASE("a chat has its own fields for the length and for log-probabilities") {
  CHECK(parse_chat(chat_with("max_completion_tokens", 9)).max_tokens == 9);
  CHECK(parse_chat(chat_with("max_tokens", 9)).max_tokens == 9);
  CHECK(parse_chat(with(chat_with("max_tokens", 9), "max_completion_tokens", 5)).max_tokens == 5);
  CHECK(blamed_in_chat("max_completion_tokens", 0) == "max_completion_tokens");
  CHECK(blamed(parse_chat, with(chat_with("max_completion_tokens", 5), "max_tokens", "x")) == "max_tokens");

  CHECK_FALSE(parse_chat(chat_with("logprobs", false)).logprobs);
  CHECK(parse_chat(chat_with("logprobs", true)).logprobs == 0);
  CHECK(parse_chat(with(chat_with("logprobs", true), "top_logprobs", 20)).logprobs == 20);
  CHECK(blamed(parse_chat, with(chat_with("logprobs", true), "top_logprobs", 21)) == "top_logprobs");
  CHECK(blamed_in_chat("top_logprobs", 3) == "top_logprobs");
  CHECK(blamed_in_chat("logprobs", 3) == "logprobs");
}

TEST_CASE("a completion refuses what it cannot do") {
  auto const refused = [](std::string const& field, Json value) {
    return blamed(parse_completion, completion_with(field, std::move(value)));
  };
  CHECK(parse_completion(completion_with("logprobs", 0)).logprobs == 0);
  CHECK(parse_completion(completion_with("logprobs", 20)).logprobs == 20);
  CHECK(refused("logprobs", 21) == "logprobs");
  CHECK(refused("logprobs", true) == "logprobs");
  CHECK(refused("echo", true) == "echo");
  CHECK(refused("echo", false) == "accepted");
  CHECK(refused("suffix", "x") == "suffix");
  CHECK(refused("best_of", 1) == "accepted");
  CHECK(refused("best_of", 2) == "best_of");
  CHECK(blamed(parse_completion, with(completion_with("n", 2), "best_of", 2)) == "accepted");
}

TEST_CASE("each limit is kept, and not passed by one") {
  RequestLimits const limits{.messages = 3,
                             .prompts = 3,
                             .answers = 3,
                             .stops = 3,
                             .stop_bytes = 3,
                             .tools = 3,
                             .grammar_bytes = 3,
                             .logit_biases = 3};
  for (std::size_t const count : {std::size_t{3}, std::size_t{4}}) {
    auto const expected = [&](std::string const& field) { return count == 3 ? "accepted" : field; };
    Json messages = Json::array(), texts = Json::array(), tools = Json::array(), biases = Json::object();
    for (std::size_t i = 0; i < count; ++i) {
      messages.push_back(message("user", "Hi"));
      texts.push_back("x");
      tools.push_back(tool("f" + std::to_string(i)));
      biases[std::to_string(i)] = 1;
    }
    CHECK(blamed_in_chat("messages", messages, limits) == expected("messages"));
    CHECK(blamed_in_chat("tools", tools, limits) == expected("tools"));
    CHECK(blamed(parse_completion, completion_with("prompt", texts), limits) == expected("prompt"));
    CHECK(blamed_in_both("n", count, limits) == expected("n"));
    CHECK(blamed_in_both("stop", texts, limits) == expected("stop"));
    CHECK(blamed_in_both("stop", std::string(count, 'x'), limits) == expected("stop"));
    CHECK(blamed_in_both("grammar", std::string(count, 'x'), limits) == expected("grammar"));
    CHECK(blamed_in_both("logit_bias", biases, limits) == expected("logit_bias"));
    // Tokens of one prompt are no prompts.
    CHECK(blamed(parse_completion, completion_with("prompt", {1, 2, 3, 4, 5}), limits) == "accepted");
  }
}
