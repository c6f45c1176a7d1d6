// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec_llama {

/// The share of `tokens` that lies in loops: runs in which up to `longest_period` tokens are said at least `repeats`
/// times in a row. Small models at temperature zero fall into loops, and a loop is all too easy to copy, so a speed-up
/// means little without this beside it. Zero for no tokens. O(tokens * longest_period).
[[nodiscard]] inline double loop_share(std::span<copyspec::Token const> tokens, std::size_t longest_period = 40,
                                       std::size_t repeats = 3) {
  if (tokens.empty()) return 0.0;
  std::vector<bool> in_loop(tokens.size(), false);
  for (std::size_t period = 1; period <= longest_period; ++period) {
    std::size_t run = period;  // length of the run with this period that ends before `i`
    for (std::size_t i = period; i <= tokens.size(); ++i) {
      if (i < tokens.size() && tokens[i] == tokens[i - period]) {
        ++run;
        continue;
      }
      auto const end = in_loop.begin() + static_cast<std::ptrdiff_t>(i);
      if (run >= repeats * period) std::fill(end - static_cast<std::ptrdiff_t>(run), end, true);
      run = period;
    }
  }
  return static_cast<double>(std::ranges::count(in_loop, true)) / static_cast<double>(tokens.size());
}

}  // namespace copyspec_llama
