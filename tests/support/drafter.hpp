// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/verify/random_streams.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/token_sampler.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "language.hpp"
#include "three_tokens.hpp"

namespace copyspec_test {

using copyspec::Draft;
using copyspec::RandomStream;
using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::TokenSampler;

// How a draft is made.
enum class Kind : std::uint8_t { drawn, until_drawn, mixed, named, chosen, chosen_but_named };

// A proposer that draws from a toy language, and counts what it draws for all its copies.
struct Drafter {
  Language const* language;
  Language const* told;  // the rows that are said to have been drawn from
  Kind kind = Kind::drawn;
  std::size_t longest = 4;
  SamplingOptions options = {.seed = 0};
  std::uint64_t* draws = nullptr;
  bool by_position = false;  // noise that belongs to positions, as must not be
  std::mt19937_64 random{17};
  TokenSampler sampler = {};
  std::vector<std::span<float const>> rows = std::vector<std::span<float const>>(8);

  void begin(std::uint64_t seed) { options.seed = copyspec::seed_for(RandomStream::draft, seed); }

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    std::array<Token, 16> said{};
    std::ranges::copy(context.last(2), said.begin());
    std::size_t length = 0;
    for (bool ends = false; !ends && length < std::min(longest, space.size()); ++length) {
      std::span<Token const> const before(said.data(), length + 2);
      Row const& row = language->after(before);
      bool const named = kind == Kind::named || (kind == Kind::mixed && random() % 2 == 0);
      rows[length] = named ? std::span<float const>() : std::span<float const>(told->after(before));
      Token token = static_cast<Token>(std::ranges::max_element(row) - row.begin());
      if (!named) token = sampler.draw(row, options, by_position ? context.size() + length : (*draws)++).value();
      space[length] = said[length + 2] = token;
      if (kind == Kind::until_drawn) ends = token % 3 == 0;
    }
    // Whether a token stays depends on it.
    if (kind >= Kind::chosen)
      while (length > 0 && space[length - 1] % 2 == 0) --length;
    return {.length = length, .drawn_from = std::span(rows).first(kind == Kind::chosen_but_named ? 0 : length)};
  }

  static void truncate(std::size_t) noexcept {}
};

}  // namespace copyspec_test
