// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "../../core/version.hpp"
#include "../../cost/draft_account.hpp"
#include "draft_pricing.hpp"
#include "shared_account.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Keeps the account of one sequence's turn: remembers its newest draft until the tokens after it are known, and enters
/// what it saved and cost, there and in the account of all turns of its scope.
///
/// O(1), besides the pricing. No allocation. Threads: one call at a time.
class DraftLedger {
 public:
  /// Each turn may lose `credit` passes. `shared` is the account of its scope. Throws `Error` if `credit` is negative
  /// or not a number.
  DraftLedger(double credit, std::shared_ptr<SharedAccount> shared) : account_(credit), shared_(std::move(shared)) {}

  /// A copy has the accounts, but not the newest draft, which would be entered twice.
  DraftLedger(DraftLedger const& other) noexcept : account_(other.account_), shared_(other.shared_) {}
  DraftLedger(DraftLedger&& other) noexcept
      : account_(other.account_),
        shared_(other.shared_),
        context_(other.context_),
        length_(std::exchange(other.length_, 0)),
        expected_(other.expected_),
        stake_(other.stake_) {}
  DraftLedger& operator=(DraftLedger other) noexcept {
    std::swap(account_, other.account_);
    std::swap(shared_, other.shared_);
    std::swap(context_, other.context_);
    std::swap(length_, other.length_);
    std::swap(expected_, other.expected_);
    std::swap(stake_, other.stake_);
    return *this;
  }
  ~DraftLedger() { discard(); }

  [[nodiscard]] DraftAccount const& account() const noexcept { return account_; }

  /// The turns from here on belong to another scope.
  void set_shared(std::shared_ptr<SharedAccount> shared) noexcept {
    discard();
    shared_ = std::move(shared);
  }

  /// A turn begins.
  void begin_turn() noexcept {
    discard();
    account_ = DraftAccount(account_.credit());
  }

  /// Adds this sequence's part of `credit`, which a pass adds, to the account of the scope. Returns the account that
  /// has less left for the next draft, in plain tokens.
  [[nodiscard]] DraftAccount open(double credit, DraftPricing const& pricing) const noexcept {
    double const tokens = pricing.tokens_of_pass();
    DraftAccount const all = shared_->earn(credit / tokens).in(tokens);
    return account_.left() < all.left() ? account_ : all;
  }

  /// A draft of `length` tokens was proposed after a context of `context` tokens.
  void propose(std::size_t context, std::size_t length, DraftPricing const& pricing) noexcept {
    discard();
    if (length == 0) return;
    context_ = context;
    length_ = length;
    expected_ = pricing.extra_at_most(length);
    stake_ = expected_ / pricing.tokens_of_pass();
    shared_->stake(stake_);
  }

  /// Only `fed` tokens of the draft after a context of this length are fed.
  void choose(std::size_t context, std::size_t fed) noexcept {
    if (context != context_) return;
    if (fed == 0) discard();
    length_ = std::min(length_, fed);
  }

  /// The context has `context` tokens now. If these are more than before the newest draft, it was verified.
  void settle(std::size_t context, DraftPricing const& pricing) noexcept {
    if (length_ == 0 || context <= context_) return;
    double const before = account_.balance();
    pricing.enter(account_, length_, std::min(context - context_ - 1, length_), expected_);
    end((account_.balance() - before) / pricing.tokens_of_pass());
  }

  /// The newest draft will not be settled.
  void discard() noexcept {
    if (length_ > 0) end(0);
  }

 private:
  void end(double gain) noexcept {
    shared_->settle(stake_, gain);
    length_ = 0;
  }

  DraftAccount account_;
  std::shared_ptr<SharedAccount> shared_;
  std::size_t context_ = 0;  // tokens before the newest draft
  std::size_t length_ = 0;   // tokens of it that are fed; zero if there is none
  double expected_ = 0;      // most that they were expected to add to a pass, in plain tokens
  double stake_ = 0;         // the same in passes
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
