// SPDX-License-Identifier: MIT
#include "conversation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "copyspec/core/error.hpp"
#include "prompts.hpp"

namespace copyspec_llama {

std::vector<Conversation> built_in_conversations(std::span<std::string const> names) {
  std::vector<Conversation> conversations;
  for (Prompt const& prompt : built_in_prompts) {
    if (!names.empty() && std::ranges::find(names, prompt.name) == names.end()) continue;
    conversations.push_back({.name = std::string(prompt.name),
                             .group = prompt.copy_heavy ? Group::copy_heavy : Group::fresh,
                             .turns = {prompt.turns.begin(), prompt.turns.end()}});
  }
  for (std::string const& name : names) {
    if (std::ranges::find(conversations, name, &Conversation::name) != conversations.end()) continue;
    std::vector<std::string_view> known;
    std::ranges::transform(built_in_prompts, std::back_inserter(known), &Prompt::name);
    copyspec::raise_error(copyspec::ErrorCode::bad_options,
                          fmt::format("there is no built-in prompt {}; there are {}", name, fmt::join(known, ", ")));
  }
  return conversations;
}

Conversation own_conversation(std::string name, std::vector<std::string> turns) {
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].find_first_not_of(" \t\r\n") == std::string::npos)
      copyspec::raise_error(copyspec::ErrorCode::bad_options, turns.size() == 1
                                                                  ? fmt::format("{}: the prompt is empty", name)
                                                                  : fmt::format("{}: turn {} is empty", name, i + 1));
    // llama.cpp takes text up to the first null.
    if (turns[i].find('\0') != std::string::npos)
      copyspec::raise_error(copyspec::ErrorCode::bad_options, fmt::format("{}: this is not text", name));
  }
  return {.name = std::move(name), .group = Group::own, .turns = std::move(turns)};
}

std::vector<std::string> split_turns(std::string_view text) {
  std::vector<std::string> turns(1);
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    std::string_view const line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line == "---" || line == "---\r")
      turns.emplace_back();
    else
      turns.back().append(line).append("\n");
  }
  // The last line break belongs to the file rather than to what is said.
  for (std::string& turn : turns) {
    if (turn.ends_with('\n')) turn.pop_back();
  }
  return turns;
}

std::string read_text(std::filesystem::path const& file) {
  std::error_code ignored;
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file, ignored))
    copyspec::raise_error(copyspec::ErrorCode::bad_options, fmt::format("the file {} cannot be read", file.string()));
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace copyspec_llama
