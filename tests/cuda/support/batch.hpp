// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/cuda/draft_batch.hpp"
#include "copyspec/cuda/logit_format.hpp"
#include "copyspec/cuda/verdict_batch.hpp"

/// Logits that a test writes down as bits, so that host and device compilers agree on what they are.
struct Half {
  std::uint16_t bits;
};
struct Brain {
  std::uint16_t bits;
};
template <>
struct copyspec::cuda::LogitFormatOf<Half> {
  static constexpr LogitFormat value = LogitFormat::float16;
};
template <>
struct copyspec::cuda::LogitFormatOf<Brain> {
  static constexpr LogitFormat value = LogitFormat::bfloat16;
};

/// A scalar from eight bits of sign and value: multiples of an eighth, exact in every format.
template <class Scalar>
[[nodiscard]] inline Scalar small_number(int eighths) {
  float const value = static_cast<float>(eighths) / 8.0F;
  if constexpr (sizeof(Scalar) == 4) {
    return value;
  } else {
    std::uint32_t const bits = copyspec::detail::bits_of_float(value);
    if constexpr (copyspec::cuda::LogitFormatOf<Scalar>::value == copyspec::cuda::LogitFormat::bfloat16)
      return {static_cast<std::uint16_t>(bits >> 16U)};
    else if (value == 0.0F)
      return {0};
    else
      return {static_cast<std::uint16_t>(((bits >> 16U) & 0x8000U) | (((bits & 0x7FFFFFFFU) - 0x38000000U) >> 13U))};
  }
}

/// A scalar from the upper sixteen bits of a float that is zero, infinite or no number.
template <class Scalar>
[[nodiscard]] inline Scalar special(std::uint32_t upper) {
  if constexpr (sizeof(Scalar) == 4) {
    return copyspec::detail::float_from_bits(upper << 16U);
  } else if constexpr (copyspec::cuda::LogitFormatOf<Scalar>::value == copyspec::cuda::LogitFormat::bfloat16) {
    return {static_cast<std::uint16_t>(upper)};
  } else {
    std::uint32_t const exponent = (upper & 0x7F80U) == 0 ? 0U : 0x7C00U;
    return {static_cast<std::uint16_t>((upper & 0x8000U) | exponent | ((upper & 0x7FU) << 3U))};
  }
}

inline constexpr std::uint32_t minus_zero = 0x8000;
inline constexpr std::uint32_t infinity = 0x7F80;
inline constexpr std::uint32_t minus_infinity = 0xFF80;
inline constexpr std::uint32_t not_a_number = 0x7FC0;

/// A batch to be verified, in host memory.
template <class Scalar>
struct Batch {
  copyspec::cuda::VerifyLimits limits;
  std::int32_t request_count = 0;
  bool use_count = true;
  bool trees = false;
  std::vector<std::int32_t> offsets;
  std::vector<copyspec::Token> tokens;
  std::vector<std::int32_t> parents;
  std::uint32_t vocabulary = 0;
  std::size_t stride = 0;
  std::size_t row_count = 0;
  std::size_t first_logit = 0;  // so that rows begin unaligned
  std::vector<Scalar> logits;

  [[nodiscard]] std::span<Scalar const> row(std::size_t index) const {
    return std::span<Scalar const>(logits).subspan(first_logit + index * stride, vocabulary);
  }
  [[nodiscard]] std::span<Scalar> row(std::size_t index) {
    return std::span<Scalar>(logits).subspan(first_logit + index * stride, vocabulary);
  }
};

/// The outputs of a verification, in host memory.
struct Verdicts {
  copyspec::cuda::VerifyLimits limits;
  std::vector<copyspec::cuda::BatchVerdict> verdicts;
  std::vector<copyspec::Token> emitted;
  std::vector<std::int32_t> path;
};

inline constexpr std::int32_t poison = -77;

