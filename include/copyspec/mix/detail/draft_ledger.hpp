// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "../../core/version.hpp"
#include "../../cost/draft_account.hpp"
#include "draft_pricing.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Keeps the account of one sequence's turn: remembers its newest draft until the tokens after it are known, and enters
/// what it saved and cost.
///
/// O(1), besides the pricing. No allocation. Threads: one call at a time.
class DraftLedger {
 public:
  /// Each turn may lose `credit` passes. Throws `Error` if that is negative or not a number.
  explicit DraftLedger(double credit) : account_(credit) {}

  /// A copy has the account, but not the newest draft, which would be entered twice into a shared account.
  DraftLedger(DraftLedger const& other) noexcept : account_(other.account_) {}
  DraftLedger& operator=(DraftLedger const& other) noexcept {
    account_ = other.account_;
    discard();
    return *this;
  }
  DraftLedger(DraftLedger&&) noexcept = default;
  DraftLedger& operator=(DraftLedger&&) noexcept = default;
  ~DraftLedger() = default;

  [[nodiscard]] DraftAccount const& account() const noexcept { return account_; }

  /// A turn begins.
  void begin_turn() noexcept {
    account_ = DraftAccount(account_.credit());
    discard();
  }

  /// A draft of `length` tokens was proposed after a context of `context` tokens.
  void propose(std::size_t context, std::size_t length, DraftPricing const& pricing) noexcept {
    context_ = context;
    length_ = length;
    expected_ = length == 0 ? 0.0 : pricing.extra_at_most(length);
  }

  /// Only `fed` tokens of the draft after a context of this length are fed.
  void choose(std::size_t context, std::size_t fed) noexcept {
    if (context == context_) length_ = std::min(length_, fed);
  }

  /// The context has `context` tokens now. If these are more than before the newest draft, it was verified. What it
  /// saved and cost is also entered into `shared`, the account of all turns of a scope.
  void settle(std::size_t context, DraftPricing const& pricing, DraftAccount& shared) noexcept {
    if (length_ == 0 || context <= context_) return;
    double const before = account_.balance();
    pricing.enter(account_, length_, std::min(context - context_ - 1, length_), expected_);
    shared.enter(account_.balance() - before, 0);
    length_ = 0;
  }

  /// The newest draft will not be settled.
  void discard() noexcept { length_ = 0; }

 private:
  DraftAccount account_;
  std::size_t context_ = 0;  // tokens before the newest draft
  std::size_t length_ = 0;   // tokens of it that are fed; zero if it was settled
  double expected_ = 0;      // most that they were expected to add to a pass
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
