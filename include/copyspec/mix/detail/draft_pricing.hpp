// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>

#include "../../core/version.hpp"
#include "../../cost/draft_account.hpp"
#include "../../cost/draft_length.hpp"
#include "../../cost/pass_cost.hpp"
#include "../../cost/pass_report.hpp"
#include "../../cost/sequence_cost.hpp"
#include "../../draft/offering_proposer.hpp"
#include "../../draft/share_rows.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How much of a prediction to draft, by what passes cost. What they cost is learnt from reports.
///
/// With `checkpoints`, a rejected draft costs one more pass, which feeds its accepted tokens again. Accounts of turns
/// are in plain tokens: what one costs without drafts, which is a pass for a sequence that shares none.
///
/// Cost: that of `draft_length`. No allocation. Threads: any number of calls, except of `pass_cost`.
class DraftPricing {
 public:
  DraftPricing(PassCost pass_cost, bool checkpoints) : checkpoints_(checkpoints), share_(std::move(pass_cost)) {}

  /// The cost of a pass, as learnt so far. Needs: no `observe` meanwhile.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return share_.pass_cost(); }

  void observe(PassReport const& report) noexcept {
    std::lock_guard const lock(mutex_);
    share_.observe(report);
  }

  /// How many tokens of a chain to draft, as far as `account` can pay for them.
  [[nodiscard]] std::size_t length_of_chain(std::span<float const> probabilities,
                                            DraftAccount const& account) const noexcept {
    std::lock_guard const lock(mutex_);
    return length_of_chain(probabilities, account, price(account));
  }

  /// Offers as much of a chain as could pay if drafts of other sequences share what rows cost, and as `account` can pay
  /// for. Alone, it is `length_of_chain`.
  [[nodiscard]] DraftOffer offer(std::span<float const> probabilities, DraftAccount const& account) const noexcept {
    std::lock_guard const lock(mutex_);
    Price const cost = price(account);
    double const dearer = 1 + cost.dearer;
    std::size_t const length =
        share_.alone()
            ? length_of_chain(probabilities, account, cost)
            : length_of_chain(probabilities, account, SharedPrice{share_.token(), dearer * share_.least_extra()});
    return {.probabilities = probabilities.first(length), .weight = 1 / dearer};
  }

  /// Shares the rows of a pass out among offers of several sequences.
  void share(std::span<DraftOffer> offers, PassWithoutDrafts const& pass) const noexcept {
    std::lock_guard const lock(mutex_);
    share_rows(offers, pass, pass_cost());
  }

  /// How many of the first `length` tokens of an offer `account` can pay for.
  [[nodiscard]] std::size_t affordable(std::size_t length, DraftAccount const& account) const noexcept {
    std::lock_guard const lock(mutex_);
    return affordable(account, length, [](std::size_t most) { return most; });
  }

  /// The same of the nodes of a tree.
  [[nodiscard]] std::size_t length_of_tree(std::span<std::int32_t const> parents, std::span<float const> reaches,
                                           DraftAccount const& account) const noexcept {
    std::lock_guard const lock(mutex_);
    Price const cost = price(account);
    return affordable(account, reaches.size(), [&](std::size_t length) {
      return draft_length(parents.first(length), reaches.first(length), cost);
    });
  }

  /// How many tokens a pass without drafts generates: one for each sequence of the newest pass.
  [[nodiscard]] double tokens_of_pass() const noexcept {
    std::lock_guard const lock(mutex_);
    return static_cast<double>(share_.sequences());
  }

  /// Most that a draft of so many tokens adds to a pass, in plain tokens, as far as that is known.
  [[nodiscard]] double extra_at_most(std::size_t drafted) const noexcept {
    std::lock_guard const lock(mutex_);
    return extra(drafted);
  }

