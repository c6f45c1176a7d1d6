// SPDX-License-Identifier: MIT
#include "examples/server/grammar_shape.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "examples/server/api_error.hpp"
#include "examples/server/json_grammar.hpp"
#include "support/error_of.hpp"

using copyspec_server::ApiError;
using copyspec_server::GrammarShape;
using copyspec_test::error_of;

namespace {

bool refused(std::string_view grammar) {
  return !error_of<ApiError>([&] { GrammarShape::require_readable(grammar); }).empty();
}

}  // namespace

TEST_CASE("grammars of every form are read") {
  for (std::string_view const grammar :
       {R"(root ::= "a")", R"(root ::= [a-z]+ ("," [^"\]]* | "x"?){2,5} # the end)",
        "root ::= a b?\na ::= \"(\" b\nb ::= c?\nc ::= [x]", R"(root ::= "[" (root ("," root)*)? "]")",
        R"(root ::= "x"{3} "y"{2,} .)", R"gbnf(root ::= "\"" ([^"\\] | "\\" .)* "\"")gbnf"})
    CHECK_MESSAGE(!refused(grammar), grammar);
}

TEST_CASE("grammars for JSON are read") {
  for (
      char const* const schema :
      {R"({"type": "object"})", R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 9})",
       R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}}})",
       R"({"type": "object", "properties": {"a": {"type": "string", "maxLength": 20}, "b": {"enum": ["x", "y"]}}})"})
    CHECK_MESSAGE(!refused(copyspec_server::json_grammar(schema)), schema);
}

TEST_CASE("a rule must not begin with itself") {
  CHECK(refused("root ::= root \"a\""));
  CHECK(refused("root ::= a \"x\"\na ::= b | \"y\"\nb ::= root"));
  // An optional part before it may be nothing.
  CHECK(refused("root ::= \"x\"? root \"a\""));
  CHECK(refused("root ::= (\"x\" | \"\") root"));
  CHECK_FALSE(refused("root ::= \"x\" root | \"a\""));
  // Nor must what is repeated be nothing.
  CHECK(refused("root ::= a*\na ::= \"x\"?"));
  CHECK_FALSE(refused("root ::= a{1,3}\na ::= \"x\"?"));
}

TEST_CASE("no grammar has a NUL") {
  CHECK(refused(std::string_view("root ::= \"a\"\0", 13)));
}
