// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "copyspec/cuda/detail/running_best.hpp"
#include "copyspec/cuda/logit_format.hpp"

/// A team of `verify_tile` whose threads take turns on the host, one whole step after the other, in an order of their
/// own. Teams may work at the same time in threads of the host.
class HostTeam {
 public:
  HostTeam(std::uint32_t size, std::size_t scratch_bytes, std::uint32_t first = 0)
      : size_(size), first_(first), scratch_(scratch_bytes / sizeof(std::uint64_t) + 1) {}

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] void* scratch() { return scratch_.data(); }

  template <class Function>
  void each(Function&& function) {
    for (std::uint32_t i = 0; i < size_; ++i) function((first_ + i) % size_);
  }

  template <class Function>
  [[nodiscard]] bool any(Function&& function) {
    bool found = false;
    each([&](std::uint32_t thread) { found = function(thread) || found; });
    return found;
  }

  template <class Function>
  [[nodiscard]] std::uint64_t sum(Function&& function) {
    std::uint64_t sum = 0;
    each([&](std::uint32_t thread) { sum += function(thread); });
    return sum;
  }

  template <class Function>
  [[nodiscard]] copyspec::detail::BestWord greatest(Function&& function) {
    copyspec::detail::BestWord best = copyspec::detail::nothing_seen;
    each([&](std::uint32_t thread) {
      copyspec::detail::BestWord const word = function(thread);
      best = word > best ? word : best;
    });
    return best;
  }

  template <class Function>
  std::uint32_t lead(Function&& function) {
    return function();
  }

  [[nodiscard]] copyspec::detail::LogitVector vector(unsigned char const* address) const {
    if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0) misaligned = true;
    ++vectors_read;
    copyspec::detail::LogitVector vector{};
    std::memcpy(&vector, address, sizeof(vector));
    return vector;
  }

  static void maximise(copyspec::detail::BestWord* place, copyspec::detail::BestWord word) {
    std::atomic_ref const shared(*place);
    copyspec::detail::BestWord seen = shared.load();
    while (seen < word && !shared.compare_exchange_weak(seen, word)) {
    }
  }

  [[nodiscard]] static std::uint32_t count_up(std::uint32_t* place) { return (*place)++; }

  [[nodiscard]] static bool arrive(std::uint32_t* place, std::uint32_t count) {
    std::atomic_ref const shared(*place);
    std::uint32_t seen = shared.load();
    while (!shared.compare_exchange_weak(seen, seen + 1 == count ? 0 : seen + 1)) {
    }
    return seen + 1 == count;
  }

  template <class Word>
  [[nodiscard]] static Word read(Word const* place) {
    return std::atomic_ref(*const_cast<Word*>(place)).load();
  }
  template <class Word>
  static void write(Word* place, Word word) {
    std::atomic_ref(*place).store(word);
  }

  mutable bool misaligned = false;
  mutable std::size_t vectors_read = 0;

 private:
  std::uint32_t size_;
  std::uint32_t first_;
  std::vector<std::uint64_t> scratch_;
};
