// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/version.hpp"
#include "../cost/draft_account.hpp"
#include "../draft/draft_scope.hpp"
#include "detail/mixer.hpp"
#include "detail/shared_account.hpp"
#include "history.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// All that a `MixingProposer` takes from one turn to another, except what passes cost: a history, and what was learnt
/// about which candidates come true. Turns of one scope copy from its history and learn together. Turns of two scopes
/// share nothing, unless the scopes were given the same history. Give each tenant a scope of its own:
///
///     auto const tenant = std::make_shared<copyspec::MixingScope>(histories.scope("tenant 17"));
///     batch.begin(id, prompt, {.max_new_tokens = 200, .scope = tenant});
///
/// What was learnt are numbers without tokens, but some are selected by hashes of tokens. So whoever can time the turns
/// of a scope may find out which pairs of tokens were predictable in its other turns.
///
/// Memory: 220 KiB, and that of the history. Threads: any number of calls, and proposers of any number of batches. A
/// proposer holds a lock while it predicts or learns, some microseconds. Drafts then depend on the order in which
/// threads learn; what is generated does not.
class MixingScope : public DraftScopeOf<MixingScope> {
 public:
  /// Passes that all turns together may lose, unless another credit is given.
  static constexpr double default_credit = 6;

  /// A null `history` is none. `credit`: passes that all turns together may lose to plain decoding, and a thousandth of
  /// their passes besides; see `DraftAccount`. Throws `Error` if it is negative or not a number. Allocates.
  explicit MixingScope(std::shared_ptr<History> history = nullptr, double credit = default_credit)
      : history_(std::move(history)), account_(std::make_shared<detail::SharedAccount>(credit)) {}

  MixingScope(MixingScope const&) = delete;
  MixingScope& operator=(MixingScope const&) = delete;

  /// The history given at construction; null if none.
  [[nodiscard]] std::shared_ptr<History> const& history() const noexcept { return history_; }

  /// What the drafts of all turns saved and cost, with what each pass adds to the credit.
  [[nodiscard]] DraftAccount account() const { return account_->account(); }

  /// Bytes allocated, without those of the history.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return mixer_.memory_bytes(); }

  /// What was learnt, as plain numbers without tokens, to be saved with the history (`HistoryFile`). O(memory).
  [[nodiscard]] std::vector<float> learnt() const {
    std::lock_guard const lock(mutex_);
    return mixer_.learnt();
  }

  /// Continues from `numbers`, returned by `learnt`. Throws `Error` that begins with `where` if they cannot have been
  /// learnt. Nothing is changed then. O(memory).
  void set_learnt(std::span<float const> numbers, std::string const& where) {
    std::lock_guard const lock(mutex_);
    mixer_.set_learnt(numbers, where);
  }

 private:
  friend class MixingProposer;

  std::shared_ptr<History> history_;
  std::mutex mutable mutex_;
  detail::Mixer mixer_;  // used under the lock
  std::shared_ptr<detail::SharedAccount> account_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
