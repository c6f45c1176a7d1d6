// SPDX-License-Identifier: MIT
#include "difference.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec_llama {

std::optional<Difference> find_difference(Run const& plain, Run const& copy) {
  for (std::size_t turn = 0; turn < plain.turns.size(); ++turn) {
    std::vector<copyspec::Token> const& expected = plain.turns[turn].tokens;
    std::vector<copyspec::Token> const& tokens = copy.turns[turn].tokens;
    // None is a mere beginning of the other: with the same limits, the same tokens end in the same place.
    auto const found = std::ranges::mismatch(expected, tokens);
    if (found.in1 == expected.end() || found.in2 == tokens.end()) continue;
    return Difference{.turn = turn,
                      .position = static_cast<std::size_t>(found.in1 - expected.begin()),
                      .plain = *found.in1,
                      .copy = *found.in2};
  }
  return std::nullopt;
}

}  // namespace copyspec_llama
