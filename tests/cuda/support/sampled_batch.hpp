// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "batch.hpp"
#include "copyspec/cuda/sampling_parameters.hpp"
#include "copyspec/detail/gumbel_noise.hpp"
#include "copyspec/detail/order_key.hpp"
#include "copyspec/detail/reproducible_math.hpp"
#include "copyspec/detail/softmax_sum.hpp"
#include "copyspec/verify/sampling_options.hpp"

/// A batch whose requests are drawn as they say.
template <class Scalar>
struct SampledBatch : Batch<Scalar> {
  std::vector<copyspec::SamplingOptions> options;
  std::vector<copyspec::cuda::SamplingParameters> parameters;
};

/// The verdicts on one, with the log-probabilities.
struct SampledVerdicts {
  Verdicts verdicts;
  std::vector<float> logprobs;

  friend bool operator==(SampledVerdicts const&, SampledVerdicts const&) = default;
};

template <class Scalar>
[[nodiscard]] std::vector<float> floats_of(std::span<Scalar const> row) {
  std::vector<float> values;
  for (std::size_t i = 0; i < row.size(); ++i)
    values.push_back(copyspec::detail::logit_in_row<copyspec::cuda::LogitFormatOf<Scalar>::value>(
        reinterpret_cast<unsigned char const*>(row.data()), i));
  return values;
}

[[nodiscard]] inline copyspec::SamplingOptions random_sampling(std::mt19937& random) {
  auto const of = [&]<std::size_t n>(std::array<float, n> const& values) { return values[random() % n]; };
  constexpr std::array<std::ptrdiff_t, 9> counts = {0, 0, 0, 1, 2, 5, 20, 100, 1000000};
  copyspec::SamplingOptions options;
  options.temperature = of(std::array{0.0F, 1.0F, 1.0F, 0.7F, 0.25F, 3.0F, 100.0F, 0.001F});
  options.temperature_first = random() % 2 == 0;
  options.top_k = counts[random() % counts.size()];
  options.top_p = of(std::array{1.0F, 1.0F, 1.0F, 0.95F, 0.9F, 0.5F, 0.1F, 0.0F});
  options.min_p = of(std::array{0.0F, 0.0F, 0.0F, 0.02F, 0.3F, 1.0F});
  options.seed = (std::uint64_t{random()} << 32U) + random();
  if (random() % 3 == 0) options.logprobs = 0;
  return options;
}

/// Draws by sorting the whole row: what the library does with less work.
struct PlainSampler {
  [[nodiscard]] static std::optional<copyspec::Token> draw(std::span<float const> row, copyspec::SamplingOptions const&,
                                                           copyspec::cuda::SamplingParameters const& parameters,
                                                           std::size_t position) {
    using namespace copyspec;
    using namespace copyspec::detail;
    std::vector<std::uint64_t> ranks;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i] != row[i]) return std::nullopt;
      if (row[i] > special<float>(minus_infinity)) ranks.push_back(order_key_of(row[i], static_cast<Token>(i)));
    }
    if (ranks.empty()) return std::nullopt;
    std::ranges::sort(ranks, std::greater<>());
    if (parameters.inverse_temperature == 0) return token_of_order_key(ranks[0]);
    FilterRule const& rule = parameters.filters;
    auto const distance = [&](std::uint64_t rank) {
      return distance_below(value_of_order_key(ranks[0]), value_of_order_key(rank), rule.scale);
    };
    std::size_t kept = ranks.size();
    if (rule.top_k > 0) kept = std::min(kept, rule.top_k);
    std::uint64_t mass = 0;
    for (std::size_t i = 0; i < kept; ++i) mass += reproducible_weight(distance(ranks[i]));
    std::uint64_t const target = part_of(mass, rule.top_share);
    std::uint64_t best = 0;
    std::uint64_t before = 0;
    NoiseStream const stream{.seed = parameters.seed, .position = position};
    for (std::size_t i = 0; i < kept; ++i) {
      if (distance(ranks[i]) > rule.farthest) break;
      if (rule.top_share < FilterRule::whole && before >= target) break;
      before += reproducible_weight(distance(ranks[i]));
      Token const token = token_of_order_key(ranks[i]);
      best = std::max(best, order_key_of(gumbel_score(value_of_order_key(ranks[i]), parameters.inverse_temperature,
                                                      stream.word(token)),
                                         token));
    }
    return token_of_order_key(best);
  }

  [[nodiscard]] static float logprob(std::span<float const> row, copyspec::Token token) {
    float const greatest = *std::ranges::max_element(row);
    return copyspec::detail::logprob_of(
        greatest, row[static_cast<std::size_t>(token)],
        copyspec::detail::log_of_softmax_sum(copyspec::detail::softmax_sum(row, greatest, 1)));
  }
};

