// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// An adaptive probability for each of a number of states (the state maps of the PAQ compressors). It is the share of
/// the candidates in a state that were the next token, kept with the log-odds of that share.
///
/// A share is the mean of all outcomes and of its prior, which weighs as one and a half candidates. After `max_seen`
/// candidates it becomes a moving mean, so it follows a state that changes its meaning. Once anything was learnt, it
/// stays `min_share` away from 0 and 1.
///
/// Cost: O(1) a state. Memory: 12 bytes a state, allocated by the constructor. Threads: one call at a time; `const`
/// calls may run together.
class StateMap {
 public:
  static constexpr float min_share = 0.002F;
  static constexpr float max_seen = 255;

  /// The outcome of some candidates in one state.
  struct Outcome {
    std::uint16_t state = 0;
    float candidates = 0;  ///< Number of candidates in the state.
    float came = 0;        ///< Number of them that were the next token.
  };

  /// Creates a state for each of `priors`, which lie between 0 and 1.
  explicit StateMap(std::span<float const> priors) : shares_(priors.size()), log_odds_(priors.size()) {
    for (std::size_t state = 0; state < priors.size(); ++state) shares_[state].value = priors[state];
    settle();
  }

  /// Number of states.
  [[nodiscard]] std::size_t size() const noexcept { return shares_.size(); }

  /// Bytes allocated.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return shares_.capacity() * sizeof(Share) + log_odds_.capacity() * sizeof(float);
  }

  /// The log-odds of the share of `state`.
  [[nodiscard]] float log_odds(std::size_t state) const noexcept { return log_odds_[state]; }

  /// Learns `outcomes`, in their order. A state may occur several times.
  void learn(std::span<Outcome const> outcomes) noexcept {
    while (!outcomes.empty()) {
      std::span const part = outcomes.first(std::min(outcomes.size(), max_part));
      learn_part(part);
      outcomes = outcomes.subspan(part.size());
    }
  }

  /// Number of values that `append_to` appends for a map of `states`.
  [[nodiscard]] static constexpr std::size_t number_count(std::size_t states) noexcept { return 2 * states; }

  /// Appends all that was learnt: for each state, its share and the number of candidates that it is the mean of.
  void append_to(std::vector<float>& numbers) const {
    for (Share const& share : shares_) numbers.insert(numbers.end(), {share.value, share.seen});
  }

  /// Whether `append_to` can write `number` as its value at `index`.
  [[nodiscard]] static bool is_possible(std::size_t index, float number) noexcept {
    return index % 2 == 0 ? number >= min_share && number <= 1 - min_share : number >= 1 && number <= max_seen;
  }

  /// Continues from `number_count(size())` values that `append_to` wrote, all of which are possible.
  void assign(std::span<float const> numbers) noexcept {
    for (std::size_t state = 0; state < shares_.size(); ++state)
      shares_[state] = {.value = numbers[2 * state], .seen = numbers[2 * state + 1]};
    settle();
  }

 private:
  static constexpr std::size_t max_part = 48;

  struct Share {
    float value = 0;
    float seen = 1;

    void learn(float candidates, float came) noexcept {
      seen = std::min(seen + candidates, max_seen);
      value = std::min(std::max(value + (came - candidates * value) / (seen + 0.5F), min_share), 1 - min_share);
    }
  };

  static Four log_odds_of(Four shares) noexcept { return fast_log(shares / (1 - shares)); }

  // Logarithms are computed four at a time, after all shares were written.
  void learn_part(std::span<Outcome const> outcomes) noexcept {
    std::array<float, max_part> values;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      Share& share = shares_[outcomes[i].state];
      share.learn(outcomes[i].candidates, outcomes[i].came);
      values[i] = share.value;
    }
    for (std::size_t i = outcomes.size(); i % 4 != 0; ++i) values[i] = 0.5F;
    for (std::size_t i = 0; i < outcomes.size(); i += 4) store_four(&values[i], log_odds_of(load_four(&values[i])));
    for (std::size_t i = 0; i < outcomes.size(); ++i) log_odds_[outcomes[i].state] = values[i];
  }

  // Computes the log-odds of all shares, with the same bits as `learn`.
  void settle() noexcept {
    for (std::size_t state = 0; state < shares_.size(); ++state)
      log_odds_[state] = log_odds_of(Four{} + shares_[state].value)[0];
  }

  std::vector<Share> shares_;
  std::vector<float> log_odds_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
