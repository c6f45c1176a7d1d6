// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../host_device.hpp"
#include "logit_format.hpp"
#include "running_best.hpp"

namespace copyspec::inline v0::cuda {

/// What one of `team`'s threads finds in its share of the logits `begin` to `end` of a row: the best of
/// `score(logit, token)`. The row begins anywhere at a logit; between its unaligned ends it is read in whole vectors.
template <LogitFormat format, class Score, class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE BestWord scan_tile(unsigned char const* row, std::uint32_t begin, std::uint32_t end,
                                                      std::uint32_t thread, Score const& score, Team const& team) {
  constexpr std::uint32_t length = vector_length(format);
  // Enough loads under way to cover the latency of memory.
  constexpr std::uint32_t batch = 4;

  RunningBest best;
  auto const offer_range = [&](std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t token = first + thread; token < last; token += team.size())
      best.offer(score(logit_in_row<format>(row, token), token), token);
  };
  auto const offer_vector = [&](LogitVector const& vector, std::uint32_t first) {
    for (std::uint32_t i = 0; i < length; ++i) best.offer(score(logit_at<format>(vector, i), first + i), first + i);
  };

  auto const address = reinterpret_cast<std::uintptr_t>(row + std::size_t{begin} * scalar_bytes(format));
  auto const ahead = static_cast<std::uint32_t>((16 - address % 16) % 16) / scalar_bytes(format);
  std::uint32_t const body = ahead < end - begin ? begin + ahead : end;
  std::uint32_t const vectors = (end - body) / length;
  unsigned char const* const vector = row + std::size_t{body} * scalar_bytes(format);

  offer_range(begin, body);
  std::uint32_t next = thread;
  for (; next + (batch - 1) * team.size() < vectors; next += batch * team.size()) {
    LogitVector loaded[batch];
    for (std::uint32_t i = 0; i < batch; ++i)
      loaded[i] = team.vector(vector + std::size_t{next + i * team.size()} * 16);
    for (std::uint32_t i = 0; i < batch; ++i) offer_vector(loaded[i], body + (next + i * team.size()) * length);
  }
  // Fewer are left than a batch, but they too are under way at the same time.
  LogitVector loaded[batch - 1];
  for (std::uint32_t i = 0; i < batch - 1; ++i)
    if (next + i * team.size() < vectors) loaded[i] = team.vector(vector + std::size_t{next + i * team.size()} * 16);
  for (std::uint32_t i = 0; i < batch - 1; ++i)
    if (next + i * team.size() < vectors) offer_vector(loaded[i], body + (next + i * team.size()) * length);
  offer_range(body + vectors * length, end);
  return best.word();
}

}  // namespace copyspec::inline v0::cuda
