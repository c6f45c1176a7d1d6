// SPDX-License-Identifier: MIT
#include "bench/trace.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"

using copyspec::Token;
using namespace copyspec::bench;

namespace {

Trace read(std::string const& text) {
  std::istringstream lines(text);
  return TraceReader(lines, "some.jsonl").read();
}

std::string message(std::string const& text) {
  try {
    (void)read(text);
  } catch (copyspec::Error const& error) {
    return error.what();
  }
  return "read";
}

struct Malformed {
  std::string line;
  std::string what;
};

std::string const good = R"({"id": "a", "category": "c", "turns": [{"prompt": [7], "answer": [8, 7]}]})";

std::vector<Token> numbers(std::span<Token const> tokens) {
  return {tokens.begin(), tokens.end()};
}

std::filesystem::path own_trace() {
  return std::filesystem::path(__FILE__).parent_path() / "../../bench/traces/smollm2-135m.demo.jsonl";
}

}  // namespace

TEST_CASE("prompts and answers lie one behind the other, numbered as they are first met") {
  Trace const trace = read(good + "\n" +
                           R"({"turns": [{"answer": [], "prompt": [9, 7]}, {"prompt": [], "answer": [9]}, )"
                           R"({"prompt": [4], "answer": [2147483647, 0]}], "category": "", "id": "b", "note": 1})"
                           "\n");
  REQUIRE(trace.conversations.size() == 2);
  Conversation const& first = trace.conversations[0];
  CHECK(first.id == "a");
  CHECK(first.category == "c");
  CHECK(first.tokens == std::vector<Token>{1, 2, 1});
  REQUIRE(first.turns.size() == 1);
  CHECK(numbers(first.prompt(first.turns[0])) == std::vector<Token>{1});
  CHECK(numbers(first.answer(first.turns[0])) == std::vector<Token>{2, 1});

  Conversation const& second = trace.conversations[1];
  CHECK(second.tokens == std::vector<Token>{3, 1, 3, 4, 5, 6});
  REQUIRE(second.turns.size() == 3);
  CHECK(second.answer(second.turns[0]).empty());
  CHECK(second.prompt(second.turns[1]).empty());
  CHECK(numbers(second.answer(second.turns[1])) == std::vector<Token>{3});
  CHECK(numbers(second.prompt(second.turns[2])) == std::vector<Token>{4});
  CHECK(numbers(second.answer(second.turns[2])) == std::vector<Token>{5, 6});
  CHECK(trace.numbering.size() == 7);
  CHECK(trace.numbering.recorded(5) == std::numeric_limits<Token>::max());
  CHECK(trace.numbering.recorded(6) == 0);
}