[[nodiscard]] inline bool operator==(Verdicts const& a, Verdicts const& b) {
  auto const same = [](copyspec::cuda::BatchVerdict const& x, copyspec::cuda::BatchVerdict const& y) {
    return x.accepted == y.accepted && x.next == y.next && x.status == y.status;
  };
  return std::ranges::equal(a.verdicts, b.verdicts, same) && a.emitted == b.emitted && a.path == b.path;
}

/// Outputs that say what nobody can have written.
[[nodiscard]] inline Verdicts poisoned(copyspec::cuda::VerifyLimits const& limits) {
  std::size_t const requests = limits.max_requests;
  std::size_t const length = limits.max_draft_length;
  return {.limits = limits,
          .verdicts = std::vector<copyspec::cuda::BatchVerdict>(
              requests, {poison, poison, static_cast<copyspec::cuda::VerifyStatus>(poison)}),
          .emitted = std::vector<copyspec::Token>(requests * (length + 1), poison),
          .path = std::vector<std::int32_t>(requests * length, poison)};
}

[[nodiscard]] inline copyspec::cuda::VerdictBatchView view(Verdicts& verdicts) {
  return {.verdicts = verdicts.verdicts.data(), .emitted = verdicts.emitted.data(), .path = verdicts.path.data()};
}

/// What a random batch is like.
struct BatchOptions {
  std::uint32_t max_requests = 5;
  std::uint32_t max_draft_length = 6;
  std::uint32_t vocabulary = 40;
  bool trees = false;
  std::uint32_t values = 24;      // how many different logits there are
  std::uint32_t right_in = 8;     // of so many draft tokens, all but one are right
  std::uint32_t invalid_in = 20;  // one of so many rows gives no token
};

/// The lowest index of the greatest value, from bits alone, by a scan; nothing if the row holds a NaN or nothing above
/// minus infinity. Shares no code with the library.
template <class Scalar>
[[nodiscard]] std::optional<copyspec::Token> scan_row(std::span<Scalar const> row) {
  std::optional<copyspec::Token> token;
  std::int64_t best = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &row[i], sizeof(Scalar));
    std::uint32_t const sign = 1U << (8 * sizeof(Scalar) - 1);
    std::uint32_t const infinite =
        sizeof(Scalar) == 4                                                                    ? 0x7F800000U
        : copyspec::cuda::LogitFormatOf<Scalar>::value == copyspec::cuda::LogitFormat::float16 ? 0x7C00U
                                                                                               : 0x7F80U;
    std::int64_t const magnitude = bits & (sign - 1);
    if (magnitude > infinite) return std::nullopt;
    std::int64_t const value = (bits & sign) != 0 ? -magnitude : magnitude;
    if (value == -static_cast<std::int64_t>(infinite)) continue;
    if (token && value <= best) continue;
    best = value;
    token = static_cast<copyspec::Token>(i);
  }
  return token;
}

