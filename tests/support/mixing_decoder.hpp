// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/cost/draft_length.hpp>
#include <copyspec/mix/mixing_proposer.hpp>

#include <cstddef>

#include "copying_text.hpp"

namespace copyspec_test {

using copyspec::max_draft_tokens;
using copyspec::MixingProposer;

// What decoding a text took, of which each pass accepts as much of the draft as the text says.
struct Spent {
  std::size_t tokens = 0;
  std::size_t passes = 0;
  std::size_t drafted = 0;
  std::size_t accepted = 0;

  [[nodiscard]] double cost(double marginal) const {
    return static_cast<double>(passes) + marginal * static_cast<double>(drafted);
  }
  [[nodiscard]] double speedup(double marginal) const { return static_cast<double>(tokens) / cost(marginal); }
};

// Decodes the part of `text` from `begin` to `end` with chains.
Spent decode(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end,
             std::size_t space = max_draft_tokens);

// And with trees.
Spent decode_trees(MixingProposer& proposer, Tokens const& text, std::size_t begin, std::size_t end,
                   std::size_t max_branches);

}  // namespace copyspec_test
