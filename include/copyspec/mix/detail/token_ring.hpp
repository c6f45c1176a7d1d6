// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The newest tokens of a stream, which one thread writes and any number read without waiting. Positions count all
/// tokens since the first and are never used again; from `begin()` to before `end()` they may hold a token.
///
/// A reader never gets a token of a position whose end was set before it began to read: what is written over an evicted
/// token is written after `begin()` has passed it.
///
/// Cost: O(1), wait-free. Memory: 4 bytes a token, allocated by the constructor. Threads: one call at a time of
/// `store`, `set_begin` and `set_end`, beside any number of the others.
class TokenRing {
 public:
  /// Room for `capacity` tokens, a power of two.
  explicit TokenRing(std::size_t capacity) : tokens_(capacity, -1) {}

  [[nodiscard]] std::size_t capacity() const noexcept { return tokens_.size(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return tokens_.capacity() * sizeof(Token); }

  /// The first position that may hold a token.
  [[nodiscard]] std::size_t begin() const noexcept { return begin_.load(std::memory_order_acquire); }

  /// One more than the last position that may.
  [[nodiscard]] std::size_t end() const noexcept { return end_.load(std::memory_order_acquire); }

  /// The token at any position; -1 if there is none, or -1 was stored.
  [[nodiscard]] Token token(std::size_t position) const noexcept {
    if (position >= end()) return -1;
    // A reader of what was written over an evicted token reads the `begin_` that was set before it, too.
    Token const token = std::atomic_ref(const_cast<Token&>(stored(position))).load(std::memory_order_acquire);
    return position < begin() ? Token{-1} : token;
  }

  /// What was stored last for a position, or for another as far away as there is room. For the writer, which is alone
  /// in writing.
  [[nodiscard]] Token const& stored(std::size_t position) const noexcept {
    return tokens_[position & (tokens_.size() - 1)];
  }

  /// Writes a token to a position before `begin()` + `capacity()`.
  void store(std::size_t position, Token token) noexcept {
    std::atomic_ref(const_cast<Token&>(stored(position))).store(token, std::memory_order_release);
  }

  /// Evicts all positions before this one.
  void set_begin(std::size_t position) noexcept { begin_.store(position, std::memory_order_release); }

  /// All positions before this one were stored.
  void set_end(std::size_t position) noexcept { end_.store(position, std::memory_order_release); }

 private:
  std::atomic<std::size_t> begin_ = 0;
  std::atomic<std::size_t> end_ = 0;
  std::vector<Token> tokens_;  // by position, modulo the capacity
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
