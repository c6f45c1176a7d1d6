// SPDX-License-Identifier: MIT
#include "examples/server/grammar_limits.hpp"

#include <doctest/doctest.h>
#include <llama.h>

#include <copyspec/adapters/llama_cpp/grammar.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "examples/server/api_error.hpp"
#include "support/demo_model.hpp"
#include "support/error_of.hpp"

using copyspec_server::ApiError;
using copyspec_server::require_grammar_limits;
using copyspec_test::error_of;

namespace {

bool refused(std::string_view grammar) {
  return !error_of<ApiError>([&] { require_grammar_limits(grammar); }).empty();
}

// Whether llama.cpp can read it.
bool readable(std::string const& grammar) {
  return error_of<copyspec::adapters::LlamaCppError>([&] {
           copyspec::adapters::LlamaCppGrammar const read(*llama_model_get_vocab(&copyspec_test::demo_model()),
                                                          grammar);
         })
      .empty();
}

std::string nested(std::size_t depth) {
  return "root ::= " + std::string(depth, '(') + "\"a\"" + std::string(depth, ')');
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("a grammar may be 128 deep, have 4096 rules and a mebibyte, and llama.cpp reads it") {
  CHECK_FALSE(refused(nested(128)));
  CHECK(readable(nested(128)));
  CHECK(refused(nested(129)));
  // One after another, they are not nested.
  std::string const flat = "root ::= " + repeated("(\"a\") ", 5000);
  CHECK_FALSE(refused(flat));
  CHECK(readable(flat));

  // A chain, in which llama.cpp goes from each rule to the next.
  std::string chain = "root ::= r1\n";
  for (int i = 1; i < 4095; ++i) chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
  chain += "r4095 ::= \"a\"\n";
  CHECK_FALSE(refused(chain));
  CHECK(readable(chain));
  CHECK(refused(chain + "more ::= \"a\"\n"));

  std::string const begin = "root ::= \"a\"\n#";
  CHECK_FALSE(refused(begin + std::string((std::size_t{1} << 20) - begin.size(), 'x')));
  CHECK(refused(begin + std::string((std::size_t{1} << 20) - begin.size() + 1, 'x')));
}

TEST_CASE("what a literal, a class or a comment has does not count as nesting") {
  std::string const open(1000, '(');
  for (std::string const& grammar :
       {"root ::= \"" + open + "\"", "root ::= [" + open + "]", "root ::= \"a\" # " + open + "\n",
        "root ::= \"\\\"" + open + "\"", "root ::= [\\]" + open + "]", "root ::= [\"] \"" + open + "\"",
        "root ::= \"]\" [" + open + "]", "root ::= \"#\" \"" + open + "\"", "# \"\nroot ::= \"" + open + "\""}) {
    CAPTURE(grammar.substr(0, 20));
    CHECK_FALSE(refused(grammar));
    CHECK(readable(grammar));
  }
}

TEST_CASE("nesting is seen behind anything that ends a literal, a class or a comment") {
  std::string const deep = std::string(129, '(') + "\"a\"" + std::string(129, ')');
  for (std::string const begin :
       {"root ::= \"x\" ", "root ::= \"\\\\\" ", "root ::= \"\\\"\" ", "root ::= [x] ", "root ::= [\\]] ",
        "root ::= [\\\\] ", "root ::= [\"] ", "root ::= \"[\" ", "# \"\nroot ::= ", "# [\nroot ::= ", "root ::= \"#\" ",
        "root ::= [#] ", "root ::= \"a\" | ", "root ::= ) "})
    CHECK_MESSAGE(refused(begin + deep), begin);
  // Alternatives and repetitions in between make it no flatter.
  CHECK(refused("root ::= " + repeated("(\"a\" | ", 129) + "\"a\"" + repeated(")*", 129)));
}

TEST_CASE("any bytes are taken or refused, and nothing else happens") {
  for (std::string const text : {"", "\"", "[", "\\", "\"\\", "[\\", "#", ")", "))))", "::=", "::=::=", "root ::= \""})
    CHECK_FALSE(refused(text));
}