  /// Enters a draft of which `drafted` tokens were fed and `accepted` accepted. It was expected to add at most
  /// `expected` to its pass; if it seems to have added more than twice that, the pass was delayed by something else.
  /// While the cost of a plain pass is not known, one more than expected is entered.
  void enter(DraftAccount& account, std::size_t drafted, std::size_t accepted, double expected) const noexcept {
    std::lock_guard const lock(mutex_);
    // The tokens before the rejected one are fed again, too.
    double const again = checkpoints_ && accepted < drafted ? extra(accepted + 1) : 0.0;
    double const added = share_.alone() ? extra(drafted) : share_.added(drafted) / share_.token();
    bool const known = !share_.alone() || pass_cost().in_plain_passes();
    account.enter(static_cast<double>(accepted), (known ? std::min(added, 2 * expected) : expected + 1) + again);
  }

  /// The reach below which no node of a tree can pay, since a node saves one pass at most. A node that does not pay
  /// itself may still decide where a draft ends, hence the quarter.
  [[nodiscard]] float least_reach() const noexcept {
    std::lock_guard const lock(mutex_);
    double const alone = share_(1);
    double least = alone;
    for (std::size_t rows = 2; rows <= max_predicted_tokens + 1; rows += rows / 2)
      least = std::min(least, (share_(rows) - alone) / static_cast<double>(rows - 1));
    return std::max(0.005F, static_cast<float>(least / alone / 4));
  }

 private:
  // What a pass of so many rows is expected to cost, where what is left in an account is worth more than it counts.
  struct Price {
    SequenceCost const& share;
    double dearer;  // by this part of what a draft adds

    [[nodiscard]] double operator()(std::size_t rows) const noexcept {
      double const cost = share.alone() ? share.pass_cost().without_forgetting(rows) : share(rows);
      return cost + dearer * (cost - share.token());
    }
  };
  // The same if the drafts of all sequences share what their rows cost.
  struct SharedPrice {
    double token;  // without drafts
    double row;

    [[nodiscard]] double operator()(std::size_t rows) const noexcept {
      return token + row * static_cast<double>(rows - 1);
    }
  };
  [[nodiscard]] Price price(DraftAccount const& account) const noexcept {
    return {share_, account.lost() * account.lost()};
  }

  // Most that a draft adds to a pass, in plain tokens of this sequence: passes, if it has them alone.
  [[nodiscard]] double extra(std::size_t drafted) const noexcept {
    if (share_.alone()) return pass_cost().added_at_most(drafted);
    // Between two row counts, a learnt curve shows noise.
    double const exact = pass_cost().average_row() > 0 ? 0.0 : share_.extra(drafted);
    return std::max(exact, share_.added(drafted)) / share_.token();
  }

  template <class Cost>
  [[nodiscard]] std::size_t length_of_chain(std::span<float const> probabilities, DraftAccount const& account,
                                            Cost const& cost) const noexcept {
    // What a pass would have gained by a draft.
    constexpr double forgone = 0.1;
    double const alone = share_(1);
    auto const rejection = [&](std::size_t right) { return forgone * alone + share_.extra(right + 1); };
    return affordable(account, probabilities.size(), [&](std::size_t length) {
      auto const chain = probabilities.first(length);
      return checkpoints_ ? draft_length(chain, cost, rejection) : draft_length(chain, cost);
    });
  }

  // `paying(length)`: how many of so many predicted tokens to draft. What is affordable of a draft may not pay.
  template <class Paying>
  [[nodiscard]] std::size_t affordable(DraftAccount const& account, std::size_t length,
                                       Paying const& paying) const noexcept {
    // Drafts that look free would put off the plain passes that show what they cost.
    if (share_.alone() && !pass_cost().in_plain_passes()) return 0;
    auto const most = [&](std::size_t drafted) { return extra(drafted) + (checkpoints_ ? extra(1) : 0.0); };
    for (;;) {
      std::size_t const wanted = paying(length);
      length = account.affordable(wanted, most);
      if (length == wanted) return length;
    }
  }

  bool checkpoints_;
  std::mutex mutable mutex_;
  SequenceCost share_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
