// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "copyspec/core/token.hpp"
#include "json.hpp"

namespace copyspec_server {

/// A call of a function, as a model asks for it.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< JSON.
};

/// One message of a chat.
struct Message {
  std::string role;
  std::string content;
  std::vector<ToolCall> tool_calls = {};
  std::string tool_call_id = {};  ///< Of the call that a message of the role `tool` answers.
};

/// A function that the model may call.
struct Tool {
  std::string name;
  std::string description;
  Json parameters;  ///< A JSON schema.
};

enum class ToolChoice : std::uint8_t { none, automatic, required };

/// A text to continue: as text, or as tokens.
using Prompt = std::variant<std::string, std::vector<copyspec::Token>>;

/// What a client asks for, whichever the endpoint. A field has the meaning that OpenAI gives the field of its name.
struct Request {
  bool chat = false;
  std::string model = {};
  std::vector<Message> messages = {};  ///< Of a chat.
  std::vector<Prompt> prompts = {};    ///< Of a completion.

  std::size_t n = 1;
  std::optional<std::size_t> max_tokens = {};
  std::size_t min_tokens = 0;
  bool ignore_eos = false;
  std::vector<std::string> stop = {};

  std::optional<std::int64_t> seed = {};
  float temperature = 1;
  float top_p = 1;
  float min_p = 0;
  std::ptrdiff_t top_k = 0;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  std::vector<std::pair<copyspec::Token, float>> logit_bias = {};
  std::optional<std::size_t> logprobs = {};  ///< How many of the likeliest tokens are shown beside the generated one.

  std::optional<std::string> grammar = {};  ///< In GBNF.
  std::optional<Json> json_schema = {};     ///< What the answer must be.
  std::vector<Tool> tools = {};             ///< Those that may be called.
  ToolChoice tool_choice = ToolChoice::none;
  bool parallel_tool_calls = true;

  std::string prediction = {};                     ///< What the answer will probably resemble.
  std::size_t max_draft_tokens = ~std::size_t{0};  ///< In a pass; 0 is plain decoding.

  bool stream = false;
  bool include_usage = false;  ///< In a last event of a stream.
  bool show_sources = false;   ///< Where the tokens of an answer were copied from, in each event of a stream.
  std::string user = {};
};

/// What requests may ask for.
struct RequestLimits {
  std::size_t messages = 1024;
  std::size_t prompts = 64;
  std::size_t answers = 8;  ///< To one prompt.
  std::size_t stops = 16;
  std::size_t stop_bytes = 256;
  std::size_t tools = 128;
  std::size_t grammar_bytes = 65536;
  std::size_t logit_biases = 1024;
};

/// Reads the body of `/v1/chat/completions`. Throws `ApiError`, which names the field, for a value of the wrong type,
/// out of range or of a kind that is not served. Fields that are not known are ignored, as OpenAI does.
[[nodiscard]] Request parse_chat(Json const& body, RequestLimits const& limits = {});

/// The same of `/v1/completions`.
[[nodiscard]] Request parse_completion(Json const& body, RequestLimits const& limits = {});

}  // namespace copyspec_server
