// SPDX-License-Identifier: MIT
#include "examples/server/answer.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/decode/sequence_status.hpp"
#include "copyspec/format.hpp"
#include "examples/llama_cpp/vocabulary.hpp"
#include "examples/server/json.hpp"
#include "examples/server/request.hpp"
#include "examples/server/work.hpp"
#include "support/demo_model.hpp"
#include "support/random.hpp"

using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::Token;
using copyspec_llama::Vocabulary;
using copyspec_server::Answer;
using copyspec_server::Ending;
using copyspec_server::Event;
using copyspec_server::Json;
using copyspec_server::Request;
using copyspec_server::ToolChoice;
using copyspec_test::Random;

namespace {

Vocabulary const& vocabulary() {
  static Vocabulary const words(copyspec_test::demo_model());
  return words;
}

Event text_event(std::string text) {
  Event event;
  event.text = std::move(text);
  return event;
}

Event end_event(SequenceStatus status) {
  Event event;
  event.ending = Ending{.status = status};
  return event;
}

// What an answer says in the end, without the ids of calls, which are random.
struct Said {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls = {};
  std::string finish_reason = "stop";

  friend bool operator==(Said const&, Said const&) = default;
};

doctest::String toString(Said const& said) {
  std::string text = "\"" + said.content + "\"";
  for (auto const& [name, arguments] : said.calls) text += " " + name + "(" + arguments + ")";
  return (text + " " + said.finish_reason).c_str();
}

void add_call(Said& said, Json const& call) {
  CHECK(call["type"] == "function");
  CHECK(call["id"].get<std::string>().starts_with("call_"));
  said.calls.emplace_back(call["function"]["name"], call["function"]["arguments"]);
}

// Of the whole answer.
Said whole_of(Json const& choice) {
  Said said{.content = {}, .finish_reason = choice["finish_reason"]};
  if (choice.contains("text")) {
    said.content = choice["text"];
    return said;
  }
  Json const& message = choice["message"];
  CHECK(message["role"] == "assistant");
  if (!message["content"].is_null()) said.content = message["content"];
  if (message.contains("tool_calls"))
    for (Json const& call : message["tool_calls"]) add_call(said, call);
  CHECK(message["content"].is_null() == (said.content.empty() && !said.calls.empty()));
  return said;
}

// Of the choices of a stream.
void read_stream(Said& said, Json const& choices) {
  for (Json const& choice : choices) {
    if (!choice["finish_reason"].is_null()) said.finish_reason = choice["finish_reason"];
    if (choice.contains("text")) {
      said.content += choice["text"].get<std::string>();
      continue;
    }
    Json const& delta = choice["delta"];
    if (delta.contains("content")) said.content += delta["content"].get<std::string>();
    if (!delta.contains("tool_calls")) continue;
    for (Json const& call : delta["tool_calls"]) {
      CHECK(call["index"] == said.calls.size());
      add_call(said, call);
    }
  }
}

// What is said if `pieces` come one by one. The stream and the whole must say the same.
Said said_by(Request const& request, std::vector<std::string> const& pieces, SequenceStatus status,
             bool ends_apart = true) {
  Answer answer(request, vocabulary(), 3);
  Said streamed{.content = {}, .finish_reason = ""};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Event event = text_event(pieces[i]);
    if (!ends_apart && i + 1 == pieces.size()) event.ending = Ending{.status = status};
    read_stream(streamed, answer.take(event));
  }
  if (ends_apart || pieces.empty()) read_stream(streamed, answer.take(end_event(status)));
  Said const whole = whole_of(answer.whole());
  CHECK(streamed == whole);
  CHECK(answer.whole()["index"] == 3);
  return whole;
}

// At all places at once, at each place alone, and at random ones.
std::vector<std::vector<std::string>> all_splits(std::string const& text) {
  std::vector<std::vector<std::string>> splits{{text}, {}};
  for (char const byte : text) splits[1].emplace_back(1, byte);
  for (std::size_t at = 0; at <= text.size(); ++at) splits.push_back({text.substr(0, at), text.substr(at)});
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    splits.emplace_back();
    for (std::size_t at = 0; at < text.size();) {
      std::size_t const size = random.between(0, 12);
      splits.back().push_back(text.substr(at, size));
      at += size;
    }
  }
  return splits;
}

Request tool_request() {
  Request request{.chat = true};
  request.tools = {{.name = "f", .description = "", .parameters = Json::object()}};
  request.tool_choice = ToolChoice::automatic;
  return request;
}

