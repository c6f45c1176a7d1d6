// SPDX-License-Identifier: MIT
#include "examples/server/json_grammar.hpp"

#include <doctest/doctest.h>
#include <llama.h>

#include <copyspec/adapters/llama_cpp/grammar.hpp>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"
#include "examples/llama_cpp/vocabulary.hpp"
#include "examples/server/grammar_limits.hpp"
#include "examples/server/json.hpp"
#include "support/demo_model.hpp"
#include "support/error_of.hpp"

using copyspec::Token;
using copyspec::adapters::LlamaCppGrammar;
using copyspec_server::Json;
using copyspec_server::json_grammar;
using copyspec_server::to_text;
using copyspec_server::tool_call_grammar;
using copyspec_test::demo_model;
using copyspec_test::error_of;

namespace {

using Tool = std::pair<std::string, std::string>;

// A grammar as llama.cpp has read it.
class Read {
 public:
  explicit Read(std::string const& grammar)
      : grammar_((copyspec_server::require_grammar_limits(grammar), *llama_model_get_vocab(&demo_model())), grammar) {}

  // Whether `text` may be an answer as a whole: each of its tokens is allowed, and then the end.
  [[nodiscard]] bool takes(std::string const& text) const {
    std::vector<Token> const tokens =
        copyspec_llama::Vocabulary(demo_model()).tokens(text, false, copyspec_llama::ControlNames::text);
    if (grammar_.hooks()(0).allowed_draft(std::span(tokens).first(0), tokens) < tokens.size()) return false;
    return grammar_.hooks()(0).allows(tokens, copyspec_test::end_tokens().front());
  }

 private:
  LlamaCppGrammar grammar_;
};

struct Case {
  std::string schema;
  std::vector<std::string> valid;
  std::vector<std::string> invalid;
};

std::string call(std::string const& name, std::string const& arguments) {
  return "<tool_call>\n{\"name\": " + to_text(name) + ", \"arguments\": " + arguments + "}\n</tool_call>";
}

}  // namespace

TEST_CASE("the grammar of a schema takes the texts that the schema allows, and no others") {
  std::vector<Case> const cases{
      {R"({"type": "string"})", {R"("a")", R"("")", R"("\"\\é\u00e9")"}, {"a", "1", R"("a)", R"("a" b)", "null"}},
      {R"({"type": "integer"})", {"0", "-12"}, {"1.5", "\"1\"", "01"}},
      {R"({"type": "integer", "minimum": 3, "maximum": 12})", {"3", "7", "12"}, {"2", "13", "-3", "120"}},
      {R"({"type": "number"})", {"0", "-1.5", "2e10"}, {"one", "1."}},
      {R"({"type": "boolean"})", {"true", "false"}, {"True", "1"}},
      {R"({"type": "null"})", {"null"}, {"0"}},
      {R"({"enum": ["red", 2, null]})", {R"("red")", "2", "null"}, {R"("blue")", "3"}},
      {R"({"const": {"a": 1}})", {R"({"a":1})"}, {R"({"a":2})"}},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
       {"[1]", "[1, 2, 3]"},
       {"[]", "[1,2,3,4]", "[true]"}},
      {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]})",
       {R"({"a": 1})", R"({"a":1,"b":"x"})"},
       {"{}", R"({"b":"x"})", R"({"a":"x"})"}},
      {R"({"type": "object"})", {"{}", R"({"a": [1, {"b": null}]})"}, {"[]", "1", R"({"a"})"}},
      {R"({"anyOf": [{"type": "integer"}, {"type": "boolean"}]})", {"1", "true"}, {R"("x")"}},
      {R"({"type": "string", "pattern": "^[a-c]{2}-[0-9]+$"})", {R"("ab-12")"}, {R"("ad-12")", R"("ab-")"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})", {R"("ab")", R"("abc")"}, {R"("a")", R"("abcd")"}},
      {R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "additionalProperties": false,
          "properties": {"next": {"$ref": "#/$defs/node"}}}}})",
       {"{}", R"({"next": {"next": {}}})"},
       {R"({"next": 1})", R"({"other": {}})"}},
      {R"({"type": "object", "properties": {"p": {"$ref": "#/$defs/root"}, "q": {"$ref": "#/$defs/space"}},
          "required": ["p", "q"], "$defs": {"root": {"type": "integer"}, "space": {"type": "boolean"}}})",
       {R"({"p": 1, "q": true})"},
       {R"({"p": {}, "q": true})", R"({"p": 1, "q": 1})"}},
      {R"({"type": "object", "properties": {"a\"b\\\n": {"type": "integer"}, "é[": {"type": "integer"}},
          "required": ["a\"b\\\n", "é["]})",
       {R"({"a\"b\\\n": 1, "é[": 2})"},
       {R"({"ab": 1, "é[": 2})"}}};
  for (Case const& one : cases) {
    CAPTURE(one.schema);
    Read const grammar(json_grammar(one.schema));
    for (std::string const& text : one.valid) CHECK_MESSAGE(grammar.takes(text), text);
    for (std::string const& text : one.invalid) CHECK_MESSAGE(!grammar.takes(text), text);
  }
}

