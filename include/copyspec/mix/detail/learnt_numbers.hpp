// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/version.hpp"
#include "copy_survival.hpp"
#include "input_states.hpp"
#include "mixer_weights.hpp"
#include "state_map.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// All that a mixer has learnt, as plain numbers: the number of their layout, the values of its `MixerWeights`, those
/// of its `StateMap`, and those of its `CopySurvival`. They contain no tokens, so they can be saved and given to
/// another mixer.
struct LearntNumbers {
  /// Incremented when the numbers, or the states and hashes that select them, change their meaning.
  static constexpr float layout = 2;

  /// Number of values.
  [[nodiscard]] static constexpr std::size_t size() noexcept {
    return first_state + StateMap::number_count(InputStates::count) + CopySurvival::number_count();
  }

  /// The numbers of all three. O(`size()`). Allocates the result.
  [[nodiscard]] static std::vector<float> pack(MixerWeights const& weights, StateMap const& states,
                                               CopySurvival const& survival) {
    std::vector<float> numbers;
    numbers.reserve(size());
    numbers.push_back(layout);
    weights.append_to(numbers);
    states.append_to(numbers);
    survival.append_to(numbers);
    return numbers;
  }

  /// Writes `numbers`, which `pack` returned, to all three. Throws an `Error` that begins with `where`,
  /// the origin of the numbers, if their count or layout differs or a mixer cannot have learnt them (not a number,
  /// share out of range). Nothing is changed then. O(`size()`).
  static void unpack(std::span<float const> numbers, std::string const& where, MixerWeights& weights, StateMap& states,
                     CopySurvival& survival) {
    if (numbers.size() != size())
      raise_error(ErrorCode::file, where + ": has " + std::to_string(numbers.size()) + " learnt numbers, a mixer has " +
                                       std::to_string(size()));
    if (numbers[0] != layout)
      raise_error(ErrorCode::file, where + ": its learnt numbers are of layout " + std::to_string(numbers[0]) +
                                       ", layout " + std::to_string(layout) + " is known");
    std::size_t const first_of_copies = size() - CopySurvival::number_count();
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      bool const possible = i < first_state       ? MixerWeights::is_possible(numbers[i])
                            : i < first_of_copies ? StateMap::is_possible(i - first_state, numbers[i])
                                                  : CopySurvival::is_possible(numbers[i]);
      if (!possible)
        raise_error(ErrorCode::file, where + ": learnt number " + std::to_string(i) + " is " +
                                         std::to_string(numbers[i]) + ", which cannot have been learnt");
    }
    weights.assign(numbers.subspan(1, MixerWeights::number_count()));
    states.assign(numbers.subspan(first_state, first_of_copies - first_state));
    survival.assign(numbers.subspan(first_of_copies));
  }

 private:
  static constexpr std::size_t first_state = 1 + MixerWeights::number_count();
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
