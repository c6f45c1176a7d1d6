// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace copyspec_test {

// An empty folder, which is removed with all that is in it then.
struct TemporaryFolder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("copyspec-" + std::to_string(std::random_device()()) + std::to_string(std::random_device()()));
  TemporaryFolder() { std::filesystem::create_directory(path); }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(char const* name) const { return (path / name).string(); }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
  }
};

inline std::string contents(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace copyspec_test
