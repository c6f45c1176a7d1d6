// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/relaxed.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What followed one context: up to three tokens, the most recent first, each with a count. Each observation decays the
/// counts of the other tokens, so that the counts follow a text that changes (the nonstationary counters of the PAQ
/// compressors: Mahoney, "Adaptive weighing of context models for lossless data compression", 2005). O(1) per call. No
/// allocation.
class SuccessorCounts {
 public:
  static constexpr std::size_t capacity = 3;
  static constexpr std::uint32_t max_count = 30;
  /// The greatest token that can be entered, so that a token and its count fit into 32 bits.
  static constexpr Token max_token = (Token{1} << 24) - 1;

  /// Number of tokens held.
  [[nodiscard]] constexpr std::size_t size() const noexcept {
    std::size_t size = 0;
    while (size < capacity && entries_[size] != 0) ++size;
    return size;
  }
  /// The `index`-th most recent token, `index < size()`.
  [[nodiscard]] constexpr Token token(std::size_t index) const noexcept {
    return static_cast<Token>(entries_[index] >> count_bits);
  }
  /// Its decayed count: 1 to `max_count`.
  [[nodiscard]] constexpr std::uint32_t count(std::size_t index) const noexcept { return entries_[index] & count_mask; }

  /// Whether `token` is held.
  [[nodiscard]] constexpr bool has(Token token) const noexcept {
    for (std::size_t i = 0; i < capacity && entries_[i] != 0; ++i)
      if (this->token(i) == token) return true;
    return false;
  }

  /// The sum of the counts.
  [[nodiscard]] constexpr std::uint32_t total() const noexcept {
    std::uint32_t total = 0;
    for (std::uint32_t const entry : entries_) total += entry & count_mask;
    return total;
  }

  /// Counts `token`, 0 to `max_token`, once more. If there is no room, it replaces the least recent one.
  constexpr void observe(Token token) noexcept {
    std::size_t at = 0;
    while (at + 1 < capacity && entries_[at] != 0 && this->token(at) != token) ++at;
    std::uint32_t const seen = entries_[at] != 0 && this->token(at) == token ? count(at) : 0;
    for (; at > 0; --at) entries_[at] = entries_[at - 1];
    entries_[0] = static_cast<std::uint32_t>(token) << count_bits | std::min(seen + 1, max_count);
    for (std::size_t i = 1; i < capacity; ++i) {
      std::uint32_t const count = entries_[i] & count_mask;
      if (count > 2) entries_[i] = (entries_[i] & ~count_mask) | (count * 3 / 4);
    }
  }

  /// Undoes one `observe` of `token`: decrements its count, and removes it at zero. Does nothing if it is not held.
  constexpr void forget(Token token) noexcept {
    std::size_t at = 0;
    while (at < capacity && (entries_[at] == 0 || this->token(at) != token)) ++at;
    if (at == capacity) return;
    if (count(at) > 1) {
      --entries_[at];
      return;
    }
    for (; at + 1 < capacity; ++at) entries_[at] = entries_[at + 1];
    entries_[capacity - 1] = 0;
  }

 private:
  friend class ContextMap;

  static constexpr unsigned count_bits = 8;
  static constexpr std::uint32_t count_mask = (1U << count_bits) - 1;

  std::array<std::uint32_t, capacity> entries_{};
};

/// Maps contexts to what followed them: a hash table of bounded size.
///
///     buckets_   [ tag successors | tag successors | tag successors | tag successors ]   one cache line, latest first
///
/// A context is any 64-bit hash of tokens. It is looked up in one bucket of four slots and identified by 32 bits of its
/// hash, so two contexts may share their successors. That only makes a prediction worse: nothing here is copied as a
/// match. If the bucket is full, a new context replaces the one with the fewest observations.
///
/// The state is a function of the capacity and of the sequence of `observe` and `forget` calls. A count never exceeds
/// the number of `observe` calls for its context and token that were not forgotten, so it disappears when all of them
/// are.
///
/// O(1) per call, one cache line. Memory: 16 bytes per context of capacity. Allocates in `reset` only. Threads: one
/// call of `observe`, `undo` or `forget` at a time, beside any number of `find`. The result of such a `find` may mix an
/// earlier state of its bucket with a later one. `reset`, `clear`, copies and assignments need exclusive access.
class ContextMap {
  using Slot = std::array<std::uint64_t, 2>;

 public:
  /// What an `observe` changed.
  class Change {
    friend class ContextMap;
    std::uint32_t bucket_ = 0;
    std::uint32_t at_ = bucket_size;  // the slot that moved to the front; `bucket_size` if nothing changed
    Slot before_{};                   // what it was
  };

