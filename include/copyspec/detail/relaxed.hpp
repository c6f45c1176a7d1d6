// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

// Words that one thread writes while others read them, in memory that stays a plain, copyable vector. What is read is
// one of the values written, and nothing follows from it about any other word. As fast as plain accesses where the
// machine's own are atomic (x86, ARM).

/// The value of `word`, which is no constant.
template <class Word>
[[nodiscard]] Word load_relaxed(Word const& word) noexcept {
  static_assert(std::atomic_ref<Word>::is_always_lock_free);
  return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_relaxed);
}

/// Sets `word`. Threads: one at a time, beside any number of `load_relaxed`.
template <class Word>
void store_relaxed(Word& word, Word value) noexcept {
  static_assert(std::atomic_ref<Word>::is_always_lock_free);
  std::atomic_ref<Word>(word).store(value, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
