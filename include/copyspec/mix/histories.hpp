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

/// What `Histories` did since they were made, and what they hold.
struct HistoriesCounters {
  std::uint64_t scopes_made = 0;
  std::uint64_t scopes_dropped = 0;  ///< Because room was needed.
  std::uint64_t scopes_erased = 0;   ///< By `erase`.
  std::uint64_t scopes_held = 0;
  std::size_t bytes = 0;  ///< Of the scopes held.
};

/// A `History` for each scope, by its name (a tenant, a session, an application), bounded together. When there is no
/// room for one more, the one that was asked for least recently is dropped.
///
/// A scope that was dropped or erased is gone for whoever asks, but lives until its last holder lets go: so beyond the
/// bound, there may be as many as are held from before. Hold a scope for one request, not longer.
///
/// Cost: `scope` O(log scopes), where it makes one O(bytes of a scope), which the other calls wait for. Threads: any
/// number, in any call.
class Histories {
 public:
  /// `bytes` for all, `bytes_per_scope` for each. Raises an `Error` if that is not enough for one.
  Histories(std::size_t bytes, std::size_t bytes_per_scope)
      : bytes_per_scope_(std::max(bytes_per_scope, History::min_bytes())), max_scopes_(bytes / bytes_per_scope_) {
    if (bytes_per_scope != bytes_per_scope_ || max_scopes_ == 0)
      raise_error(ErrorCode::bad_options, "histories of " + std::to_string(bytes) + " bytes, " +
                                              std::to_string(bytes_per_scope) + " a scope: a scope needs at least " +
                                              std::to_string(History::min_bytes()) + ", and one has to fit");
  }

  /// How many scopes there may be.
  [[nodiscard]] std::size_t max_scopes() const noexcept { return max_scopes_; }

  /// The history of `name`, an empty one if it was not held.
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

  /// Lets go of the history of `name`. False if it is not held.
  bool erase(std::string_view name) {
    std::lock_guard const lock(mutex_);
    auto const found = scopes_.find(name);
    if (found == scopes_.end()) return false;
    scopes_.erase(found);
    ++erased_;
    return true;
  }

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
    std::uint64_t asked = 0;  // when, counted in calls
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
