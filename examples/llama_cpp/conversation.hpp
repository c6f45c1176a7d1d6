// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace copyspec_llama {

/// Which prompts a conversation is counted with.
enum class Group : std::uint8_t {
  copy_heavy,  ///< Built in; the answers repeat much of what was said.
  fresh,       ///< Built in; there is little to copy.
  own,         ///< Given by the user.
};

[[nodiscard]] constexpr std::string_view name(Group group) noexcept {
  switch (group) {
    case Group::copy_heavy:
      return "copy-heavy";
    case Group::fresh:
      return "fresh";
    case Group::own:
      return "own";
  }
  return "unknown group";
}

/// What a user says, turn by turn. The answers in between are the model's.
struct Conversation {
  std::string name;
  Group group = Group::own;
  std::vector<std::string> turns;  ///< At least one; none is empty.
};

/// The built-in conversations called `names`, or all for no names. Throws `copyspec::Error` for an unknown name.
[[nodiscard]] std::vector<Conversation> built_in_conversations(std::span<std::string const> names);

/// A conversation of `turns`. Throws `copyspec::Error` if there is nothing in one of them.
[[nodiscard]] Conversation own_conversation(std::string name, std::vector<std::string> turns);

/// `text` split into turns at the lines that are `---`.
[[nodiscard]] std::vector<std::string> split_turns(std::string_view text);

/// What is in a file. Throws `copyspec::Error` if it cannot be read.
[[nodiscard]] std::string read_text(std::filesystem::path const& file);

}  // namespace copyspec_llama