TEST_CASE("what is malformed is named with file and line") {
  std::string const turn = R"({"id": "a", "category": "c", "turns": [{"prompt": [7], "answer": [8]}, )";
  std::array const cases{
      Malformed{"", "not JSON from byte 1 on"},
      Malformed{"{\"id\": \"a\",}", "not JSON from byte 12 on"},
      Malformed{good + good, "not JSON from byte 75 on"},
      Malformed{good.substr(0, 30), "not JSON from byte 31 on"},
      Malformed{"[1]", "the line is not a JSON object but array"},
      Malformed{R"({"category": "c", "turns": []})", "the line has no \"id\""},
      Malformed{R"({"id": 1, "category": "c", "turns": []})", "the line: \"id\" is not of type string but number"},
      Malformed{R"({"id": "a", "turns": []})", "the line has no \"category\""},
      Malformed{R"({"id": "a", "category": null, "turns": []})",
                "the line: \"category\" is not of type string but null"},
      Malformed{R"({"id": "a", "category": "c"})", "the line has no \"turns\""},
      Malformed{R"({"id": "a", "category": "c", "turns": {}})", "the line: \"turns\" is not of type array but object"},
      Malformed{R"({"id": "a", "category": "c", "turns": []})", "\"turns\" is empty"},
      Malformed{R"({"id": "a", "category": "c", "turns": [{"prompt": [], "answer": [1]}]})",
                "turn 1: \"prompt\" is empty: there is nothing to continue"},
      Malformed{turn + "5]}", "turn 2 is not a JSON object but number"},
      Malformed{turn + R"({"answer": [1]}]})", "turn 2 has no \"prompt\""},
      Malformed{turn + R"({"prompt": [1]}]})", "turn 2 has no \"answer\""},
      Malformed{turn + R"({"prompt": "Hi", "answer": [1]}]})", "turn 2: \"prompt\" is not of type array but string"},
      Malformed{turn + R"({"prompt": [1, -5], "answer": [1]}]})",
                "turn 2: token 1 of \"prompt\" is -5, not an integer from 0 to 2147483647"},
      Malformed{turn + R"({"prompt": [1], "answer": [1.5]}]})",
                "turn 2: token 0 of \"answer\" is 1.5, not an integer from 0 to 2147483647"},
      Malformed{turn + R"({"prompt": [1], "answer": [2147483648]}]})",
                "turn 2: token 0 of \"answer\" is 2147483648, not an integer from 0 to 2147483647"},
      Malformed{turn + R"({"prompt": [1], "answer": [[3]]}]})",
                "turn 2: token 0 of \"answer\" is array, not an integer from 0 to "
                "2147483647"},
  };
  for (Malformed const& malformed : cases) {
    CAPTURE(malformed.line);
    CHECK(message(good + "\n" + good + "\n" + malformed.line + "\n" + good + "\n") ==
          "some.jsonl:3: " + malformed.what);
  }
}

TEST_CASE("a file without a conversation is malformed") {
  CHECK(message("") == "some.jsonl:1: there is no conversation in this file");
}

TEST_CASE("the last line need not be ended, and lines may end as on Windows") {
  CHECK(read(good).conversations.size() == 1);
  CHECK(read(good + "\r\n" + good).conversations.size() == 2);
}

TEST_CASE("a file that cannot be read is named") {
  std::filesystem::path const folder = std::filesystem::temp_directory_path();
  CHECK_THROWS_WITH_AS((void)read_trace(folder), (folder.string() + ": cannot be read").c_str(), copyspec::Error);
  std::filesystem::path const missing = folder / "no" / "such.jsonl";
  CHECK_THROWS_WITH_AS((void)read_trace(missing), (missing.string() + ": cannot be opened").c_str(), copyspec::Error);
}

TEST_CASE("the numbering is a bijection onto 1, 2, 3...") {
  std::mt19937 random(1);
  std::uniform_int_distribution<Token> any(0, std::numeric_limits<Token>::max());
  DenseNumbering numbering;
  std::set<Token> recorded;
  std::set<Token> given;
  for (int i = 0; i < 2000; ++i) {
    Token const token = i % 2 == 0 ? any(random) : any(random) % 64;
    bool const is_new = recorded.insert(token).second;
    Token const number = numbering.number(token);
    CHECK(given.insert(number).second == is_new);
    CHECK(numbering.recorded(number) == token);
    CHECK(numbering.number(token) == number);
  }
  CHECK(numbering.size() == recorded.size() + 1);
  CHECK(*given.begin() == 1);
  CHECK(static_cast<std::size_t>(*given.rbegin()) == given.size());
}

TEST_CASE("the project's own trace comes back token by token") {
  Trace const trace = read_trace(own_trace());
  CHECK(trace.name == "smollm2-135m.demo");
  std::ifstream lines(own_trace());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    REQUIRE(count < trace.conversations.size());
    Conversation const& conversation = trace.conversations[count];
    std::vector<Token> expected;
    auto const json = nlohmann::json::parse(line);
    for (auto const& turn : json["turns"])
      for (auto const* const key : {"prompt", "answer"})
        for (Token const token : turn[key]) expected.push_back(token);
    std::vector<Token> actual;
    for (Token const number : conversation.tokens) actual.push_back(trace.numbering.recorded(number));
    CHECK(actual == expected);
  }
  CHECK(count == trace.conversations.size());
}