void check_all_splits(Request const& request, std::string const& text, Said const& expected,
                      SequenceStatus status = SequenceStatus::stopped) {
  CAPTURE(text);
  for (std::vector<std::string> const& pieces : all_splits(text))
    for (bool const ends_apart : {true, false}) {
      Said const said = said_by(request, pieces, status, ends_apart);
      if (said == expected) continue;
      std::string shown;
      for (std::string const& piece : pieces) shown += "[" + piece + "]";
      FAIL_CHECK("said ", toString(said), " and not ", toString(expected), " by ", shown);
      return;
    }
}

}  // namespace

TEST_CASE("a text is the same however it is split, whichever the endpoint") {
  for (bool const chat : {true, false}) {
    Request request;
    request.chat = chat;
    for (std::string const text :
         {"", "Hello there", " \n ", "a <tool_call>{\"name\": \"f\"}</tool_call> b", "<<<tool", "\xf0\x9f\x98\x80!"})
      check_all_splits(request, text, {.content = text});
    check_all_splits(request, "cut", {.content = "cut", .finish_reason = "length"}, SequenceStatus::length);
    check_all_splits(request, "cut", {.content = "cut", .finish_reason = "length"}, SequenceStatus::context_full);
  }
}

TEST_CASE("where tools may be called, what is no call is text, however it is split") {
  for (std::string const text :
       {"Hello there", "a < b, a <t and <tool_ca", "<tool_call", "<tool_call>", "<<tool_call> {", "</tool_call>",
        "<tool_call>no JSON</tool_call>", "<tool_call>{\"arguments\": {}}</tool_call>", "<tool_call>[1]</tool_call>",
        "<tool_call>{\"name\": 5}</tool_call>", "<tool_call>{\"name\": \"f\", \"argum", " \n ", "\n\nHello \n"})
    check_all_splits(tool_request(), text, {.content = text});
}

TEST_CASE("calls are the same however the text is split, and no part of them is text") {
  using Calls = std::vector<std::pair<std::string, std::string>>;
  std::string const call = R"(<tool_call>{"name": "f", "arguments": {"x": [1, "é"]}}</tool_call>)";
  std::string const other = "<tool_call>\n{\"name\":\"g\"}\n</tool_call>";
  std::string const f = R"({"x":[1,"é"]})";
  std::string const reason = "tool_calls";
  Request const request = tool_request();
  check_all_splits(request, call, {.content = "", .calls = Calls{{"f", f}}, .finish_reason = reason});
  check_all_splits(request, other, {.content = "", .calls = Calls{{"g", "{}"}}, .finish_reason = reason});
  check_all_splits(request, call + "\n" + other + call,
                   {.content = "", .calls = Calls{{"f", f}, {"g", "{}"}, {"f", f}}, .finish_reason = reason});
  check_all_splits(request, "I look. " + call,
                   {.content = "I look. ", .calls = Calls{{"f", f}}, .finish_reason = reason});
  check_all_splits(request, call + "\n \n", {.content = "", .calls = Calls{{"f", f}}, .finish_reason = reason});
  // Cut off within the second call.
  check_all_splits(request, call + "<tool_call>{\"na",
                   {.content = "<tool_call>{\"na", .calls = Calls{{"f", f}}, .finish_reason = "length"},
                   SequenceStatus::length);
}

TEST_CASE("white space before a call is no text, however it is split") {
  using Calls = std::vector<std::pair<std::string, std::string>>;
  for (std::string const space : {"\n", " ", "\n\n", " \n "})
    check_all_splits(tool_request(), space + R"(<tool_call>{"name": "f"}</tool_call>)",
                     {.content = "", .calls = Calls{{"f", "{}"}}, .finish_reason = "tool_calls"});
}

TEST_CASE("white space between a call and a text is the same however it is split") {
  std::string const call = R"(<tool_call>{"name": "f"}</tool_call>)";
  for (std::string const& text : {call + " \n<b> and", call + "\n <", call + "\n<tool_call"}) {
    CAPTURE(text);
    Said const expected = said_by(tool_request(), {text}, SequenceStatus::length);
    check_all_splits(tool_request(), text, expected, SequenceStatus::length);
  }
}

