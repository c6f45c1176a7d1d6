// SPDX-License-Identifier: MIT
#include "json_grammar.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <json-schema-to-grammar.h>

#include <utility>
#include <vector>

#include "api_error.hpp"
#include "json.hpp"

namespace copyspec_server {

namespace {

// llama.cpp converts by recursion: over the bytes of names, over references, and over the properties of an object, for
// which it takes a time that grows with their cube.
class SchemaLimits {
 public:
  void read(Json const& schema) {
    if (schema.is_object() && schema.size() > most_keys) throw ApiError::bad_request("a schema has too many keys");
    if (!schema.is_structured()) return;
    for (auto const& [key, value] : schema.items()) {
      if (key.size() > most_bytes) throw ApiError::bad_request("a schema has a key that is too long");
      if (schema.is_object() && key == "$ref" && value.is_string() &&
          (++references_ > most_references || value.get_ref<std::string const&>().size() > most_bytes))
        throw ApiError::bad_request("a schema has too many references, or one that is too long");
      read(value);
    }
  }

 private:
  static constexpr std::size_t most_keys = 256;
  static constexpr std::size_t most_bytes = 1024;
  static constexpr std::size_t most_references = 512;
  std::size_t references_ = 0;
};

// llama.cpp knows a definition by its name, in all schemas of a grammar: this gives those of a tool names of their own.
void rename_definitions(Json& schema, std::string const& prefix) {
  if (!schema.is_structured()) return;
  for (auto& [key, value] : schema.items()) {
    if (schema.is_object() && key == "$ref" && value.is_string()) {
      std::string const reference = value.get<std::string>();
      for (std::string const folder : {"#/$defs/", "#/definitions/"})
        if (reference.starts_with(folder)) value = folder + prefix + reference.substr(folder.size());
    } else {
      rename_definitions(value, prefix);
    }
  }
}

std::string own_definitions(std::string const& text, std::string const& prefix) {
  Json schema = parse_body(text);
  SchemaLimits().read(schema);
  rename_definitions(schema, prefix);
  for (char const* const folder : {"$defs", "definitions"}) {
    if (!schema.contains(folder) || !schema[folder].is_object()) continue;
    Json renamed = Json::object();
    for (auto const& [name, definition] : schema[folder].items()) renamed[prefix + name] = definition;
    schema[folder] = std::move(renamed);
  }
  return to_text(schema);
}

}  // namespace

std::string json_grammar(std::string const& schema) {
  SchemaLimits().read(parse_body(schema));
  return json_schema_to_grammar(common_json::parse(schema));
}

std::string tool_call_grammar(std::span<std::pair<std::string, std::string> const> tools, bool several) {
  return build_grammar([&](common_grammar_builder const& builder) {
    // White space where models write some.
    builder.add_rule("ws", R"([ \n]?)");
    std::vector<std::string> calls;
    for (auto const& [name, schema] : tools) {
      std::string const number = fmt::format("{}", calls.size());
      common_chat_schema_document const document =
          common_chat_schema_from_json(common_json::parse(own_definitions(schema, "tool-" + number + "-")));
      std::string const arguments = builder.add_schema("arguments-" + number, *document.root);
      std::string const quoted = gbnf_format_literal(common_json::make(name).dump());
      calls.push_back(builder.add_rule(
          "call-" + number,
          fmt::format(
              R"("<tool_call>" ws "{{" ws "\"name\":" ws {} "," ws "\"arguments\":" ws {} ws "}}" ws "</tool_call>")",
              quoted, arguments)));
    }
    std::string const call = builder.add_rule("call", fmt::format("{}", fmt::join(calls, " | ")));
    builder.add_rule("root", several ? call + " (ws " + call + "){0,15}" : call);
  });
}

}  // namespace copyspec_server
