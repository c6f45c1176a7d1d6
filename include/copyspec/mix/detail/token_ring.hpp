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

/// The newest tokens of a stream, which one thread writes and any number of threads read without waiting. Positions
/// count all tokens since the first and are never reused. Positions from `begin()` to before `end()` may hold a token.
///
/// A reader never gets a token of a position that was evicted before the read began: a token is overwritten only after
/// `begin()` has passed its position.
///
/// Cost: O(1), wait-free. Memory: 4 bytes a token, allocated by the constructor. Threads: one call at a time of
/// `store`, `set_begin` and `set_end`, concurrently with any number of the others.
class TokenRing {
 public:
  /// Makes room for `capacity` tokens, a power of two.
  explicit TokenRing(std::size_t capacity) : tokens_(capacity, -1) {}

  [[nodiscard]] std::size_t capacity() const noexcept { return tokens_.size(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return tokens_.capacity() * sizeof(Token); }

  /// The first position that may hold a token.
  [[nodiscard]] std::size_t begin() const noexcept { return begin_.load(std::memory_order_acquire); }

  /// One past the last position that may hold a token.
  [[nodiscard]] std::size_t end() const noexcept { return end_.load(std::memory_order_acquire); }

  /// The token at any position; -1 if there is none, or if -1 was stored.
  [[nodiscard]] Token token(std::size_t position) const noexcept {
    if (position >= end()) return -1;
    // A reader that sees a token written over an evicted one also sees the `begin_` that was set before it.
    Token const token = std::atomic_ref(const_cast<Token&>(stored(position))).load(std::memory_order_acquire);
    return position < begin() ? Token{-1} : token;
  }

  /// The newest token stored for a position, or for one that shares its place modulo the capacity. Only for the writing
  /// thread.
  [[nodiscard]] Token const& stored(std::size_t position) const noexcept {
    return tokens_[position & (tokens_.size() - 1)];
  }

  /// Writes a token to a position before `begin()` + `capacity()`.
  void store(std::size_t position, Token token) noexcept {
    std::atomic_ref(const_cast<Token&>(stored(position))).store(token, std::memory_order_release);
  }

  /// Evicts all positions before this one.
  void set_begin(std::size_t position) noexcept { begin_.store(position, std::memory_order_release); }

  /// Publishes all positions before this one, which were stored.
  void set_end(std::size_t position) noexcept { end_.store(position, std::memory_order_release); }

 private:
  std::atomic<std::size_t> begin_ = 0;
  std::atomic<std::size_t> end_ = 0;
  std::vector<Token> tokens_;  // by position, modulo the capacity
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
