// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../detail/float_bits.hpp"
#include "../../detail/order_key.hpp"
#include "../../detail/reproducible_math.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../filter_rule.hpp"
#include "block_maxima.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A token that may be drawn.
struct Candidate {
  std::uint64_t rank = 0;    ///< `order_key_of` its logit.
  std::uint64_t weight = 0;  ///< `reproducible_weight` of its distance.
  float distance = 0;

  [[nodiscard]] Token token() const noexcept { return token_of_order_key(rank); }
  [[nodiscard]] float logit() const noexcept { return value_of_order_key(rank); }
};

/// Filters a row: finds the tokens that top-k, typical-p, top-p and min-p keep, applied in this order, without sorting
/// the row. Masses are sums of integers, so the result does not depend on the order of summation.
///
/// O(row) where a filter needs the mass of all tokens, otherwise O(candidates) besides `BlockMaxima::take`. Allocates
/// only for more candidates than ever before. Threads: one call at a time.
class SamplingFilters {
 public:
  /// The tokens that `rule` keeps of the row that `maxima` has taken: at least one, in any order. Valid until the next
  /// call.
  [[nodiscard]] std::span<Candidate const> apply(BlockMaxima const& maxima, FilterRule const& rule) {
    greatest_ = maxima.greatest();
    scale_ = rule.scale;
    bool listed = true;
    if (rule.top_k > 0 && rule.top_k < maxima.row().size())
      list_greatest(maxima, rule.top_k);
    else if (rule.typical_share < FilterRule::whole)
      list(maxima, no_weight);
    else
      listed = false;
    if (rule.typical_share < FilterRule::whole) keep_typical(rule.typical_share);
    if (rule.top_share < FilterRule::whole) {
      if (!listed)
        list_mass(maxima, rule.top_share);
      else
        keep_mass(part_of(mass(), rule.top_share), rank);
    } else if (!listed) {
      list(maxima, rule.farthest);
    }
    keep_near(rule.farthest);
    return candidates_;
  }

  /// The `count` tokens with the greatest logits, in descending order. Valid until the next call.
  [[nodiscard]] std::span<Candidate const> greatest(BlockMaxima const& maxima, std::size_t count) {
    greatest_ = maxima.greatest();
    scale_ = 1;
    list_greatest(maxima, count);
    std::ranges::sort(candidates_, std::ranges::greater(), &Candidate::rank);
    return candidates_;
  }

 private:
  // From this distance on, every weight is zero.
  static constexpr float no_weight = 28.5F;

  static std::uint64_t rank(Candidate const& candidate) noexcept { return candidate.rank; }

  [[nodiscard]] float distance(float logit) const noexcept { return distance_below(greatest_, logit, scale_); }

  void add(std::size_t token, float logit) {
    float const distance = this->distance(logit);
    candidates_.push_back({.rank = order_key_of(logit, static_cast<Token>(token)),
                           .weight = reproducible_weight(distance),
                           .distance = distance});
  }

  void list(BlockMaxima const& maxima, float farthest) {
    candidates_.clear();
    maxima.for_each_at_least(least_within(greatest_, farthest, scale_),
                             [&](std::size_t token, float logit) { add(token, logit); });
  }

  // Each of the `count` greatest block maxima is a logit of its own. So none of the `count` greatest logits is less
  // than the least of these maxima.
  void list_greatest(BlockMaxima const& maxima, std::size_t count) {
    float least = -std::numeric_limits<float>::infinity();
    if (count < maxima.blocks()) {
      sorted_.assign(maxima.all().begin(), maxima.all().end());
      auto const last = sorted_.begin() + static_cast<std::ptrdiff_t>(count - 1);
      std::nth_element(sorted_.begin(), last, sorted_.end(), std::greater<>());
      least = *last;
    }
    candidates_.clear();
    maxima.for_each_at_least(least, [&](std::size_t token, float logit) {
      candidates_.push_back({.rank = order_key_of(logit, static_cast<Token>(token))});
    });
    auto const end = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
    std::nth_element(candidates_.begin(), end - 1, candidates_.end(),
                     [](Candidate const& a, Candidate const& b) { return a.rank > b.rank; });
    candidates_.erase(end, candidates_.end());
    for (Candidate& candidate : candidates_) {
      candidate.distance = distance(candidate.logit());
      candidate.weight = reproducible_weight(candidate.distance);
    }
  }

