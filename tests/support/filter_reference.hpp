// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/detail/reproducible_math.hpp>
#include <copyspec/verify/sampling_options.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "rows.hpp"

// What the filters leave of a row, by sorting all of it.
struct FilterReference {
  struct Entry {
    copyspec::Token token = 0;
    float distance = 0;
    std::uint64_t weight = 0;
    float deviation = 0;
  };
  using Entries = std::vector<Entry>;

  __extension__ using Wide = unsigned __int128;

  // The tokens in their order. What is infinitely far below the greatest logit is left out: no filter asks for it, and
  // it is never drawn.
  static Tokens left(std::span<float const> row, copyspec::SamplingOptions const& options) {
    Entries entries = sorted(row, options);
    if (options.top_k > 0) entries.resize(std::min(static_cast<std::size_t>(options.top_k), entries.size()));
    if (options.typical_p < 1) keep_typical(entries, options.typical_p);
    if (options.top_p < 1) entries.resize(prefix(entries, options.top_p));
    if (options.min_p > 0) {
      auto const farthest = static_cast<float>(-copyspec::detail::reproducible_log(options.min_p));
      float const nearest = entries.front().distance;
      std::erase_if(entries, [&](Entry const& entry) { return entry.distance - nearest > farthest; });
    }
    Tokens tokens;
    for (Entry const& entry : entries)
      if (!std::isinf(entry.distance)) tokens.push_back(entry.token);
    std::ranges::sort(tokens);
    return tokens;
  }

 private:
  // The likeliest first, of equal ones the lowest token.
  static Entries sorted(std::span<float const> row, copyspec::SamplingOptions const& options) {
    float const greatest = *std::ranges::max_element(row);
    float const scale = options.temperature_first && options.temperature > 0 ? 1 / options.temperature : 1;
    Entries entries;
    for (std::size_t i = 0; i < row.size(); ++i) {
      float const distance = row[i] == greatest ? 0 : (greatest - row[i]) * scale;
      entries.push_back({static_cast<copyspec::Token>(i), distance, copyspec::detail::reproducible_weight(distance)});
    }
    std::ranges::stable_sort(entries, [&](Entry const& a, Entry const& b) {
      return row[static_cast<std::size_t>(a.token)] > row[static_cast<std::size_t>(b.token)];
    });
    return entries;
  }

  // How many of the first are needed for so much of the mass, rounded down to a weight, but for a token at least.
  static std::size_t prefix(Entries const& entries, float share) {
    std::uint64_t total = 0;
    for (Entry const& entry : entries) total += entry.weight;
    auto const part = static_cast<std::uint64_t>(std::ldexp(static_cast<double>(share), 32));
    auto const target = static_cast<std::uint64_t>(Wide{total} * part >> 32U);
    std::uint64_t mass = 0;
    std::size_t count = 0;
    while (count == 0 || mass < target) mass += entries[count++].weight;
    return count;
  }

  // The mean distance is one of numbers in units of 2^-20, as many as the weights are.
  static void keep_typical(Entries& entries, float share) {
    std::uint64_t total = 0;
    std::uint64_t moments = 0;
    for (Entry const& entry : entries) {
      total += entry.weight;
      if (entry.weight > 0) moments += entry.weight * static_cast<std::uint64_t>(std::ldexp(entry.distance, 20)) >> 20U;
    }
    auto const mean = static_cast<float>(static_cast<double>(moments) / static_cast<double>(total));
    for (Entry& entry : entries) entry.deviation = std::abs(entry.distance - mean);
    Entries typical = entries;
    std::ranges::stable_sort(typical, {}, &Entry::deviation);
    float const greatest = typical[prefix(typical, share) - 1].deviation;
    std::erase_if(entries, [&](Entry const& entry) { return entry.deviation > greatest; });
  }
};

// Filters of all kinds, each of them off half of the time, and a temperature.
inline copyspec::SamplingOptions random_filters(Random& random, std::size_t vocabulary) {
  auto const one_of = [&](auto const& values) { return values[below(random, values.size())]; };
  auto const on = [&] { return below(random, 2) == 0; };
  constexpr std::array<float, 8> shares = {0, 1e-9F, 0.2F, 0.5F, 0.8F, 0.95F, 0.999F, 0x1.fffffep-1F};
  copyspec::SamplingOptions options{.seed = 0};
  options.temperature = one_of(std::array<float, 7>{0, 0.05F, 0.3F, 0.8F, 1, 1.7F, 5});
  options.temperature_first = on();
  auto const all = static_cast<std::ptrdiff_t>(vocabulary);
  if (on()) options.top_k = one_of(std::array<std::ptrdiff_t, 8>{1, 2, 5, 12, 40, all - 1, all, 5000});
  if (on()) options.typical_p = one_of(shares);
  if (on()) options.top_p = one_of(shares);
  if (on()) options.min_p = one_of(std::array<float, 6>{1e-40F, 1e-9F, 0.01F, 0.1F, 0.5F, 1});
  return options;
}