TEST_CASE("what llama.cpp cannot convert is an exception, and nothing worse") {
  for (std::string const schema :
       {"{", "\"x\"", R"({"type": "no such type"})", R"({"$ref": "#/$defs/none"})",
        R"({"type": "string", "pattern": "^($"})", R"({"$ref": "https://example.com/schema.json"})"})
    CHECK_MESSAGE(!error_of<std::exception>([&] { static_cast<void>(json_grammar(schema)); }).empty(), schema);
}

TEST_CASE("a call has the name of a tool and the arguments of its schema") {
  std::vector<Tool> const tools{
      {"find", R"({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})"},
      {"count", R"({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})"}};
  for (bool const several : {false, true}) {
    CAPTURE(several);
    Read const grammar(tool_call_grammar(tools, several));
    CHECK(grammar.takes(call("find", R"({"text": "x"})")));
    CHECK(grammar.takes(call("count", R"({"n": 5})")));
    CHECK(grammar.takes(R"(<tool_call>{"name":"count","arguments":{"n":5}}</tool_call>)"));
    CHECK_FALSE(grammar.takes(call("find", R"({"n": 5})")));
    CHECK_FALSE(grammar.takes(call("count", R"({"text": "x"})")));
    CHECK_FALSE(grammar.takes(call("other", R"({"text": "x"})")));
    CHECK_FALSE(grammar.takes(R"({"name": "count", "arguments": {"n": 5}})"));
    CHECK_FALSE(grammar.takes(""));
    CHECK_FALSE(grammar.takes("<tool_call>"));
    for (std::string const between : {"", "\n", " "})
      CHECK(grammar.takes(call("find", R"({"text": "x"})") + between + call("count", R"({"n": 1})")) == several);
  }
}

TEST_CASE("a tool may have any name") {
  for (std::string const name : {"a", "a b", "\"", "\\", "\n", "]", "é", "\"] | root", "</tool_call>", "x\ty"}) {
    std::vector<Tool> const tools{{name, R"({"type": "object", "properties": {}})"}};
    Read const grammar(tool_call_grammar(tools, false));
    CHECK_MESSAGE(grammar.takes(call(name, "{}")), name);
    CHECK_FALSE(grammar.takes(call(name + "x", "{}")));
  }
}

TEST_CASE("definitions of one tool are not those of another, though they have the same name") {
  auto const schema = [](std::string const& type) {
    return R"({"type": "object", "properties": {"x": {"$ref": "#/$defs/Item"}}, "required": ["x"],
               "$defs": {"Item": {"type": "object", "properties": {"v": {"type": ")" +
           type + R"("}}, "required": ["v"]}}})";
  };
  std::vector<Tool> const tools{{"f", schema("integer")}, {"g", schema("boolean")}};
  Read const grammar(tool_call_grammar(tools, true));
  CHECK(grammar.takes(call("f", R"({"x": {"v": 1}})")));
  CHECK_FALSE(grammar.takes(call("f", R"({"x": {"v": true}})")));
  CHECK(grammar.takes(call("g", R"({"x": {"v": true}})")));
  CHECK_FALSE(grammar.takes(call("g", R"({"x": {"v": 1}})")));
}

TEST_CASE("rules of a schema do not take the place of those about it") {
  for (std::string const name : {"root", "ws", "call", "call-0", "call-1", "arguments-0", "arguments-1", "space"}) {
    CAPTURE(name);
    Json const item{{"type", "object"}, {"properties", {{"v", {{"type", "boolean"}}}}}, {"required", {"v"}}};
    Json const schema{{"type", "object"},
                      {"properties", {{name, {{"$ref", "#/$defs/" + name}}}}},
                      {"required", {name}},
                      {"$defs", {{name, item}}}};
    std::vector<Tool> const tools{{"f", to_text(schema)}, {"g", to_text(schema)}};
    Read const grammar(tool_call_grammar(tools, false));
    for (std::string const tool : {"f", "g"}) {
      CHECK(grammar.takes(call(tool, "{\"" + name + "\": {\"v\": true}}")));
      CHECK_FALSE(grammar.takes(call(tool, "{\"" + name + "\": {\"v\": 1}}")));
    }
    CHECK_FALSE(grammar.takes("{\"v\": true}"));
  }
}

// llama.cpp converts by recursion: over the bytes of names, over references, and over the properties of an object.
TEST_CASE("names, references and properties of a schema are bounded") {
  auto const refused = [](Json const& schema) {
    std::string const text = to_text(schema);
    std::vector<Tool> const tools{{"f", text}};
    bool const alone = !error_of<std::exception>([&] { static_cast<void>(json_grammar(text)); }).empty();
    bool const in_tool = !error_of<std::exception>([&] { static_cast<void>(tool_call_grammar(tools, true)); }).empty();
    CHECK(alone == in_tool);
    return alone;
  };
  auto const with_name = [](std::size_t size) {
    return Json{{"type", "object"}, {"properties", {{std::string(size, 'a'), {{"type", "string"}}}}}};
  };
  CHECK_FALSE(refused(with_name(1024)));
  CHECK(refused(with_name(1025)));
  auto const with_properties = [](int count) {
    Json schema{{"type", "object"}};
    for (int i = 0; i < count; ++i) {
      schema["properties"][std::to_string(i)] = {{"type", "string"}};
      schema["required"].push_back(std::to_string(i));
    }
    return schema;
  };
  CHECK_FALSE(refused(with_properties(256)));
  CHECK(refused(with_properties(257)));
  auto const with_references = [](int count) {
    Json schema{{"$ref", "#/$defs/0"}};
    for (int i = 0; i < count - 1; ++i)
      schema["$defs"][std::to_string(i / 200)]["anyOf"].push_back({{"$ref", "#/$defs/" + std::string("9")}});
    schema["$defs"]["9"] = {{"type", "string"}};
    return schema;
  };
  CHECK_FALSE(refused(with_references(512)));
  CHECK(refused(with_references(513)));
}