TEST_CASE("a text within the arguments ends no call") {
  using Calls = std::vector<std::pair<std::string, std::string>>;
  for (std::string const inner : {"</tool_call>", "<tool_call>", "<tool_call></tool_call>", "\\\"}</tool_call>"}) {
    std::string const arguments = "{\"x\":\"" + inner + "\"}";
    check_all_splits(tool_request(), "<tool_call>{\"name\": \"f\", \"arguments\": " + arguments + "}</tool_call>",
                     {.content = "", .calls = Calls{{"f", arguments}}, .finish_reason = "tool_calls"});
  }
}

TEST_CASE("a call that is nested too deep is content") {
  for (bool const deep : {false, true}) {
    std::size_t const depth = deep ? 80 : 50;
    std::string const text = "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": " + std::string(depth, '[') +
                             std::string(depth, ']') + "}}</tool_call>";
    Request const request = tool_request();
    Answer answer(request, vocabulary(), 0);
    static_cast<void>(answer.take(text_event(text)));
    static_cast<void>(answer.take(end_event(SequenceStatus::stopped)));
    CHECK(answer.whole()["message"].contains("tool_calls") == !deep);
    CHECK((answer.whole()["message"]["content"] == text) == deep);
  }
}

TEST_CASE("each call has an id of its own") {
  Request const request = tool_request();
  Answer answer(request, vocabulary(), 0);
  static_cast<void>(
      answer.take(text_event(R"(<tool_call>{"name": "f"}</tool_call><tool_call>{"name": "f"}</tool_call>)")));
  Json const calls = answer.whole()["message"]["tool_calls"];
  REQUIRE(calls.size() == 2);
  CHECK(calls[0]["id"] != calls[1]["id"]);
}

TEST_CASE("an answer that failed has no last choice, and its tokens and its ending are kept") {
  Request request;
  request.chat = true;
  Answer answer(request, vocabulary(), 2);
  CHECK(answer.role()["delta"]["role"] == "assistant");
  CHECK(answer.role()["index"] == 2);
  Event event = text_event("Hi");
  event.tokens = {5, 6};
  event.sources = {Source::model, Source::context};
  CHECK(answer.take(event).size() == 1);
  event = Event{};
  event.ending = Ending{.error = "broken", .cached_tokens = 7};
  CHECK(answer.take(event).empty());
  CHECK(answer.tokens() == std::vector<Token>{5, 6});
  CHECK(answer.ending().error == "broken");
  CHECK(answer.ending().cached_tokens == 7);
}

TEST_CASE("runs of sources join to the text, each of whole characters and of its source") {
  Request request;
  request.chat = true;
  request.show_sources = true;
  std::string const text =
      "Plain, then \xf0\x9f\xa6\x9c and \xe2\x82\xac, \xc3\xa9t\xc3\xa9 \xf0\x9f\xa7\x80; the end.";
  std::vector<Token> const tokens = vocabulary().tokens(text, false, copyspec_llama::ControlNames::text);
  Random random(1);
  for (int round = 0; round < 500; ++round) {
    Answer answer(request, vocabulary(), 0);
    std::vector<Source> sources;
    Source newest = Source::model;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (random.one_in(3))
        newest = random.any_of({Source::model, Source::context, Source::history, Source::reference});
      sources.push_back(newest);
    }
    std::string joined, by_byte;
    auto const read = [&](Json const& choices) {
      for (Json const& choice : choices) {
        if (!choice.contains("sources")) continue;
        for (Json const& run : choice["sources"]) {
          std::string const part = run["text"];
          REQUIRE_FALSE(part.empty());
          // Whole characters, or it would not be read.
          REQUIRE(Json::accept(run.dump()));
          joined += part;
          by_byte += std::string(part.size(), run["source"].get<std::string>().front());
        }
      }
    };
    for (std::size_t at = 0; at < tokens.size();) {
      std::size_t const end = std::min(tokens.size(), at + random.between(1, 5));
      Event event;
      for (; at < end; ++at) {
        event.tokens.push_back(tokens[at]);
        event.sources.push_back(sources[at]);
      }
      read(answer.take(event));
    }
    read(answer.take(end_event(SequenceStatus::stopped)));
    REQUIRE(joined == text);
    std::size_t byte = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      for (char const character : vocabulary().text(tokens[i])) {
        // A character in several tokens may count for any of them.
        if (static_cast<unsigned char>(character) < 0x80)
          REQUIRE(by_byte[byte] == fmt::format("{}", sources[i]).front());
        ++byte;
      }
  }
}

