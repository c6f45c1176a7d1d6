// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "../core/version.hpp"
#include "history.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// Counters of a `Histories` since its construction, and what it holds.
struct HistoriesCounters {
  std::uint64_t scopes_made = 0;
  std::uint64_t scopes_dropped = 0;  ///< To make room.
  std::uint64_t scopes_erased = 0;   ///< By `erase`.
  std::uint64_t scopes_held = 0;
  std::size_t bytes = 0;  ///< Of the scopes held.
};

/// One `History` per scope, identified by name (a tenant, a session, an application), within a common memory bound. If
/// there is no room for another scope, the least recently requested one is dropped.
///
/// A scope that was dropped or erased can no longer be requested, but its memory lives until its last holder releases
/// it. So the bound can be exceeded by the scopes still held. Hold a scope for one request, not longer.
///
/// `scope` is O(log scopes); when it makes a scope, it is O(bytes of a scope), and other calls wait for it. Threads:
/// any number of concurrent calls.
class Histories {
 public:
  /// `bytes` for all scopes, `bytes_per_scope` for each. Throws `Error` if that is not enough for one.
  Histories(std::size_t bytes, std::size_t bytes_per_scope)
      : bytes_per_scope_(std::max(bytes_per_scope, History::min_bytes())), max_scopes_(bytes / bytes_per_scope_) {
    if (bytes_per_scope != bytes_per_scope_ || max_scopes_ == 0)
      raise_error(ErrorCode::bad_options, "histories of " + std::to_string(bytes) + " bytes, " +
                                              std::to_string(bytes_per_scope) + " per scope: a scope needs at least " +
                                              std::to_string(History::min_bytes()) + ", and at least one must fit");
  }

  /// The most scopes that can be held.
  [[nodiscard]] std::size_t max_scopes() const noexcept { return max_scopes_; }

  /// The history of `name`; a new, empty one if it was not held. Allocates.
  [[nodiscard]] std::shared_ptr<History> scope(std::string_view name) {
    std::lock_guard const lock(mutex_);
    if (auto const found = scopes_.find(name); found != scopes_.end()) {
      found->second.asked = ++asked_;
      return found->second.history;
    }
    // First, so that its memory is free for the new one.
    while (scopes_.size() >= max_scopes_) drop();
    auto history = std::make_shared<History>(bytes_per_scope_);
    scopes_.emplace(name, Scope{.history = history, .asked = ++asked_});
    ++made_;
    return history;
  }

  /// Releases the history of `name`. Returns false if it is not held. O(log scopes).
  bool erase(std::string_view name) {
    std::lock_guard const lock(mutex_);
    auto const found = scopes_.find(name);
    if (found == scopes_.end()) return false;
    scopes_.erase(found);
    ++erased_;
    return true;
  }

  /// A consistent snapshot of the counters. O(scopes held).
  [[nodiscard]] HistoriesCounters counters() const {
    std::lock_guard const lock(mutex_);
    HistoriesCounters counters{
        .scopes_made = made_, .scopes_dropped = dropped_, .scopes_erased = erased_, .scopes_held = scopes_.size()};
    for (auto const& [name, scope] : scopes_) counters.bytes += scope.history->memory_bytes();
    return counters;
  }

 private:
  struct Scope {
    std::shared_ptr<History> history;
    std::uint64_t asked = 0;  // when it was last requested, counted in calls
  };

  void drop() {
    scopes_.erase(std::min_element(scopes_.begin(), scopes_.end(),
                                   [](auto const& a, auto const& b) { return a.second.asked < b.second.asked; }));
    ++dropped_;
  }

  std::size_t bytes_per_scope_;
  std::size_t max_scopes_;
  std::mutex mutable mutex_;
  std::map<std::string, Scope, std::less<>> scopes_;
  std::uint64_t asked_ = 0;
  std::uint64_t made_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t erased_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