/// What `sampler` draws of row `row` of request `request`, `depth` tokens behind its context.
template <class Scalar, class Sampler>
[[nodiscard]] std::optional<copyspec::Token> draw_token(SampledBatch<Scalar> const& batch, std::size_t request,
                                                        std::size_t row, std::size_t depth, Sampler& sampler) {
  auto const begin = static_cast<std::size_t>(batch.offsets[request]);
  return sampler.draw(floats_of(batch.row(begin + request + row)), batch.options[request], batch.parameters[request],
                      batch.parameters[request].position + depth);
}

/// A random batch of requests with random options, whose draft tokens are mostly what their rows draw.
template <class Scalar>
[[nodiscard]] SampledBatch<Scalar> random_sampled_batch(std::mt19937& random, BatchOptions const& options) {
  SampledBatch<Scalar> batch{random_batch<Scalar>(random, options), {}, {}};
  for (std::size_t request = 0; request < options.max_requests; ++request) {
    batch.options.push_back(random_sampling(random));
    std::size_t const position = random() % 2 == 0 ? random() % 100 : std::size_t{random()} * 3;
    batch.parameters.push_back(copyspec::cuda::SamplingParameters::of(batch.options.back(), position));
  }
  // Values that are seldom equal, or extreme.
  std::size_t const kind = random() % 3;
  for (std::size_t i = 0; i < batch.row_count && kind > 0; ++i) {
    for (Scalar& logit : batch.row(i)) {
      if (random() % 16 == 0) continue;
      if constexpr (sizeof(Scalar) == 4)
        logit = kind == 1 || random() % 8 != 0 ? std::normal_distribution<float>(0, 4)(random)
                                               : copyspec::detail::float_from_bits(static_cast<std::uint32_t>(
                                                     (0x7F7FFFFFU - random() % 0x2000000U) | (random() % 2 << 31U)));
      else
        logit = {static_cast<std::uint16_t>((random() % 2 << 15U) | (0x3000U + random() % 0x1200U))};
    }
    if (kind == 2 && random() % 4 == 0) batch.row(i)[random() % batch.vocabulary] = special<Scalar>(infinity);
  }
  PlainSampler sampler;
  for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
    auto const begin = static_cast<std::size_t>(batch.offsets[request]);
    auto const end = static_cast<std::size_t>(batch.offsets[request + 1]);
    std::vector<std::size_t> depths = {0};
    for (std::size_t node = begin; node < end; ++node) {
      std::size_t const row = batch.trees ? static_cast<std::size_t>(batch.parents[node] + 1) : node - begin;
      depths.push_back(depths[row] + 1);
      auto const right = draw_token(batch, request, row, depths[row], sampler);
      if (right && random() % options.right_in != 0) batch.tokens[node] = *right;
    }
  }
  return batch;
}

/// What must be decided about a well-formed `batch`, by `sampler` and a plain search for children.
template <class Scalar, class Sampler = PlainSampler>
[[nodiscard]] SampledVerdicts expected_verdicts(SampledBatch<Scalar> const& batch, Sampler sampler = {}) {
  using copyspec::cuda::VerifyStatus;
  SampledVerdicts expected{poisoned(batch.limits), {}};
  std::size_t const room = batch.limits.max_draft_length;
  expected.logprobs.assign(batch.limits.max_requests * (room + 1), static_cast<float>(poison));
  for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
    auto const begin = static_cast<std::size_t>(batch.offsets[request]);
    std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
    auto const emitted = std::span(expected.verdicts.emitted).subspan(request * (room + 1), room + 1);
    auto const logprobs = std::span(expected.logprobs).subspan(request * (room + 1), room + 1);
    auto const path = std::span(expected.verdicts.path).subspan(request * room, room);
    std::ranges::fill(emitted, -1);
    std::ranges::fill(logprobs, 0.0F);
    std::ranges::fill(path, -1);
    copyspec::cuda::BatchVerdict verdict{};
    for (std::size_t row = 0;;) {
      auto const depth = static_cast<std::size_t>(verdict.accepted);
      std::optional<copyspec::Token> const token = draw_token(batch, request, row, depth, sampler);
      verdict.next = token.value_or(-1);
      if (!token) {
        verdict.status = VerifyStatus::invalid_row;
        break;
      }
      emitted[depth] = *token;
      if (batch.parameters[request].logprobs != 0)
        logprobs[depth] = sampler.logprob(floats_of(batch.row(begin + request + row)), *token);
      std::optional<std::size_t> child;
      for (std::size_t node = 0; node < length && !child; ++node) {
        auto const parent = batch.trees ? static_cast<std::size_t>(batch.parents[begin + node] + 1) : node;
        if (parent == row && batch.tokens[begin + node] == *token) child = node;
      }
      if (!child) break;
      path[depth] = static_cast<std::int32_t>(*child);
      ++verdict.accepted;
      row = *child + 1;
    }
    expected.verdicts.verdicts[request] = verdict;
  }
  return expected;
}
