// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../../detail/order_key.hpp"
#include "../../detail/reproducible_math.hpp"
#include "../../detail/softmax_sum.hpp"
#include "draft_row.hpp"
#include "running_best.hpp"
#include "scan_tile.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The `softmax_sum` of a row with this greatest logit, known to all threads. O(row).
template <cuda::LogitFormat format, class Team>
[[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t mass_of_row(TiledRow const& row, float greatest, float scale,
                                                             Team& team) {
  return team.sum([&](std::uint32_t thread) {
    std::uint64_t sum = 0;
    for (std::uint32_t tile = 0; tile < row.geometry.tiles; ++tile)
      scan_tile<format>(
          row, tile, thread,
          [&](float logit, std::uint32_t) { sum += reproducible_weight(distance_below(greatest, logit, scale)); },
          team);
    return sum;
  });
}

/// Bytes of scratch memory, aligned to 8, that a team needs for a list of up to `capacity` candidates.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::size_t candidate_bytes(std::uint32_t capacity,
                                                                         std::uint32_t team_size) noexcept {
  return (2 + 2 * std::size_t{capacity}) * sizeof(std::uint64_t) + team_size * sizeof(std::uint32_t);
}

/// The tokens of a row with a value above minus infinity and a rank of at least some bound. `maxima` holds the greatest
/// logit of each tile and thread; a thread's part of a tile is read only where this reaches the bound. If the
/// candidates fit, they are listed in scratch memory; otherwise the row is read as often as needed. The results do not
/// depend on which. All threads know the result of every member function.
template <cuda::LogitFormat format, class Team>
class RowCandidates {
 public:
  /// `maxima[tile * team.size() + thread]` are ordered bits; `greatest` is the rank of the row's greatest logit.
  COPYSPEC_HOST_DEVICE RowCandidates(TiledRow const& row, std::uint32_t const* maxima, std::uint64_t greatest,
                                     float scale, std::uint32_t capacity, Team& team) noexcept
      : row_(row), maxima_(maxima), greatest_(greatest), scale_(scale), capacity_(capacity), team_(team) {
    auto* const scratch = static_cast<std::uint64_t*>(team.scratch());
    found_ = scratch;
    counter_ = reinterpret_cast<std::uint32_t*>(scratch + 1);
    ranks_ = scratch + 2;
    weights_ = ranks_ + capacity;
    tops_ = reinterpret_cast<std::uint32_t*>(weights_ + capacity);
  }

  /// Below the ranks of all values but minus infinity.
  static constexpr std::uint64_t nothing_ruled_out = std::uint64_t{0x00800000U} << 32U;

  [[nodiscard]] COPYSPEC_HOST_DEVICE float distance(float logit) const noexcept {
    return distance_below(value_of_order_key(greatest_), logit, scale_);
  }

  /// Takes as candidates the tokens with a rank of at least `least`.
  COPYSPEC_HOST_DEVICE void take(std::uint64_t least) {
    least_ = least < nothing_ruled_out ? nothing_ruled_out : least;
    listed_ = false;
    team_.lead([&] { return *counter_ = 0; });
    team_.each([&](std::uint32_t thread) {
      visit(thread, least_, [&](std::uint64_t rank, auto const& weight) {
        std::uint32_t const place = team_.count_up(counter_);
        if (place >= capacity_) return;
        ranks_[place] = rank;
        weights_[place] = weight();
      });
    });
    count_ = team_.lead([&] { return *counter_; });
    listed_ = count_ <= capacity_;
  }

  /// Takes as candidates all tokens whose scaled logits may be within `distance` of the greatest, and possibly some
  /// more.
  COPYSPEC_HOST_DEVICE void take_within(float distance) {
    take(std::uint64_t{ordered_bits(least_within(value_of_order_key(greatest_), distance, scale_))} << 32U);
  }

  /// Takes as candidates the `count` > 0 greatest tokens, and possibly some more.
  COPYSPEC_HOST_DEVICE void take_greatest(std::size_t count) {
    if (count > team_.size()) {
      take(nothing_ruled_out);
      return;
    }
    // Each thread's greatest logit is a different logit. So the `count` greatest logits are all at least the `count`-th
    // greatest of these.
    team_.each([&](std::uint32_t thread) {
      std::uint32_t top = 0;
      for (std::uint32_t tile = 0; tile < row_.geometry.tiles; ++tile) {
        std::uint32_t const other = greatest_seen(tile, thread);
        top = other > top ? other : top;
      }
      tops_[thread] = top;
    });
    team_.each([&](std::uint32_t thread) {
      std::uint32_t const top = tops_[thread];
      std::uint32_t before = 0;
      for (std::uint32_t i = 0; i < team_.size(); ++i)
        before += tops_[i] > top || (tops_[i] == top && i < thread) ? 1 : 0;
      if (before == count - 1) *found_ = std::uint64_t{top} << 32U;
    });
    take(found());
  }

  /// The sum of weights (`reproducible_weight` of the distance) over the candidates with a rank of at least `least`.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t mass(std::uint64_t least) {
    return total(least, greatest_, [](auto const& weight) { return weight(); });
  }

  /// The rank of the last of the `count` > 0 greatest candidates; 0 if there are fewer.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t last_of(std::size_t count) {
    return last_with(count, [](auto const&) { return std::uint64_t{1}; });
  }

  /// The rank of the last of the fewest greatest candidates whose total mass reaches `target` > 0; 0 if it is never
  /// reached.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t last_of_mass(std::uint64_t target) {
    return last_with(target, [](auto const& weight) { return weight(); });
  }

  /// Calls `function(rank, weight)` for a thread's share of the candidates with a rank of at least `least`, in any
  /// order. `weight()` returns the weight.
  template <class Function>
  COPYSPEC_HOST_DEVICE void visit(std::uint32_t thread, std::uint64_t least, Function const& function) {
    least = least < least_ ? least_ : least;
    if (listed_) {
      for (std::uint32_t i = thread; i < count_; i += team_.size())
        if (ranks_[i] >= least) function(ranks_[i], [&] { return weights_[i]; });
      return;
    }
    auto const offer = [&](float logit, std::uint32_t token) {
      std::uint64_t const rank = order_key_of(logit, static_cast<Token>(token));
      if (rank >= least) function(rank, [&] { return reproducible_weight(distance(logit)); });
    };
    // Loads that do not wait for each other, and only one instance of the visit in the code.
    constexpr std::uint32_t group = 8;
    std::uint32_t const tiles = row_.geometry.tiles;
    COPYSPEC_NO_UNROLL
    for (std::uint32_t first = 0; first < tiles; first += group) {
      std::uint32_t wanted = 0;
      for (std::uint32_t i = 0; i < group; ++i) {
        std::uint32_t const top = first + i < tiles ? greatest_seen(first + i, thread) : 0;
        wanted |= top >= least >> 32U ? 1U << i : 0U;
      }
      COPYSPEC_NO_UNROLL
      for (std::uint32_t tile = first; wanted != 0; ++tile, wanted >>= 1U)
        if (wanted % 2 != 0) scan_tile<format>(row_, tile, thread, offer, team_);
    }
  }

 private:
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t greatest_seen(std::uint32_t tile, std::uint32_t thread) const {
    return team_.read(maxima_ + std::size_t{tile} * team_.size() + thread);
  }

  template <class Weigh>
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t total(std::uint64_t least, std::uint64_t most, Weigh const& weigh) {
    return team_.sum([&](std::uint32_t thread) {
      std::uint64_t sum = 0;
      visit(thread, least, [&](std::uint64_t rank, auto const& weight) {
        if (rank <= most) sum += weigh(weight);
      });
      return sum;
    });
  }

  template <class Weigh>
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t last_with(std::uint64_t target, Weigh const& weigh) {
    if (!listed_) return search(target, weigh);
    team_.lead([&] {
      *found_ = 0;
      return 0U;
    });
    team_.each([&](std::uint32_t thread) {
      visit(thread, least_, [&](std::uint64_t rank, auto const& weight) {
        std::uint64_t above = 0;
        for (std::uint32_t i = 0; i < count_; ++i)
          if (ranks_[i] > rank) above += weigh([&] { return weights_[i]; });
        if (above < target && target - above <= weigh(weight)) *found_ = rank;
      });
    });
    return found();
  }

  // Bisection, first over the values, then over the tokens that share one.
  template <class Weigh>
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t search(std::uint64_t target, Weigh const& weigh) {
    std::uint64_t low = least_;
    std::uint64_t high = greatest_;
    if (total(low, high, weigh) < target) return 0;
    // From `low` on, the mass suffices; after `high` it is `above`, which does not.
    std::uint64_t above = 0;
    while (low < high) {
      std::uint64_t const values = (high >> 32U) - (low >> 32U);
      std::uint64_t middle = ((low >> 32U) + (values + 1) / 2) << 32U;
      if (values == 0) {
        std::uint64_t const last = (high >> 32U << 32U) | static_cast<std::uint32_t>(~(row_.vocabulary - 1));
        low = low < last ? last : low;
        middle = low + (high - low + 1) / 2;
      }
      std::uint64_t const between = total(middle, high, weigh);
      if (above + between >= target) {
        low = middle;
      } else {
        above += between;
        high = middle - 1;
      }
    }
    return low;
  }

  // Broadcast by the leader in two halves; no thread may write it again before all have read it.
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint64_t found() {
    std::uint64_t const high = team_.lead([&] { return static_cast<std::uint32_t>(*found_ >> 32U); });
    return high << 32U | team_.lead([&] { return static_cast<std::uint32_t>(*found_); });
  }

  TiledRow row_;
  std::uint32_t const* maxima_;
  std::uint64_t greatest_;
  float scale_;
  std::uint32_t capacity_;
  Team& team_;
  std::uint64_t* found_;
  std::uint32_t* counter_;
  std::uint64_t* ranks_;
  std::uint64_t* weights_;
  std::uint32_t* tops_;
  std::uint64_t least_ = nothing_ruled_out;
  std::uint32_t count_ = 0;
  bool listed_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
