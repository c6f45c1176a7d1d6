// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/verify/sampling_options.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "three_tokens.hpp"
#include "tokens.hpp"

namespace copyspec_test {

using copyspec::SamplingOptions;
using copyspec::Token;

// A language in which a row depends on the last two tokens.
class Language {
 public:
  explicit Language(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    // Nearly normal, and the same with every standard library.
    for (Row& row : rows_) {
      for (float& logit : row) {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11U) * 0x1p-53;
        logit = static_cast<float>(2 * sum);
      }
    }
  }

  // One that resembles another, up to so much of its logits.
  Language(Language const& other, std::uint64_t seed, float difference = 0.5F) : Language(seed) {
    for (std::size_t i = 0; i < rows_.size(); ++i)
      for (std::size_t x = 0; x < vocabulary; ++x) rows_[i][x] = other.rows_[i][x] + rows_[i][x] * difference;
  }

  // In which the likeliest token of each row is so much likelier.
  Language(Language const& other, SamplingOptions const& options, double times) : Language(other) {
    for (Row& row : rows_) {
      Chances const of_row = probabilities(row, options, {0, 0});
      auto const best = static_cast<std::size_t>(std::ranges::max_element(of_row) - of_row.begin());
      double const p = of_row[best];
      double const wanted = std::min(times * p, (1 + p) / 2);
      if (p < 1) row[best] += static_cast<float>(std::log(wanted / (1 - wanted) * (1 - p) / p)) * options.temperature;
    }
  }

  [[nodiscard]] Row const& after(std::span<Token const> before) const {
    auto const last = before.last(2);
    return rows_[static_cast<std::size_t>(last[0]) * vocabulary + static_cast<std::size_t>(last[1])];
  }

 private:
  std::array<Row, vocabulary * vocabulary> rows_{};
};

// What texts of it begin with.
inline Tokens const prompt{3, 6};

}  // namespace copyspec_test
