// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/order_key.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../../model/logits.hpp"
#include "../../verify/logprobs.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Log-probabilities of the prompt tokens of one turn, each from the row after the token before it. Says which rows are
/// still needed. Sequences that read the same prompt share it: what any of them reads first counts. Allocates in
/// `take`. Threads: one call at a time.
class PromptLogprobs {
 public:
  /// Most rows of a prompt in a pass, as each is as long as the vocabulary.
  static constexpr std::size_t rows_per_pass = 64;
  /// The position when no row is needed.
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// Of the tokens at positions `begin` to `end` - 1 of a context, with `top` of the likeliest tokens each. The first
  /// token of a context follows nothing and has none.
  PromptLogprobs(std::size_t begin, std::size_t end, std::size_t top)
      : next_(std::max<std::size_t>(begin, 1) - 1), end_(end - 1), top_(top) {}

  /// The position of the first token after which a row is still needed, or `none`.
  [[nodiscard]] std::size_t next() const noexcept { return next_ < end_ ? next_ : none; }

  /// Takes `rows`, which follow the tokens of `context` from position `first` on, as far as they are needed. Throws
  /// `Error` at a row that gives no token, and `std::bad_alloc`; those before it are taken.
  template <class Scalar>
  void take(LogitsView<Scalar> rows, std::span<Token const> context, std::size_t first) {
    COPYSPEC_ASSERT(first <= next_ || rows.rows() == 0 || next() == none, "rows are taken in order");
    std::size_t const end = std::min(first + rows.rows(), end_);
    // An allocation that failed may have left a part of the entries of a token.
    taken_.resize(taken_.size() / (top_ + 1) * (top_ + 1));
    for (; next_ < end; ++next_)
      if (!append(as_floats(rows.row(next_ - first), row_), context[next_ + 1]))
        raise_error(ErrorCode::engine, "the row after token " + std::to_string(next_) +
                                           " of the context has a NaN, or nothing above minus infinity, so the next "
                                           "token of the prompt has no log-probability");
  }

  /// What was taken so far. Valid until the next `take`.
  [[nodiscard]] LogprobsView view() const noexcept { return {taken_, top_ + 1}; }

 private:
  // Appends the entries of `token`. Returns false, and appends nothing, for a row that gives no token. The numbers are
  // those of `SamplingOptions::logprobs`. It is written here so that decoding needs none of the headers of samplers.
  [[nodiscard]] bool append(std::span<float const> row, Token token) {
    float greatest = -std::numeric_limits<float>::infinity();
    for (float const logit : row) {
      if (logit != logit) return false;
      greatest = std::max(greatest, logit);
    }
    if (greatest == -std::numeric_limits<float>::infinity()) return false;
    double const log_mass = log_of_softmax_sum(softmax_sum(row, greatest, 1));
    taken_.push_back({token, logprob_of(greatest, row[static_cast<std::size_t>(token)], log_mass)});
    if (top_ == 0) return true;
    ranks_.clear();
    for (std::size_t i = 0; i < row.size(); ++i) ranks_.push_back(order_key_of(row[i], static_cast<Token>(i)));
    auto const end = ranks_.begin() + static_cast<std::ptrdiff_t>(top_);
    std::partial_sort(ranks_.begin(), end, ranks_.end(), std::greater<>());
    for (std::uint64_t const rank : std::span(ranks_).first(top_))
      taken_.push_back({token_of_order_key(rank), logprob_of(greatest, value_of_order_key(rank), log_mass)});
    return true;
  }

  std::size_t next_;
  std::size_t end_;  // the row after this position decides the first generated token
  std::size_t top_;
  std::vector<TokenLogprob> taken_;
  std::vector<float> row_;
  std::vector<std::uint64_t> ranks_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