  // Lists the likeliest tokens with at least this share of the mass. A few tokens of the row usually suffice.
  void list_mass(BlockMaxima const& maxima, std::uint64_t share) {
    std::uint64_t const target = part_of(softmax_sum(maxima.row(), greatest_, scale_), share);
    for (float const farthest : {2.0F, 4.0F, 8.0F, 16.0F, no_weight}) {
      list(maxima, farthest);
      if (mass() >= target) break;
    }
    keep_mass(target, rank);
  }

  [[nodiscard]] std::uint64_t mass() const noexcept {
    std::uint64_t sum = 0;
    for (Candidate const& candidate : candidates_) sum += candidate.weight;
    return sum;
  }

  // Keeps the fewest candidates with the greatest keys whose mass reaches `target`. Weighted quickselect.
  template <class Key>
  void keep_mass(std::uint64_t target, Key const& key) {
    auto begin = candidates_.begin();
    auto end = candidates_.end();
    while (begin != end) {
      std::iter_swap(begin + (end - begin) / 2, end - 1);
      auto const pivot = key(*(end - 1));
      auto const middle = std::partition(begin, end - 1, [&](Candidate const& other) { return key(other) > pivot; });
      std::iter_swap(middle, end - 1);
      std::uint64_t before = 0;
      for (auto at = begin; at != middle; ++at) before += at->weight;
      if (before >= target) {
        end = middle;
        continue;
      }
      begin = middle + 1;
      if (before + middle->weight >= target) break;
      target -= before + middle->weight;
    }
    candidates_.erase(begin, candidates_.end());
  }

  // Keeps the tokens whose surprise, -log p, is nearest to the mean surprise. A surprise is a distance plus a constant
  // that is the same for all tokens, so nearest to the mean distance is the same. Candidates at equal deviation are all
  // kept.
  void keep_typical(std::uint64_t share) {
    std::uint64_t weights = 0;
    std::uint64_t moments = 0;
    for (Candidate const& candidate : candidates_) {
      weights += candidate.weight;
      // The product is less than 2^40 / e.
      auto const fixed = static_cast<std::uint64_t>(std::min(candidate.distance, no_weight) * 0x1p20F);
      moments += (candidate.weight * fixed) >> 20U;
    }
    auto const mean = static_cast<float>(static_cast<double>(moments) / static_cast<double>(weights));
    auto const deviation = [&](Candidate const& candidate) { return std::abs(candidate.distance - mean); };
    all_.assign(candidates_.begin(), candidates_.end());
    keep_mass(part_of(weights, share), [&](Candidate const& candidate) {
      return std::uint64_t{~ordered_bits(deviation(candidate))} << 32U | static_cast<std::uint32_t>(candidate.rank);
    });
    float greatest = 0;
    for (Candidate const& candidate : candidates_) greatest = std::max(greatest, deviation(candidate));
    candidates_.clear();
    std::ranges::copy_if(all_, std::back_inserter(candidates_),
                         [&](Candidate const& candidate) { return deviation(candidate) <= greatest; });
  }

  // Keeps the candidates at most `farthest` away from the nearest one.
  void keep_near(float farthest) {
    float nearest = std::numeric_limits<float>::infinity();
    for (Candidate const& candidate : candidates_) nearest = std::min(nearest, candidate.distance);
    std::erase_if(candidates_, [&](Candidate const& candidate) { return candidate.distance - nearest > farthest; });
  }

  float greatest_ = 0;  // logit of the row
  float scale_ = 1;
  std::vector<float> sorted_;
  std::vector<Candidate> candidates_;
  std::vector<Candidate> all_;  // candidates before typical-p
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
