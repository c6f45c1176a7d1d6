// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "detail/context_hashes.hpp"
#include "detail/context_map.hpp"
#include "detail/match_finder.hpp"
#include "detail/token_ring.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Identifies a request in the `History` that it was appended to: consecutive numbers, in the order of the appends.
enum class HistoryEntryId : std::uint64_t {};

/// What a `History` did since its construction, and what it holds. Token counts are those of the requests, without
/// separators.
struct HistoryCounters {
  std::uint64_t requests_appended = 0;
  std::uint64_t requests_evicted = 0;  ///< Evicted to make room.
  std::uint64_t requests_removed = 0;  ///< By `remove` and `clear`.
  std::uint64_t requests_held = 0;
  std::uint64_t tokens_appended = 0;
  std::uint64_t tokens_evicted = 0;
  std::uint64_t tokens_removed = 0;
  std::uint64_t tokens_held = 0;
  std::size_t bytes = 0;  ///< `memory_bytes()`.
};

/// Text that earlier requests generated, for many sequences to copy from. A history is one *scope*: a caller that has
/// it may copy from all of it, and no other caller can, because two histories share no memory.
///
///     tokens_   a b c d e -  f g h -  i j k l m n -  o p -      a ring; - is -1
///               |            request                     |
///               begin()                                  end()
///
/// When room is needed, whole requests are evicted, oldest first. Positions count all tokens since the beginning and
/// are never reused. No match extends beyond its request.
///
/// An evicted or removed request is gone: its tokens are overwritten, and what followed its contexts is forgotten. Once
/// the call that evicted or removed it has returned, no reader gets a token of the request, provided the reader knows
/// that it has returned (joined, locked, or was told). Where removed requests were is still known, as positions that
/// hold no token.
///
/// Cost: `append` is O(1) per token, and per token of the requests evicted; reading is O(1) and wait-free. Memory: less
/// than the bytes given, about 30 to 60 per token, all allocated at construction; no call allocates. Threads: any
/// number, in any call. Readers (`token`, `find`, `newest`, `previous`, `begin`, `end`) never wait; the other calls
/// take a lock.
class History {
 public:
  /// A history that takes less than `bytes`. Raises an `Error` if that is less than `min_bytes()`. O(bytes).
  explicit History(std::size_t bytes) : tokens_(tokens_for(bytes)), requests_(requests_for(tokens_.capacity())) {
    finder_.reserve(tokens_.capacity());
    statistics_.reset((bytes - bytes_without_statistics(tokens_.capacity())) / 16 / 4 * 4 - 4);
  }

  /// The fewest bytes that a history needs.
  [[nodiscard]] static constexpr std::size_t min_bytes() noexcept { return bytes_for(min_tokens); }

  History(History const&) = delete;
  History& operator=(History const&) = delete;

  /// Room in tokens. A request takes one more than it has tokens.
  [[nodiscard]] std::size_t capacity() const noexcept { return tokens_.capacity(); }

