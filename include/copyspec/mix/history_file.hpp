// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "history.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A proposer with a history and learnt weights: a `MixingProposer`. Law: if the weights are of another kind,
/// `set_learnt` throws an `Error` that names the path, and changes nothing.
template <class P>
concept LearnsFromHistory = requires(P& proposer, P const& const_proposer, std::span<float const> weights,
                                     std::string const& path) {
  { *const_proposer.history() } -> std::convertible_to<History&>;
  { const_proposer.learnt() } -> std::convertible_to<std::vector<float>>;
  {proposer.set_learnt(weights, path)};
};

}  // namespace detail

/// Saves a `History` to a file, with what a `MixingProposer` has learnt (`MixingProposer::learnt`), as weights that are
/// opaque to the file. Of the history, only the tokens are stored; its tables are rebuilt on loading. Needs a POSIX
/// system. Files of another version are refused. A file without weights holds a history alone, and a proposer that
/// loads it keeps what it has learnt. All numbers are little-endian:
///
///     8 bytes      "copyhist"
///     u32          version, 1
///     u32          weights
///     u64          requests
///     u64          tokens
///     u32 each     the tokens of each request, the oldest first
///     i32 each     tokens, -1 for none
///     f32 each     weights
///     u64          FNV-1a of all bytes before: x = 0xcbf29ce484222325, for each byte x = (x ^ byte) * 0x100000001b3
class HistoryFile {
 public:
  /// The bytes of a file with the requests in `history` and with `weights`. Writers to the history wait meanwhile.
  /// O(capacity()). Allocates.
  [[nodiscard]] static std::string pack(History const& history, std::span<float const> weights) {
    std::vector<std::uint32_t> lengths;
    std::vector<Token> tokens;
    history.for_each_request([&](std::size_t begin, std::size_t end) {
      lengths.push_back(static_cast<std::uint32_t>(end - begin));
      for (; begin < end; ++begin) tokens.push_back(history.token(begin));
    });
    std::string bytes;
    bytes.reserve(header_size + 4 * (lengths.size() + tokens.size() + weights.size()) + checksum_size);
    bytes.append(magic);
    put(bytes, known_version);
    put(bytes, static_cast<std::uint32_t>(weights.size()));
    put(bytes, std::uint64_t{lengths.size()});
    put(bytes, std::uint64_t{tokens.size()});
    for (std::uint32_t const length : lengths) put(bytes, length);
    for (Token const token : tokens) put(bytes, static_cast<std::uint32_t>(token));
    for (float const weight : weights) put(bytes, std::bit_cast<std::uint32_t>(weight));
    put(bytes, fnv1a(bytes));
    return bytes;
  }

  /// Appends the requests in `bytes` to `history`, which may evict older ones, and returns the weights. If `bytes` is
  /// not an output of `pack`, throws an `Error` that names `path` and the defect, before anything is changed. O(bytes).
  static std::vector<float> unpack(std::span<char const> bytes, std::string const& path, History& history) {
    Contents contents = read(bytes, path);
    contents.append_to(history);
    return std::move(contents.weights);
  }

  /// The same for a proposer with a history: appends the requests to it and sets what it has learnt. Changes neither if
  /// either is refused.
  template <detail::LearnsFromHistory Proposer>
  static void unpack(std::span<char const> bytes, std::string const& path, Proposer& proposer) {
    COPYSPEC_ASSERT(proposer.history() != nullptr, "a proposer with a history");
    Contents const contents = read(bytes, path);
    if (!contents.weights.empty()) proposer.set_learnt(contents.weights, path);
    contents.append_to(*proposer.history());
  }

