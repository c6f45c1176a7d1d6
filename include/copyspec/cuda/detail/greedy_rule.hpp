// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../verdict_batch.hpp"
#include "draft_row.hpp"
#include "running_best.hpp"
#include "scan_tile.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The best logit of a tile, known at least to the leader.
template <cuda::LogitFormat format, class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE BestWord best_logit(TiledRow const& row, std::uint32_t tile, Team& team) {
  return team.greatest([&](std::uint32_t thread) {
    RunningBest best;
    scan_tile<format>(
        row, tile, thread, [&](float logit, std::uint32_t token) { best.offer(logit, token); }, team);
    return best.word();
  });
}

/// Decides by the greatest logit; of equal logits, the lowest token. A rule of `verify_tile`.
struct GreedyRule {
  static constexpr unsigned least_blocks = 6;

  [[nodiscard]] COPYSPEC_HOST_DEVICE static constexpr cuda::VerifyStatus status(std::uint32_t /*request*/) noexcept {
    return cuda::VerifyStatus::ok;
  }
  [[nodiscard]] COPYSPEC_HOST_DEVICE static constexpr bool completes(std::uint32_t /*request*/,
                                                                     std::uint32_t /*vocabulary*/) noexcept {
    return false;
  }
  template <cuda::LogitFormat format, class Team>
  [[nodiscard]] COPYSPEC_HOST_DEVICE static BestWord scan(DraftRow const& row, std::uint32_t tile, Team& team) {
    return best_logit<format>(row.logits, tile, team);
  }
  template <cuda::LogitFormat format, class Team>
  COPYSPEC_HOST_DEVICE static void complete(DraftRow const& /*row*/, BestWord* /*word*/, Team& /*team*/) noexcept {}
  template <class Team>
  COPYSPEC_HOST_DEVICE static void emit(std::size_t /*place*/, std::uint32_t /*request*/, std::size_t /*entry*/,
                                        Team& /*team*/) noexcept {}
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
