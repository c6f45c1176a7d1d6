// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>

#include "../../core/version.hpp"
#include "../../cost/draft_account.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The account of all turns of a scope. Several may draft at once, before it is known what any draft of them costs. So
/// each draft has a stake in the account until it is entered: what it may lose, which no other draft may.
///
/// O(1). No allocation. Threads: any number of calls.
class SharedAccount {
 public:
  /// Throws `Error` if `credit` is negative or not a number.
  explicit SharedAccount(double credit) : account_(credit) {}

  /// What drafts saved and cost, without those that are not entered yet.
  [[nodiscard]] DraftAccount account() const {
    std::lock_guard const lock(mutex_);
    return account_;
  }

  /// Adds `credit` to the balance. Returns the account as if all stakes were lost.
  [[nodiscard]] DraftAccount earn(double credit) noexcept {
    std::lock_guard const lock(mutex_);
    account_.enter(credit, 0);
    DraftAccount left = account_;
    left.enter(0, staked_);
    return left;
  }

  /// A draft may lose `passes`.
  void stake(double passes) noexcept {
    std::lock_guard const lock(mutex_);
    staked_ += passes;
  }

  /// The stake of `passes` ends, and the draft changed the balance by `gain`.
  void settle(double passes, double gain) noexcept {
    std::lock_guard const lock(mutex_);
    staked_ -= passes;
    account_.enter(gain, 0);
  }

 private:
  std::mutex mutable mutex_;
  DraftAccount account_;  // under the lock
  double staked_ = 0;     // as well
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
