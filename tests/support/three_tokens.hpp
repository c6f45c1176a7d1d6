// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/verify/sampling_options.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <vector>

// The joint distribution of three tokens that are drawn from rows of a small vocabulary, by the definitions of the
// options, and how far from it what was drawn is.

constexpr std::size_t vocabulary = 8;

using Row = std::array<float, vocabulary>;
using Chances = std::array<double, vocabulary>;

// The probabilities of a row's tokens, from the definitions of the options, in double precision.
inline Chances probabilities(Row const& row, copyspec::SamplingOptions const& options,
                             std::vector<copyspec::Token> const& before) {
  std::array<double, vocabulary> logits{};
  std::ranges::copy(row, logits.begin());
  for (auto const& [token, bias] : options.logit_bias) logits[static_cast<std::size_t>(token)] += bias;
  for (std::size_t t = 0; t < vocabulary; ++t) {
    auto const window = std::min(before.size(), options.penalties.window);
    auto const count = std::count(before.end() - static_cast<std::ptrdiff_t>(window), before.end(), copyspec::Token(t));
    if (count == 0) continue;
    logits[t] = logits[t] > 0 ? logits[t] / options.penalties.repetition : logits[t] * options.penalties.repetition;
    logits[t] -= static_cast<double>(count) * options.penalties.frequency + options.penalties.presence;
  }
  if (options.hooks) {
    Row edited{};
    std::ranges::transform(logits, edited.begin(), [](double logit) { return static_cast<float>(logit); });
    options.hooks(0).edit(before, edited);
    std::ranges::copy(edited, logits.begin());
  }
  std::vector<std::size_t> kept(vocabulary);
  std::iota(kept.begin(), kept.end(), 0U);
  std::ranges::sort(kept, [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  double const scale = options.temperature_first ? 1 / double{options.temperature} : 1;
  auto const weight = [&](std::size_t t) { return std::exp((logits[t] - logits[kept[0]]) * scale); };
  auto const mass = [&] {
    double sum = 0;
    for (std::size_t const t : kept) sum += weight(t);
    return sum;
  };
  auto const keep_mass = [&](double share) {
    double const target = share * mass();
    double sum = 0;
    std::size_t count = 0;
    while (count < kept.size() && sum < target) sum += weight(kept[count++]);
    kept.resize(std::max<std::size_t>(count, 1));
  };
  if (options.top_k > 0) kept.resize(std::min(static_cast<std::size_t>(options.top_k), kept.size()));
  if (options.typical_p < 1) {
    std::map<std::size_t, double> surprise;
    double entropy = 0;
    double const whole = mass();
    for (std::size_t const t : kept) {
      double const p = weight(t) / whole;
      surprise[t] = -std::log(p);
      if (p > 0) entropy -= p * std::log(p);
    }
    std::vector<std::size_t> const all = kept;
    auto typical = kept;
    std::ranges::sort(typical, {}, [&](std::size_t t) { return std::abs(surprise[t] - entropy); });
    double sum = 0;
    std::size_t count = 0;
    while (count < typical.size() && sum < options.typical_p * whole) sum += weight(typical[count++]);
    typical.resize(count);
    std::erase_if(kept, [&](std::size_t t) { return std::ranges::find(typical, t) == typical.end(); });
  }
  if (options.top_p < 1) keep_mass(options.top_p);
  if (options.min_p > 0) {
    double const least = options.min_p * weight(kept[0]);
    std::erase_if(kept, [&](std::size_t t) { return weight(t) < least; });
  }
  Chances result{};
  double sum = 0;
  for (std::size_t const t : kept)
    sum += result[t] = std::exp((logits[t] - logits[kept[0]]) / double{options.temperature});
  for (double& chance : result) chance /= sum;
  return result;
}

// The probabilities of all that three tokens may be, and how many of the three are the likeliest of their rows.
struct Joint {
  std::vector<double> cells;
  std::vector<std::size_t> likeliest;
};

// Of three tokens behind `context`, where `row_after(before)` is the row of the next one. `planted` makes the likeliest
// of each row so much likelier.
template <class RowAfter>
Joint joint(RowAfter const& row_after, std::vector<copyspec::Token> const& context,
            copyspec::SamplingOptions const& options, double planted = 1) {
  Joint joint;
  for (std::size_t cell = 0; cell < vocabulary * vocabulary * vocabulary; ++cell) {
    std::vector<copyspec::Token> before = context;
    double chance = 1;
    std::size_t likeliest = 0;
    for (std::size_t const divisor : {vocabulary * vocabulary, vocabulary, std::size_t{1}}) {
      Chances row = probabilities(row_after(before), options, before);
      auto const best = std::ranges::max_element(row);
      *best *= planted;
      std::size_t const token = cell / divisor % vocabulary;
      if (&row[token] == best) ++likeliest;
      chance *= row[token] / std::accumulate(row.begin(), row.end(), 0.0);
      before.push_back(static_cast<copyspec::Token>(token));
    }
    joint.cells.push_back(chance);
    joint.likeliest.push_back(likeliest);
  }
  return joint;
}

// How many standard deviations chi-square lies above its mean (Wilson and Hilferty's approximation). Cells of less than
// five are put together; one that cannot be and was seen is infinitely far.
inline double surprise(std::vector<std::size_t> const& seen, std::vector<double> const& expected, double draws) {
  double square = 0;
  double cells = 0;
  double rare_seen = 0;
  double rare_expected = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    auto const count = static_cast<double>(seen[i]);
    double const mean = expected[i] * draws;
    if (mean == 0 && count > 0) return INFINITY;
    if (mean < 5) {
      rare_seen += count;
      rare_expected += mean;
      continue;
    }
    square += (count - mean) * (count - mean) / mean;
    ++cells;
  }
  if (rare_expected >= 5) {
    square += (rare_seen - rare_expected) * (rare_seen - rare_expected) / rare_expected;
    ++cells;
  }
  double const freedom = cells - 1;
  return (std::cbrt(square / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
}

// The greater one of all cells and of their groups, in which an error of the likeliest tokens adds up.
inline double surprise(std::vector<std::size_t> const& seen, Joint const& joint, double draws) {
  std::vector<std::size_t> groups_seen(4);
  std::vector<double> groups(4);
  for (std::size_t cell = 0; cell < seen.size(); ++cell) {
    groups_seen[joint.likeliest[cell]] += seen[cell];
    groups[joint.likeliest[cell]] += joint.cells[cell];
  }
  return std::max(surprise(seen, joint.cells, draws), surprise(groups_seen, groups, draws));
}
