// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "mixer_input.hpp"
#include "prediction.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Selects the weights of a mixer that a prediction uses. There are five groups of sets, numbered one group after
/// another, and one set of each group is used. Each candidate has a bias of its token, and one of the newest token and
/// itself, both selected by hash.
///
/// The sets are selected by the match lengths in the own text, the recent hits, the newest token, the order of the
/// known contexts, and, if a history was read, the match lengths there.
struct WeightSelection {
  /// Number of sets in each group.
  static constexpr std::array<std::uint32_t, Prediction::weight_sets> group_sizes{PointerState::lengths * 4, 16, 1024,
                                                                                  9, PointerState::lengths * 4};
  static constexpr std::size_t token_biases = 4096;
  static constexpr std::size_t pair_biases = 16384;

  /// The first set of each group, and last the number of all sets.
  static constexpr std::array<std::uint32_t, Prediction::weight_sets + 1> first_sets = [] {
    std::array<std::uint32_t, Prediction::weight_sets + 1> first{};
    for (std::size_t group = 0; group < Prediction::weight_sets; ++group)
      first[group + 1] = first[group] + group_sizes[group];
    return first;
  }();

  /// Writes the sets, and the biases of the candidates that `prediction` has. O(1).
  static void select(MixerInput const& input, Prediction& prediction) noexcept {
    auto const newest = static_cast<std::uint64_t>(input.newest) + 1;
    prediction.sets = {lengths(input, 0), input.hits & 15U, hash(newest) % group_sizes[2],
                       order(input, 0) + (input.history ? 3 * order(input, MixerInput::own_contexts) : 0),
                       lengths(input, MixerInput::own_pointers)};
    for (std::size_t group = 0; group < Prediction::weight_sets; ++group) prediction.sets[group] += first_sets[group];
    for (std::size_t c = 0; c < prediction.size; ++c) {
      auto const token = static_cast<std::uint64_t>(prediction.candidates[c].token) + 1;
      prediction.candidates[c].token_bias = hash(token * 3) % token_biases;
      prediction.candidates[c].pair_bias = hash(token << 32 ^ newest) % pair_biases;
    }
  }

 private:
  static constexpr std::uint32_t hash(std::uint64_t value) noexcept {
    return static_cast<std::uint32_t>((value * 0x9e3779b97f4a7c15) >> 40);
  }

  // 2 if the context of two tokens is known, 1 if only that of one token is, otherwise 0.
  static std::uint32_t order(MixerInput const& input, std::size_t first) noexcept {
    return input.successors[first + 1].count(0) > 0 ? 2 : input.successors[first].count(0) > 0 ? 1 : 0;
  }

  static std::uint32_t lengths(MixerInput const& input, std::size_t first) noexcept {
    MixerInput::Vote const& longest = input.votes[first];
    MixerInput::Vote const& recovered = input.votes[first + 1];
    std::uint32_t const longest_class = longest.token < 0 ? 0 : PointerState::length_class(longest.length);
    return longest_class * 4 + (recovered.token < 0 ? 0 : 1 + std::min(recovered.length, 8U) / 4);
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
