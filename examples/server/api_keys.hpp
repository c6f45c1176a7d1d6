// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"

namespace copyspec_server {

/// The keys that clients may use. Without any, all clients may. Threads: any number of calls.
class ApiKeys {
 public:
  ApiKeys() = default;
  /// The names of those who have the keys, and the keys.
  explicit ApiKeys(std::vector<std::pair<std::string, std::string>> keys) : keys_(std::move(keys)) {}

  /// A name and its key a line, with a space between. Empty lines and those that begin with # are neither. Throws
  /// `copyspec::Error` for a file that cannot be read, has no key, or a name or a key twice.
  [[nodiscard]] static ApiKeys read(std::filesystem::path const& file) {
    std::ifstream stream(file);
    if (!stream) copyspec::raise_error(copyspec::ErrorCode::file, file.string() + ": cannot be read");
    std::vector<std::pair<std::string, std::string>> keys;
    for (std::string line; std::getline(stream, line);) {
      if (line.find_first_not_of(" \t\r") == std::string::npos || line.front() == '#') continue;
      std::istringstream words(line);
      std::string name, key, more;
      bool const read = static_cast<bool>(words >> name >> key) && !(words >> more);
      bool const known =
          std::ranges::any_of(keys, [&](auto const& pair) { return pair.first == name || pair.second == key; });
      if (!read || known)
        copyspec::raise_error(copyspec::ErrorCode::file,
                              file.string() + (read ? ": has the name or the key of " + name + " twice"
                                                    : ": has a line that is not a name and a key"));
      keys.emplace_back(name, key);
    }
    if (keys.empty()) copyspec::raise_error(copyspec::ErrorCode::file, file.string() + ": has no key");
    return ApiKeys(std::move(keys));
  }

  [[nodiscard]] bool required() const noexcept { return !keys_.empty(); }

  /// Who has this key, if anyone. The time that takes depends on the lengths of the keys and of `given`, and not
  /// on what they have in common.
  [[nodiscard]] std::optional<std::string> find(std::string_view given) const {
    std::size_t found = keys_.size();
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::string_view const key = keys_[i].second;
      std::size_t difference = key.size() ^ given.size();
      for (std::size_t at = 0; at < key.size(); ++at)
        difference |= static_cast<std::size_t>(key[at] != (at < given.size() ? given[at] : '\0'));
      // Without a branch that depends on it.
      std::size_t const equal = difference == 0 ? 1 : 0;
      found = equal * i + (1 - equal) * found;
    }
    return found == keys_.size() ? std::nullopt : std::optional(keys_[found].first);
  }

 private:
  std::vector<std::pair<std::string, std::string>> keys_;
};

}  // namespace copyspec_server
