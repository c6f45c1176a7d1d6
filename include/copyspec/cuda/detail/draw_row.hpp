// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/gumbel_noise.hpp"
#include "../../detail/host_device.hpp"
#include "../../detail/order_key.hpp"
#include "../../verify/filter_rule.hpp"
#include "row_candidates.hpp"
#include "running_best.hpp"
#include "sampled_best.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// How to draw from a row.
struct Drawing {
  FilterRule filters;  ///< Without typical-p; top-k is less than the row's length.
  NoiseStream stream;
  float inverse_temperature = 1;  ///< Greater than zero.
};

/// The token that `TokenSampler` draws from a row, with its score, known at least to the leader. `candidates` holds the
/// row and the scale of the filters.
///
/// Top-k, also followed by top-p, reads few of the row's logits. Top-p alone computes a weight for each logit. Min-p
/// alone reads the logits that it keeps.
template <cuda::LogitFormat format, class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE BestWord draw_row(TiledRow const& row, Drawing const& drawing,
                                                     RowCandidates<format, Team>& candidates, float greatest,
                                                     Team& team) {
  FilterRule const& rule = drawing.filters;
  std::uint64_t least = 0;
  if (rule.top_k > 0) {
    candidates.take_greatest(rule.top_k);
    least = candidates.last_of(rule.top_k);
    if (rule.top_share < FilterRule::whole)
      least = candidates.last_of_mass(part_of(candidates.mass(least), rule.top_share));
  } else if (rule.top_share < FilterRule::whole) {
    std::uint64_t const target = part_of(mass_of_row<format>(row, greatest, rule.scale, team), rule.top_share);
    // A few tokens usually suffice.
    candidates.take_within(2);
    if (candidates.mass(0) < target) candidates.take_within(8);
    if (candidates.mass(0) < target) candidates.take(0);
    least = candidates.last_of_mass(target);
  } else {
    candidates.take_within(rule.farthest);
  }
  return team.greatest([&](std::uint32_t thread) {
    SampledBest best(drawing.stream, drawing.inverse_temperature);
    candidates.visit(thread, least, [&](std::uint64_t rank, auto const&) {
      float const logit = value_of_order_key(rank);
      if (!(candidates.distance(logit) > rule.farthest))
        best(logit, static_cast<std::uint32_t>(token_of_order_key(rank)));
    });
    return best.word();
  });
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
