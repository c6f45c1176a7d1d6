// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../logit_format.hpp"
#include "draft_row.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Whether `Visit` accepts whole vectors.
template <class Visit, cuda::LogitFormat format>
concept VectorVisit = requires(Visit& visit, LogitVector vector) {
  visit.template vector<format>(vector, 0U);
};

/// Visits one thread's share of a tile in ascending order: `visit(logit, token)` for each logit, or
/// `visit.vector<format>(vector, first token)` for whole vectors if `visit` has it. The share depends only on the tile,
/// the thread and the team. Between its unaligned ends, the tile is read in whole vectors.
template <cuda::LogitFormat format, class Visit, class Team>
COPYSPEC_HOST_DEVICE void scan_tile(TiledRow const& row, std::uint32_t tile, std::uint32_t thread, Visit&& visit,
                                    Team const& team) {
  constexpr std::uint32_t length = vector_length(format);
  // Enough loads in flight to hide memory latency.
  constexpr std::uint32_t ahead = 4;
  std::uint32_t const begin = row.begin(tile);
  std::uint32_t const end = row.end(tile);
  auto const address = reinterpret_cast<std::uintptr_t>(row.data + std::size_t{begin} * scalar_bytes(format));
  auto const unaligned = static_cast<std::uint32_t>((16 - address % 16) % 16) / scalar_bytes(format);
  std::uint32_t const body = unaligned < end - begin ? begin + unaligned : end;
  std::uint32_t const vectors = (end - body) / length;

  // The visit may be long, so the code has one instance of it for each logit of a vector, and no more.
  auto const visit_range = [&](std::uint32_t first, std::uint32_t last) {
    COPYSPEC_NO_UNROLL
    for (std::uint32_t token = first + thread; token < last; token += team.size())
      visit(logit_in_row<format>(row.data, token), token);
  };
  auto const load = [&](std::uint32_t index) {
    return index < vectors ? team.vector(row.data + std::size_t{body} * scalar_bytes(format) + std::size_t{index} * 16)
                           : LogitVector{};
  };
  visit_range(begin, body);
  LogitVector loaded[ahead];
  for (std::uint32_t i = 0; i < ahead; ++i) loaded[i] = load(thread + i * team.size());
  COPYSPEC_NO_UNROLL
  for (std::uint32_t next = thread; next < vectors; next += team.size()) {
    LogitVector const vector = loaded[0];
    for (std::uint32_t i = 1; i < ahead; ++i) loaded[i - 1] = loaded[i];
    loaded[ahead - 1] = load(next + ahead * team.size());
    std::uint32_t const first = body + next * length;
    if constexpr (VectorVisit<Visit, format>) {
      visit.template vector<format>(vector, first);
    } else {
      for (std::uint32_t i = 0; i < length; ++i) visit(logit_at<format>(vector, i), first + i);
    }
  }
  visit_range(body + vectors * length, end);
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
