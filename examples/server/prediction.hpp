// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec_server {

/// How many tokens of `prediction` are in `answer`, in the same order: the length of their longest common subsequence.
/// It depends on these texts alone, and on nothing that was drafted. O(tokens of one * tokens of the other / 64), by
/// the bit-parallel rule of Hyyrö ("Bit-parallel LCS-length computation revisited", 2004). Allocates.
[[nodiscard]] inline std::size_t prediction_overlap(std::span<copyspec::Token const> prediction,
                                                    std::span<copyspec::Token const> answer) {
  std::size_t const words = (prediction.size() + 63) / 64;
  std::map<copyspec::Token, std::vector<std::uint64_t>> places;  // of each token in the prediction
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    auto& bits = places[prediction[i]];
    bits.resize(words);
    bits[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  // A bit that is 0 is a place where the subsequence gets longer.
  std::vector<std::uint64_t> row(words, ~std::uint64_t{0});
  for (copyspec::Token const token : answer) {
    auto const found = places.find(token);
    if (found == places.end()) continue;
    std::uint64_t carry = 0;
    for (std::size_t word = 0; word < words; ++word) {
      std::uint64_t const matches = row[word] & found->second[word];
      std::uint64_t const sum = row[word] + matches;
      std::uint64_t const carried = sum + carry;
      carry = sum < matches || carried < sum ? 1 : 0;
      row[word] = carried | (row[word] - matches);
    }
  }
  std::size_t common = 0;
  for (std::size_t i = 0; i < prediction.size(); ++i) common += (row[i / 64] >> (i % 64) & 1U) == 0 ? 1U : 0U;
  return common;
}

}  // namespace copyspec_server
