// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A token and its log-probability (natural logarithm).
struct TokenLogprob {
  Token token = 0;
  float logprob = 0;
};

/// Log-probabilities of generated tokens, or of those of a prompt. Each token has one entry for itself, then entries
/// for the likeliest tokens of its row, in descending order. Non-owning: valid as long as the memory it points to.
class LogprobsView {
 public:
  /// No tokens.
  LogprobsView() = default;
  /// `all` holds `per_token` entries for each token.
  LogprobsView(std::span<TokenLogprob const> all, std::size_t per_token) noexcept : all_(all), per_token_(per_token) {}

  /// Number of tokens covered.
  [[nodiscard]] std::size_t size() const noexcept { return per_token_ == 0 ? 0 : all_.size() / per_token_; }

  /// The entries of the token at `index`: itself, then the likeliest ones.
  [[nodiscard]] std::span<TokenLogprob const> operator[](std::size_t index) const noexcept {
    COPYSPEC_ASSERT(index < size(), "no such token");
    return all_.subspan(index * per_token_, per_token_);
  }

  /// The entries of `count` tokens starting at `first`.
  [[nodiscard]] LogprobsView subview(std::size_t first, std::size_t count) const noexcept {
    if (per_token_ == 0) return {};
    return {all_.subspan(first * per_token_, count * per_token_), per_token_};
  }

 private:
  std::span<TokenLogprob const> all_;
  std::size_t per_token_ = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