  /// The most contexts that can be held.
  [[nodiscard]] std::size_t capacity() const noexcept { return buckets_.size() * bucket_size; }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return buckets_.capacity() * sizeof(Bucket); }

  /// Forgets everything, and makes room for at least `contexts` contexts, exactly as many as a new map would have. If
  /// allocation fails, nothing is changed. O(contexts).
  void reset(std::size_t contexts) {
    if (std::size_t const buckets = contexts / bucket_size + 1; buckets != buckets_.size())
      buckets_ = std::vector<Bucket>(buckets);
    else
      clear();
  }

  /// Forgets everything. O(capacity).
  void clear() noexcept { std::ranges::fill(buckets_, Bucket{}); }

  /// What followed `context` so far; of size zero if the context is not held. Requires `reset`.
  [[nodiscard]] SuccessorCounts find(std::uint64_t context) const noexcept {
    std::uint32_t const tag = tag_of(context);
    for (Slot const& slot : buckets_[home(tag)]) {
      std::uint64_t const latest = load_relaxed(slot[0]);
      if (static_cast<std::uint32_t>(latest) == tag) return unpack(latest, load_relaxed(slot[1]));
    }
    return {};
  }

  /// Prefetches for a `find(context)` that will follow soon.
  void expect(std::uint64_t context) const noexcept { __builtin_prefetch(&buckets_[home(tag_of(context))]); }

  /// Counts that `token` followed `context`. Ignores tokens that `SuccessorCounts` cannot hold. Requires `reset`.
  /// Writes to `change`, unless it is null, what `undo` needs.
  void observe(std::uint64_t context, Token token, Change* change = nullptr) noexcept {
    if (change != nullptr) *change = {};
    if (token < 0 || token > SuccessorCounts::max_token) return;
    std::uint32_t const tag = tag_of(context);
    Bucket& bucket = buckets_[home(tag)];
    std::size_t at = place(bucket, tag);
    SuccessorCounts successors;
    if (at < bucket_size)
      successors = unpack(bucket[at][0], bucket[at][1]);
    else
      at = least(bucket);
    if (change != nullptr) {
      change->bucket_ = static_cast<std::uint32_t>(home(tag));
      change->at_ = static_cast<std::uint32_t>(at);
      change->before_ = bucket[at];
    }
    for (; at > 0; --at)
      for (std::size_t i = 0; i < 2; ++i) store_relaxed(bucket[at][i], bucket[at - 1][i]);
    successors.observe(token);
    store(bucket[0], tag, successors);
  }

  /// Restores what was before the newest `observe` that was not undone, which wrote `change`. Requires: no `forget`,
  /// `clear` or `reset` since.
  void undo(Change const& change) noexcept {
    if (change.at_ == bucket_size) return;
    Bucket& bucket = buckets_[change.bucket_];
    for (std::size_t at = 0; at < change.at_; ++at)
      for (std::size_t i = 0; i < 2; ++i) store_relaxed(bucket[at][i], bucket[at + 1][i]);
    for (std::size_t i = 0; i < 2; ++i) store_relaxed(bucket[change.at_][i], change.before_[i]);
  }

  /// Undoes one earlier `observe` of this context and token.
  void forget(std::uint64_t context, Token token) noexcept {
    std::uint32_t const tag = tag_of(context);
    Bucket& bucket = buckets_[home(tag)];
    std::size_t const at = place(bucket, tag);
    if (at == bucket_size) return;
    SuccessorCounts successors = unpack(bucket[at][0], bucket[at][1]);
    successors.forget(token);
    store(bucket[at], successors.size() == 0 ? 0 : tag, successors);
  }

 private:
  // Four 32-bit halves, the lower first: the tag, which is zero in an empty slot, and the successors. The writer may
  // read without atomics, since there is only one.
  static constexpr std::size_t bucket_size = 4;
  struct alignas(64) Bucket : std::array<Slot, bucket_size> {};

  static SuccessorCounts unpack(std::uint64_t latest, std::uint64_t others) noexcept {
    SuccessorCounts successors;
    successors.entries_ = {static_cast<std::uint32_t>(latest >> 32), static_cast<std::uint32_t>(others),
                           static_cast<std::uint32_t>(others >> 32)};
    return successors;
  }

  static void store(Slot& slot, std::uint32_t tag, SuccessorCounts const& successors) noexcept {
    auto const& entries = successors.entries_;
    store_relaxed(slot[0], std::uint64_t{entries[0]} << 32 | tag);
    store_relaxed(slot[1], std::uint64_t{entries[2]} << 32 | entries[1]);
  }

  static constexpr std::uint32_t tag_of(std::uint64_t context) noexcept {
    return static_cast<std::uint32_t>(context >> 32) | 1;
  }

  [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept {
    COPYSPEC_ASSERT(!buckets_.empty(), "call reset first");
    return static_cast<std::size_t>((std::uint64_t{tag} * buckets_.size()) >> 32);
  }

  // The slot of `tag`; `bucket_size` if there is none.
  static std::size_t place(Bucket const& bucket, std::uint32_t tag) noexcept {
    std::size_t at = 0;
    while (at < bucket_size && static_cast<std::uint32_t>(bucket[at][0]) != tag) ++at;
    return at;
  }

  // The slot with the smallest total count, which an empty one always has; of equal ones, the least recent.
  static std::size_t least(Bucket const& bucket) noexcept {
    std::array<std::uint32_t, bucket_size> totals;
    for (std::size_t i = 0; i < bucket_size; ++i) totals[i] = unpack(bucket[i][0], bucket[i][1]).total();
    std::size_t least = bucket_size - 1;
    for (std::size_t i = bucket_size - 1; i-- > 0;)
      if (totals[i] < totals[least]) least = i;
    return least;
  }

  std::vector<Bucket> buckets_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