  /// Bytes allocated, and those of the object itself.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(History) + tokens_.memory_bytes() + requests_.capacity() * sizeof(Request) + finder_.memory_bytes() +
           statistics_.memory_bytes();
  }

  /// Appends the tokens of a request. If they do not fit, the last ones are kept. A negative one is no token.
  HistoryEntryId append(std::span<Token const> tokens) noexcept {
    std::lock_guard const lock(writing_);
    std::span const kept = tokens.last(std::min(tokens.size(), capacity() - 1));
    std::size_t const begin = end();
    while (begin + kept.size() + 1 - this->begin() > capacity() || next_ - first_ == requests_.size()) evict();
    for (std::size_t i = 0; i < kept.size(); ++i) tokens_.store(begin + i, std::max(kept[i], Token{-1}));
    // -1 follows it, as at every position that holds no token.
    tokens_.set_end(begin + kept.size() + 1);
    Request& request = request_of(next_);
    request = {.begin = begin, .size = static_cast<std::uint32_t>(kept.size()), .held = true};
    for_each_token(request, [&](std::size_t position, Token token, detail::ContextHashes const& contexts) {
      for (std::uint64_t const hash : remembered(contexts))
        if (hash != 0) statistics_.observe(hash, token);
      if (contexts.three != 0) finder_.enter(contexts.three, position);
    });
    ++appended_.requests;
    appended_.tokens += kept.size();
    return HistoryEntryId{next_++};
  }

  /// Removes a request. Returns false if it is not held: evicted, removed, or never appended. O(tokens of the request).
  bool remove(HistoryEntryId id) noexcept {
    std::lock_guard const lock(writing_);
    auto const number = static_cast<std::uint64_t>(id);
    if (number < first_ || number >= next_ || !request_of(number).held) return false;
    erase(request_of(number), removed_);
    return true;
  }

  /// Removes all requests. O(tokens held).
  void clear() noexcept {
    std::lock_guard const lock(writing_);
    tokens_.set_begin(end());
    for (; first_ != next_; ++first_)
      if (request_of(first_).held) erase(request_of(first_), removed_);
  }

  [[nodiscard]] HistoryCounters counters() const {
    std::lock_guard const lock(writing_);
    return {.requests_appended = appended_.requests,
            .requests_evicted = evicted_.requests,
            .requests_removed = removed_.requests,
            .requests_held = appended_.requests - evicted_.requests - removed_.requests,
            .tokens_appended = appended_.tokens,
            .tokens_evicted = evicted_.tokens,
            .tokens_removed = removed_.tokens,
            .tokens_held = appended_.tokens - evicted_.tokens - removed_.tokens,
            .bytes = memory_bytes()};
  }

  /// Calls `visit(begin, end)` with the positions of each request held, oldest first. Nothing is written meanwhile.
  /// `visit` may read this history, and must not call anything of it that takes the lock.
  template <class Visit>
  void for_each_request(Visit&& visit) const {
    std::lock_guard const lock(writing_);
    for (std::uint64_t number = first_; number != next_; ++number) {
      Request const& request = request_of(number);
      if (request.held) visit(request.begin, request.begin + request.size);
    }
  }

  /// The first position that may hold a token.
  [[nodiscard]] std::size_t begin() const noexcept { return tokens_.begin(); }

  /// One past the last position that may hold a token.
  [[nodiscard]] std::size_t end() const noexcept { return tokens_.end(); }

  /// The token at any position; -1 if there is none: between requests, evicted, removed, or not yet appended.
  [[nodiscard]] Token token(std::size_t position) const noexcept { return tokens_.token(position); }

  /// The contexts whose following tokens are stored: the newest token, the newest two and the newest three.
  [[nodiscard]] static std::array<std::uint64_t, 3> remembered(detail::ContextHashes const& contexts) noexcept {
    return {contexts.values[0], contexts.values[1], contexts.three};
  }

  /// What followed one of these contexts.
  [[nodiscard]] detail::SuccessorCounts find(std::uint64_t context) const noexcept { return statistics_.find(context); }

  /// Prefetches for a `find(context)` that will follow soon.
  void expect(std::uint64_t context) const noexcept { statistics_.expect(context); }

  /// The newest position that may follow three tokens whose hash is `key` (`ContextHashes::three`); 0 if there is none.
  /// Compare with `token`: keys collide, and what was there may have been removed.
  [[nodiscard]] std::size_t newest(std::uint64_t key) const noexcept { return held(finder_.newest(key)); }

  /// The next older position; 0 if there is none. `position` is one returned before.
  [[nodiscard]] std::size_t previous(std::size_t position) const noexcept { return held(finder_.previous(position)); }

 private:
  struct Request {
    std::size_t begin = 0;
    std::uint32_t size = 0;
    bool held = false;
  };
  struct Count {
    std::uint64_t requests = 0;
    std::uint64_t tokens = 0;
  };
  static constexpr std::size_t min_tokens = 64;
  static constexpr std::size_t max_tokens = std::size_t{1} << 31;

  // One request for every 32 tokens of room. Shorter requests are rare; where they are not, this bounds their number.
  static constexpr std::size_t requests_for(std::size_t tokens) noexcept { return tokens / 32; }

  static constexpr std::size_t bytes_without_statistics(std::size_t tokens) noexcept {
    return sizeof(History) + tokens * sizeof(Token) + requests_for(tokens) * sizeof(Request) +
           detail::MatchFinder::memory_bytes(tokens);
  }

  // The bytes with one context per token.
  static constexpr std::size_t bytes_for(std::size_t tokens) noexcept {
    return bytes_without_statistics(tokens) + 16 * (tokens + 8);
  }

  // A power of two, so that a position is found without a division. The rest of the bytes is used for more contexts.
  static std::size_t tokens_for(std::size_t bytes) {
    if (bytes < min_bytes())
      raise_error(ErrorCode::bad_options,
                  "a history of " + std::to_string(bytes) + " bytes: it needs at least " + std::to_string(min_bytes()));
    std::size_t tokens = min_tokens;
    while (tokens < max_tokens && bytes_for(2 * tokens) <= bytes) tokens *= 2;
    return tokens;
  }

  [[nodiscard]] std::size_t held(std::size_t position) const noexcept { return position > begin() ? position : 0; }

  [[nodiscard]] Request const& request_of(std::uint64_t number) const noexcept {
    return requests_[number % requests_.size()];
  }
  [[nodiscard]] Request& request_of(std::uint64_t number) noexcept { return requests_[number % requests_.size()]; }

  // Visits each token of a request, with the contexts that it follows.
  template <class Visit>
  void for_each_token(Request const& request, Visit const& visit) const noexcept {
    auto const token_at = [&](std::size_t i) { return tokens_.stored(request.begin + i); };
    for (std::size_t i = 0; i < request.size; ++i)
      visit(request.begin + i, token_at(i), detail::ContextHashes(i, token_at));
  }

  // Erases the tokens of a request and what followed them.
  void erase(Request& request, Count& count) noexcept {
    for_each_token(request, [&](std::size_t, Token token, detail::ContextHashes const& contexts) {
      for (std::uint64_t const hash : remembered(contexts))
        if (hash != 0) statistics_.forget(hash, token);
    });
    for (std::size_t i = 0; i < request.size; ++i) tokens_.store(request.begin + i, -1);
    request.held = false;
    ++count.requests;
    count.tokens += request.size;
  }

  // Evicts the oldest request and frees its room.
  void evict() noexcept {
    Request& oldest = request_of(first_++);
    tokens_.set_begin(first_ == next_ ? end() : request_of(first_).begin);
    if (oldest.held) erase(oldest, evicted_);
  }

  std::mutex mutable writing_;
  detail::TokenRing tokens_;
  std::vector<Request> requests_;  // indexed by number modulo size
  std::uint64_t first_ = 0;        // number of the oldest request
  std::uint64_t next_ = 0;
  detail::MatchFinder finder_;
  detail::ContextMap statistics_;
  Count appended_;
  Count evicted_;
  Count removed_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