TEST_CASE("without being asked, an answer shows neither sources nor log-probabilities") {
  Request request;
  request.chat = true;
  Answer answer(request, vocabulary(), 0);
  Event event = text_event("Hi");
  event.tokens = {5};
  event.sources = {Source::context};
  Json const choices = answer.take(event);
  REQUIRE(choices.size() == 1);
  CHECK_FALSE(choices[0].contains("sources"));
  CHECK(choices[0]["logprobs"].is_null());
  CHECK(answer.whole()["logprobs"].is_null());
}

namespace {

// Tokens with the log-probabilities that a row would have.
std::vector<Event> logprob_events(std::vector<Token> const& tokens, std::size_t top) {
  std::vector<Event> events;
  Random random(1);
  for (std::size_t at = 0; at < tokens.size();) {
    std::size_t const end = std::min(tokens.size(), at + random.between(1, 3));
    Event event;
    for (; at < end; ++at) {
      event.tokens.push_back(tokens[at]);
      event.sources.push_back(Source::model);
      event.logprobs.push_back({{.token = tokens[at], .logprob = -0.5F * static_cast<float>(at)}});
      for (std::size_t i = 0; i < top; ++i)
        event.logprobs.back().push_back(
            {.token = static_cast<Token>(100 + i),
             .logprob = i == 2 ? -std::numeric_limits<float>::infinity() : -1.0F - static_cast<float>(i)});
      event.text += vocabulary().text(tokens[at]);
    }
    events.push_back(std::move(event));
  }
  events.push_back(end_event(SequenceStatus::stopped));
  return events;
}

}  // namespace

TEST_CASE("log-probabilities of a chat have an entry for each token, with its bytes and the likeliest ones") {
  std::vector<Token> const tokens =
      vocabulary().tokens("Two \xf0\x9f\xa6\x9c parrots", false, copyspec_llama::ControlNames::text);
  for (std::size_t const top : {0U, 1U, 3U}) {
    Request request;
    request.chat = true;
    request.logprobs = top;
    Answer answer(request, vocabulary(), 0);
    Json streamed = Json::array();
    for (Event const& event : logprob_events(tokens, top))
      for (Json const& choice : answer.take(event)) {
        if (choice["logprobs"].is_null()) continue;
        CHECK(choice["logprobs"]["refusal"].is_null());
        for (Json const& entry : choice["logprobs"]["content"]) streamed.push_back(entry);
      }
    Json const all = answer.whole()["logprobs"];
    CHECK(all["content"] == streamed);
    REQUIRE(streamed.size() == tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      Json const& entry = streamed[i];
      std::string bytes;
      for (Json const& byte : entry["bytes"]) bytes += static_cast<char>(byte.get<int>());
      CHECK(bytes == vocabulary().text(tokens[i]));
      CHECK(entry["logprob"] == -0.5 * static_cast<double>(i));
      REQUIRE(entry["top_logprobs"].size() == top);
      for (std::size_t one = 0; one < top; ++one)
        CHECK(entry["top_logprobs"][one]["logprob"] == (one == 2 ? -9999.0 : -1.0 - static_cast<double>(one)));
    }
  }
}

TEST_CASE("log-probabilities of a completion are four lists of the same length, with offsets in the text") {
  std::vector<Token> const tokens = vocabulary().tokens("One or two words", false, copyspec_llama::ControlNames::text);
  Request request;
  request.logprobs = 3;
  Answer answer(request, vocabulary(), 0);
  Json streamed{{"tokens", Json::array()},
                {"token_logprobs", Json::array()},
                {"top_logprobs", Json::array()},
                {"text_offset", Json::array()}};
  for (Event const& event : logprob_events(tokens, 3))
    for (Json const& choice : answer.take(event)) {
      if (choice["logprobs"].is_null()) continue;
      for (auto const& [name, values] : choice["logprobs"].items())
        for (Json const& value : values) streamed[name].push_back(value);
    }
  CHECK(answer.whole()["logprobs"] == streamed);
  std::size_t offset = 0;
  for (Json const& values : streamed) REQUIRE(values.size() == tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    CHECK(streamed["tokens"][i] == vocabulary().text(tokens[i]));
    CHECK(streamed["text_offset"][i] == offset);
    CHECK(streamed["token_logprobs"][i] == -0.5 * static_cast<double>(i));
    CHECK(streamed["top_logprobs"][i].size() == 3);
    offset += vocabulary().text(tokens[i]).size();
  }
}
