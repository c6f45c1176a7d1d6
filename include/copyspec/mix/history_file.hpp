// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/assert.hpp"
#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/atomic_file.hpp"
#include "../detail/regular_file.hpp"
#include "detail/history_header.hpp"
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
    bytes.reserve(Header::size + 4 * (lengths.size() + tokens.size() + weights.size()) + checksum_size);
    Header{static_cast<std::uint32_t>(weights.size()), lengths.size(), tokens.size()}.append_to(bytes);
    for (std::uint32_t const length : lengths) detail::put_little_endian(bytes, length);
    for (Token const token : tokens) detail::put_little_endian(bytes, static_cast<std::uint32_t>(token));
    for (float const weight : weights) detail::put_little_endian(bytes, std::bit_cast<std::uint32_t>(weight));
    detail::put_little_endian(bytes, detail::fnv1a(bytes));
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

  /// Writes `history` and `weights` to `path`, replacing an existing file, or the file that a symbolic link points to.
  /// A new file is for its owner alone; the permissions of an old one are kept. The data goes to a temporary file
  /// beside it, `path`.copyspec-XXXXXX, which is flushed to disk and renamed. So after a crash at any time, `path` is
  /// either the old file or the complete new one. A temporary file that remained is removed by the next `save` to
  /// `path`. Throws `Error` if the system refuses. Threads: any number of calls; of concurrent ones, the last to rename
  /// wins.
  static void save(std::string const& path, History const& history, std::span<float const> weights) {
    detail::AtomicFile file(path);
    file.write(pack(history, weights));
    file.commit();
  }

  /// The same for a proposer with a history, and for what it has learnt. Threads: no other call of the proposer or its
  /// copies meanwhile.
  template <detail::LearnsFromHistory Proposer>
  static void save(std::string const& path, Proposer const& proposer) {
    COPYSPEC_ASSERT(proposer.history() != nullptr, "a proposer with a history");
    save(path, *proposer.history(), proposer.learnt());
  }

  /// Throws the `Error` that `save` to `path` would throw now if it cannot begin to write. Changes nothing: call it
  /// before the work whose result is to be saved.
  static void require_writable(std::string const& path) { detail::AtomicFile const file(path); }

  /// Reads the file that `save` wrote to `path`, as `unpack` does. Before it allocates, the header must fit the size of
  /// the file, and the checksum its content. Allocates at most four times the file's size.
  static std::vector<float> load(std::string const& path, History& history) {
    return unpack(bytes_of(path), path, history);
  }

  /// The same for a proposer. Threads: no other call of it or its copies meanwhile.
  template <detail::LearnsFromHistory Proposer>
  static void load(std::string const& path, Proposer& proposer) {
    unpack(bytes_of(path), path, proposer);
  }

 private:
  using Header = detail::HistoryHeader;
  static constexpr std::size_t checksum_size = Header::checksum_size;

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
    auto const [weights, requests, tokens] =
        Header::read(bytes.first(std::min(bytes.size(), Header::size)), bytes.size(), path);
    std::size_t const end = bytes.size() - checksum_size;
    require_checksum(detail::fnv1a(bytes.first(end)), bytes.subspan(end), path);
    std::size_t const first_token = Header::size + 4 * static_cast<std::size_t>(requests);
    std::size_t const first_weight = first_token + 4 * static_cast<std::size_t>(tokens);
    Contents contents;
    contents.lengths.reserve(requests);
    std::uint64_t said = 0;
    for (std::size_t at = Header::size; at < first_token; at += 4) {
      contents.lengths.push_back(detail::get_little_endian<std::uint32_t>(bytes, at));
      said += contents.lengths.back();
    }
    if (said != tokens)
      raise_error(ErrorCode::file, path + ": has requests of " + std::to_string(said) + " tokens, but " +
                                       std::to_string(tokens) + " tokens");
    contents.tokens.reserve(tokens);
    for (std::size_t at = first_token; at < first_weight; at += 4) {
      contents.tokens.push_back(static_cast<Token>(detail::get_little_endian<std::uint32_t>(bytes, at)));
      if (Token const token = contents.tokens.back(); token < -1)
        raise_error(ErrorCode::file, path + ": token " + std::to_string(contents.tokens.size() - 1) + " is " +
                                         std::to_string(token) + ", which is not a token");
    }
    contents.weights.reserve(weights);
    for (std::size_t at = first_weight; at < end; at += 4)
      contents.weights.push_back(std::bit_cast<float>(detail::get_little_endian<std::uint32_t>(bytes, at)));
    return contents;
  }

  // Reads the file twice: first the checksum, without a buffer for it. A file with holes may claim any size.
  static std::string bytes_of(std::string const& path) {
    detail::RegularFile const file(path);
    std::array<char, Header::size> header{};
    std::span const begin = std::span(header).first(std::min<std::uint64_t>(file.size(), Header::size));
    file.read(0, begin);
    static_cast<void>(Header::read(begin, file.size(), path));
    std::uint64_t hash = detail::fnv1a({});
    std::array<char, 1 << 14> part{};
    std::uint64_t const end = file.size() - checksum_size;
    for (std::uint64_t at = 0; at < end; at += part.size()) {
      std::span const next = std::span(part).first(std::min<std::uint64_t>(end - at, part.size()));
      file.read(at, next);
      hash = detail::fnv1a(next, hash);
    }
    file.read(end, std::span(part).first(checksum_size));
    require_checksum(hash, part, path);
    std::string bytes(static_cast<std::size_t>(file.size()), '\0');
    file.read(0, bytes);
    file.require_unchanged();
    return bytes;
  }

  static void require_checksum(std::uint64_t hash, std::span<char const> checksum, std::string const& path) {
    if (hash != detail::get_little_endian<std::uint64_t>(checksum, 0))
      raise_error(ErrorCode::file, path + ": is damaged: its checksum is wrong");
  }
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
