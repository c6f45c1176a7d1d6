// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <utility>

namespace copyspec_server {

/// A grammar in GBNF for the JSON texts that a JSON schema allows, as llama.cpp derives it. Throws `std::exception` for
/// what llama.cpp cannot convert. `schema` is JSON.
[[nodiscard]] std::string json_grammar(std::string const& schema);

/// A grammar for one call of one of `tools`, each a name with the JSON schema of its arguments, or for several calls in
/// a row: `<tool_call>{"name": ..., "arguments": ...}</tool_call>`. Throws as `json_grammar`.
[[nodiscard]] std::string tool_call_grammar(std::span<std::pair<std::string, std::string> const> tools, bool several);

}  // namespace copyspec_server
