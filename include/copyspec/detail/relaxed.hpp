// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

// Words that one thread writes while others read them, in memory that stays a plain, copyable vector. A read returns
// one of the values written, and implies nothing about any other word. As fast as plain accesses on machines whose own
// accesses are atomic (x86, ARM).

/// Reads `word`, which must not be a const object. Threads: safe beside `store_relaxed`.
template <class Word>
[[nodiscard]] Word load_relaxed(Word const& word) noexcept {
  static_assert(std::atomic_ref<Word>::is_always_lock_free);
  return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_relaxed);
}

/// Sets `word`. Threads: one writer at a time, beside any number of `load_relaxed`.
template <class Word>
void store_relaxed(Word& word, Word value) noexcept {
  static_assert(std::atomic_ref<Word>::is_always_lock_free);
  std::atomic_ref<Word>(word).store(value, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
