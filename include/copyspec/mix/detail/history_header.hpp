// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../../core/error.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Appends an unsigned number to `bytes`, the lowest byte first.
template <class Number>
void put_little_endian(std::string& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>(number >> (8 * i) & 255));
}

/// The number at `at`.
template <class Number>
[[nodiscard]] Number get_little_endian(std::span<char const> bytes, std::size_t at) noexcept {
  Number number = 0;
  for (std::size_t i = sizeof(Number); i-- > 0;)
    number = static_cast<Number>(number << 8 | static_cast<unsigned char>(bytes[at + i]));
  return number;
}

/// The 64-bit FNV-1a hash of `bytes`, after those that gave `hash`.
[[nodiscard]] inline std::uint64_t fnv1a(std::span<char const> bytes,
                                         std::uint64_t hash = 0xcbf29ce484222325) noexcept {
  for (char const byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

/// The header of a `HistoryFile`: how many numbers of each kind follow, of 4 bytes each, and then a checksum of 8
/// bytes.
struct HistoryHeader {
  static constexpr std::size_t size = 32;
  static constexpr std::size_t checksum_size = 8;  ///< Of the checksum at the end of the file.

  std::uint64_t weights = 0;  ///< Below 2^32.
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;

  void append_to(std::string& bytes) const {
    bytes.append(magic);
    put_little_endian(bytes, known_version);
    put_little_endian(bytes, static_cast<std::uint32_t>(weights));
    put_little_endian(bytes, requests);
    put_little_endian(bytes, tokens);
  }

  /// The header of a file of `file_size` bytes, of which `bytes` are the first 32, or all. Throws an `Error` that names
  /// `path` if there is no such file. Does not allocate but for messages.
  [[nodiscard]] static HistoryHeader read(std::span<char const> bytes, std::uint64_t file_size,
                                          std::string const& path) {
    auto const refuse = [&](std::string const& what) { raise_error(ErrorCode::file, path + ": " + what); };
    if (bytes.size() < magic.size() || std::string_view(bytes.data(), magic.size()) != magic)
      refuse("is no history: it does not begin with \"copyhist\"");
    if (file_size < size + checksum_size)
      refuse("is cut off: it has " + std::to_string(file_size) + " bytes, a header has " + std::to_string(size));
    if (auto const version = get_little_endian<std::uint32_t>(bytes, 8); version != known_version)
      refuse("is of version " + std::to_string(version) + ", version " + std::to_string(known_version) + " is known");
    HistoryHeader const header{.weights = get_little_endian<std::uint32_t>(bytes, 12),
                               .requests = get_little_endian<std::uint64_t>(bytes, 16),
                               .tokens = get_little_endian<std::uint64_t>(bytes, 24)};
    // Each number alone is checked against the size first, so that the sum does not overflow.
    std::uint64_t const numbers = (file_size - size - checksum_size) / 4;
    if (header.weights > numbers || header.requests > numbers || header.tokens > numbers ||
        header.weights + header.requests + header.tokens != numbers || file_size % 4 != 0)
      refuse("is cut off or damaged: " + std::to_string(header.requests) + " requests, " +
             std::to_string(header.tokens) + " tokens and " + std::to_string(header.weights) +
             " weights do not make its " + std::to_string(file_size) + " bytes");
    if (header.requests > most || header.tokens > most)
      refuse("claims more requests or tokens than a history can hold");
    return header;
  }

 private:
  static constexpr std::string_view magic = "copyhist";
  static constexpr std::uint32_t known_version = 1;
  static constexpr std::uint64_t most = std::uint64_t{1} << 31;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