  /// Writes `history` and `weights` to `path`, replacing an existing file, readable by its owner only. The data goes to
  /// a temporary file beside it, `path` plus seven characters, which is flushed to disk and renamed. So after a crash
  /// at any time, `path` is either the old file or the complete new one; the temporary file may remain. Throws `Error`
  /// if the system refuses. Threads: any number of calls; of concurrent ones, the last to rename wins.
  static void save(std::string const& path, History const& history, std::span<float const> weights) {
    std::string const bytes = pack(history, weights);
    std::string temporary = path + ".XXXXXX";
    int const file = ::mkstemp(temporary.data());
    if (file < 0) raise_io(temporary, "cannot be made");
    auto const give_up = [&](char const* what) {
      int const error = errno;
      ::unlink(temporary.c_str());
      errno = error;
      raise_io(temporary, what);
    };
    bool written = true;
    for (std::string_view rest = bytes; written && !rest.empty();) {
      ssize_t const count = ::write(file, rest.data(), rest.size());
      if (count >= 0)
        rest.remove_prefix(static_cast<std::size_t>(count));
      else
        written = errno == EINTR;
    }
    written = written && ::fsync(file) == 0;
    int const error = errno;
    bool const closed = ::close(file) == 0;
    if (!written) errno = error;
    if (!written || !closed) give_up("cannot be written");
    if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("cannot be renamed");
    // Until the directory is flushed too, the old file may come back after a crash.
    std::string const folder = std::filesystem::path(path).parent_path().string();
    int const opened = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) raise_io(path, "its directory cannot be opened");
    bool const forced = ::fsync(opened) == 0;
    ::close(opened);
    if (!forced) raise_io(path, "its directory cannot be flushed to disk");
  }

  /// The same for a proposer with a history, and for what it has learnt. Threads: no other call of the proposer or its
  /// copies meanwhile.
  template <detail::LearnsFromHistory Proposer>
  static void save(std::string const& path, Proposer const& proposer) {
    COPYSPEC_ASSERT(proposer.history() != nullptr, "a proposer with a history");
    save(path, *proposer.history(), proposer.learnt());
  }

  /// Reads the file that `save` wrote to `path`, as `unpack` does. Allocates at most four times the file's size.
  static std::vector<float> load(std::string const& path, History& history) {
    return unpack(bytes_of(path), path, history);
  }

  /// The same for a proposer. Threads: no other call of it or its copies meanwhile.
  template <detail::LearnsFromHistory Proposer>
  static void load(std::string const& path, Proposer& proposer) {
    unpack(bytes_of(path), path, proposer);
  }

 private:
  static constexpr std::string_view magic = "copyhist";
  static constexpr std::uint32_t known_version = 1;
  static constexpr std::size_t header_size = 32;
  static constexpr std::size_t checksum_size = 8;

  struct Contents {
    std::vector<std::size_t> lengths;  // of the requests
    std::vector<Token> tokens;         // of all requests
    std::vector<float> weights;

    void append_to(History& history) const {
      std::span<Token const> rest = tokens;
      for (std::size_t const length : lengths) {
        history.append(rest.first(length));
        rest = rest.subspan(length);
      }
    }
  };

  // Throws an `Error` that names `path` unless `bytes` is an output of `pack`.
  static Contents read(std::span<char const> bytes, std::string const& path) {
    auto const refuse = [&](std::string const& what) { raise_error(ErrorCode::file, path + ": " + what); };
    if (bytes.size() < magic.size() || std::string_view(bytes.data(), magic.size()) != magic)
      refuse("is no history: it does not begin with \"copyhist\"");
    if (bytes.size() < header_size + checksum_size)
      refuse("is cut off: it has " + std::to_string(bytes.size()) + " bytes, a header has " +
             std::to_string(header_size));
    if (auto const version = get<std::uint32_t>(bytes, 8); version != known_version)
      refuse("is of version " + std::to_string(version) + ", version " + std::to_string(known_version) + " is known");
    std::uint64_t const weights = get<std::uint32_t>(bytes, 12);
    auto const requests = get<std::uint64_t>(bytes, 16);
    auto const tokens = get<std::uint64_t>(bytes, 24);
    // Each number alone is checked against the size first, so that the sum does not overflow.
    std::uint64_t const numbers = (bytes.size() - header_size - checksum_size) / 4;
    if (weights > numbers || requests > numbers || tokens > numbers || weights + requests + tokens != numbers ||
        bytes.size() % 4 != 0)
      refuse("is cut off or damaged: " + std::to_string(requests) + " requests, " + std::to_string(tokens) +
             " tokens and " + std::to_string(weights) + " weights do not make its " + std::to_string(bytes.size()) +
             " bytes");
    std::size_t const end = bytes.size() - checksum_size;
    if (fnv1a(bytes.first(end)) != get<std::uint64_t>(bytes, end)) refuse("is damaged: its checksum is wrong");
    std::size_t const first_token = header_size + 4 * static_cast<std::size_t>(requests);
    std::size_t const first_weight = first_token + 4 * static_cast<std::size_t>(tokens);
    Contents contents;
    contents.lengths.reserve(requests);
    std::uint64_t said = 0;
    for (std::size_t at = header_size; at < first_token; at += 4) {
      contents.lengths.push_back(get<std::uint32_t>(bytes, at));
      said += contents.lengths.back();
    }
    if (said != tokens)
      refuse("has requests of " + std::to_string(said) + " tokens, but " + std::to_string(tokens) + " tokens");
    contents.tokens.reserve(tokens);
    for (std::size_t at = first_token; at < first_weight; at += 4) {
      contents.tokens.push_back(static_cast<Token>(get<std::uint32_t>(bytes, at)));
      if (Token const token = contents.tokens.back(); token < -1)
        refuse("token " + std::to_string(contents.tokens.size() - 1) + " is " + std::to_string(token) +
               ", which is not a token");
    }
    contents.weights.reserve(weights);
    for (std::size_t at = first_weight; at < end; at += 4)
      contents.weights.push_back(std::bit_cast<float>(get<std::uint32_t>(bytes, at)));
    return contents;
  }

  static std::string bytes_of(std::string const& path) {
    std::error_code error;
    std::uintmax_t const size = std::filesystem::file_size(path, error);
    if (error) raise_error(ErrorCode::file, path + ": cannot be read: " + error.message());
    std::ifstream file(path, std::ios::binary);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file) raise_error(ErrorCode::file, path + ": cannot be read");
    return bytes;
  }

  static std::uint64_t fnv1a(std::span<char const> bytes) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (char const byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return hash;
  }

  template <class Number>
  static void put(std::string& bytes, Number number) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>(number >> (8 * i) & 255));
  }

  template <class Number>
  static Number get(std::span<char const> bytes, std::size_t at) noexcept {
    Number number = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;)
      number = static_cast<Number>(number << 8 | static_cast<unsigned char>(bytes[at + i]));
    return number;
  }

  [[noreturn]] static void raise_io(std::string const& path, char const* what) {
    raise_error(ErrorCode::file, path + ": " + what + ": " + std::generic_category().message(errno));
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