/// A batch at random: ragged, with drafts mostly right, rows apart from each other and NaN between them.
template <class Scalar>
[[nodiscard]] Batch<Scalar> random_batch(std::mt19937& random, BatchOptions const& options) {
  auto const below = [&](std::size_t bound) { return static_cast<std::uint32_t>(random() % bound); };
  Batch<Scalar> batch;
  batch.limits = {.max_requests = options.max_requests, .max_draft_length = options.max_draft_length};
  batch.request_count = static_cast<std::int32_t>(below(options.max_requests + 1));
  batch.use_count = below(4) != 0;
  if (!batch.use_count) batch.request_count = static_cast<std::int32_t>(options.max_requests);
  batch.trees = options.trees;
  batch.vocabulary = options.vocabulary;
  batch.stride = options.vocabulary + below(12);
  batch.first_logit = below(9);
  batch.offsets.assign(options.max_requests + 1, poison);
  batch.offsets[0] = static_cast<std::int32_t>(below(3));
  batch.tokens.assign(static_cast<std::size_t>(batch.offsets[0]), 0);
  batch.parents.assign(batch.tokens.size(), -1);
  for (std::int32_t request = 0; request < batch.request_count; ++request) {
    std::uint32_t const length = below(options.max_draft_length + 1);
    for (std::uint32_t node = 0; node < length; ++node) {
      batch.tokens.push_back(static_cast<copyspec::Token>(below(options.vocabulary)));
      // Now and then a long branch, else bushy.
      batch.parents.push_back(below(3) == 0 ? static_cast<std::int32_t>(node) - 1
                                            : static_cast<std::int32_t>(below(node + 1)) - 1);
    }
    batch.offsets[static_cast<std::size_t>(request) + 1] = static_cast<std::int32_t>(batch.tokens.size());
  }
  batch.row_count = batch.tokens.size() + static_cast<std::size_t>(batch.request_count);
  batch.logits.assign(batch.first_logit + batch.row_count * batch.stride + 3, special<Scalar>(not_a_number));
  for (std::size_t i = 0; i < batch.row_count; ++i) {
    for (Scalar& logit : batch.row(i)) {
      logit = small_number<Scalar>(static_cast<int>(below(options.values)) - static_cast<int>(options.values) / 2);
      if (below(16) == 0) logit = special<Scalar>(below(2) == 0 ? minus_zero : minus_infinity);
    }
    if (below(options.invalid_in) == 0) {
      if (below(2) == 0)
        batch.row(i)[below(options.vocabulary)] =
            special<Scalar>(below(2) == 0 ? not_a_number : not_a_number | minus_zero);
      else
        std::ranges::fill(batch.row(i), special<Scalar>(minus_infinity));
    }
  }
  for (std::int32_t request = 0; request < batch.request_count; ++request) {
    auto const begin = static_cast<std::size_t>(batch.offsets[static_cast<std::size_t>(request)]);
    auto const end = static_cast<std::size_t>(batch.offsets[static_cast<std::size_t>(request) + 1]);
    for (std::size_t node = begin; node < end; ++node) {
      std::size_t const parent_row = options.trees ? static_cast<std::size_t>(batch.parents[node] + 1) : node - begin;
      auto const right =
          scan_row(std::span<Scalar const>(batch.row(begin + static_cast<std::size_t>(request) + parent_row)));
      if (right && below(options.right_in) != 0) batch.tokens[node] = *right;
    }
  }
  return batch;
}

/// What must be decided about a well-formed `batch`, by a plain search from each node for its children.
template <class Scalar>
[[nodiscard]] Verdicts expected_verdicts(Batch<Scalar> const& batch) {
  using copyspec::cuda::VerifyStatus;
  Verdicts verdicts = poisoned(batch.limits);
  std::size_t const room = batch.limits.max_draft_length;
  for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
    auto const begin = static_cast<std::size_t>(batch.offsets[request]);
    std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
    copyspec::cuda::BatchVerdict verdict{};
    for (std::size_t i = 0; i <= room; ++i) verdicts.emitted[request * (room + 1) + i] = -1;
    for (std::size_t i = 0; i < room; ++i) verdicts.path[request * room + i] = -1;
    for (std::size_t row = 0;;) {
      std::optional<copyspec::Token> const token = scan_row(batch.row(begin + request + row));
      verdict.next = token.value_or(-1);
      if (!token) {
        verdict.status = VerifyStatus::invalid_row;
        break;
      }
      auto const emitted = static_cast<std::size_t>(verdict.accepted);
      verdicts.emitted[request * (room + 1) + emitted] = *token;
      std::optional<std::size_t> child;
      for (std::size_t node = 0; node < length && !child; ++node) {
        auto const parent = batch.trees ? static_cast<std::size_t>(batch.parents[begin + node] + 1) : node;
        if (parent == row && batch.tokens[begin + node] == *token) child = node;
      }
      if (!child) break;
      verdicts.path[request * room + emitted] = static_cast<std::int32_t>(*child);
      ++verdict.accepted;
      row = *child + 1;
    }
    verdicts.verdicts[request] = verdict;
  }
  return verdicts;
}
