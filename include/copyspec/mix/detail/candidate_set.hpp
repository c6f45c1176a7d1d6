// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/simd4.hpp"
#include "context_map.hpp"
#include "mixer_input.hpp"
#include "prediction.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The tokens that the inputs of a `MixerInput` name, and the candidate number of each. Candidates are the first
/// `Prediction::max_candidates` different tokens in this order: those that the pointers point to, then the latest
/// successor of each context, then the second latest, then the third. Without a history, its inputs name nothing.
///
/// O(1), with few branches, because branches that compare tokens are mispredicted. No allocation.
class CandidateSet {
 public:
  /// Marks a token beyond the last candidate.
  static constexpr std::uint8_t none = Prediction::max_candidates;

  explicit CandidateSet(MixerInput const& input) noexcept {
    std::size_t const pointers = input.history ? MixerInput::pointers : MixerInput::own_pointers;
    std::size_t const contexts = input.history ? MixerInput::contexts : MixerInput::own_contexts;
    for (std::size_t i = 0; i < pointers; ++i) votes_[i] = add(input.votes[i].token, input.votes[i].token >= 0);
    for (std::size_t i = 0; i < SuccessorCounts::capacity; ++i)
      for (std::size_t context = 0; context < contexts; ++context) {
        SuccessorCounts const& successors = input.successors[context];
        successors_[context][i] = add(successors.token(i), successors.count(i) > 0);
      }
  }

  /// Writes the tokens of the candidates and returns how many there are. Must be called before the functions below.
  std::size_t candidates(std::array<Prediction::Candidate, Prediction::max_candidates>& candidates) noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      std::size_t const first = this->first(i);
      candidates_[i] = first == i ? static_cast<std::uint8_t>(size) : candidates_[first];
      if (first != i || size == Prediction::max_candidates) continue;
      candidates[size++].token = tokens_[i];
    }
    return size;
  }

  /// The candidate number of an existing successor, the `index`-th latest of a context; or `none`.
  [[nodiscard]] std::uint8_t of_successor(std::size_t context, std::size_t index) const noexcept {
    return candidates_[successors_[context][index]];
  }
  /// The candidate number of the token that a pointer votes for; or `none`. The pointer must have a vote.
  [[nodiscard]] std::uint8_t of_vote(std::size_t pointer) const noexcept { return candidates_[votes_[pointer]]; }

 private:
  static constexpr std::size_t most = MixerInput::pointers + MixerInput::contexts * SuccessorCounts::capacity;

  // Adds `token` only if `counts`.
  std::uint8_t add(Token token, bool counts) noexcept {
    tokens_[size_] = token;
    std::size_t const at = size_;
    size_ += counts ? 1 : 0;
    return static_cast<std::uint8_t>(at);
  }

  // The first place of a token equal to the one at `at`.
  [[nodiscard]] std::size_t first(std::size_t at) const noexcept {
    FourWhole bits{1, 2, 4, 8};
    FourWhole equal{};
    for (std::size_t i = 0; i <= at; i += 4) {
      FourWhole four;
      std::memcpy(&four, &tokens_[i], sizeof four);
      equal |= (four == tokens_[at]) & bits;
      bits <<= 4;
    }
    return static_cast<std::size_t>(
        std::countr_zero(static_cast<std::uint32_t>((equal[0] | equal[1]) | (equal[2] | equal[3]))));
  }

  alignas(16) std::array<Token, (most + 3) / 4 * 4> tokens_{};  // with duplicates
  std::array<std::uint8_t, most + 1> candidates_;               // by place in `tokens_`
  std::array<std::array<std::uint8_t, SuccessorCounts::capacity>, MixerInput::contexts> successors_;  // indices
  std::array<std::uint8_t, MixerInput::pointers> votes_;
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
