// SPDX-License-Identifier: MIT
#include "json_grammar.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <json-schema-to-grammar.h>

#include <vector>

namespace copyspec_server {

std::string json_grammar(std::string const& schema) {
  return json_schema_to_grammar(common_json::parse(schema));
}

std::string tool_call_grammar(std::span<std::pair<std::string, std::string> const> tools, bool several) {
  return build_grammar([&](common_grammar_builder const& builder) {
    // White space where models write some.
    builder.add_rule("ws", R"([ \n]?)");
    std::vector<std::string> calls;
    for (auto const& [name, schema] : tools) {
      std::string const number = fmt::format("{}", calls.size());
      common_chat_schema_document const document = common_chat_schema_from_json(common_json::parse(schema));
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
