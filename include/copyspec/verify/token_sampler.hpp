// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../detail/gumbel_noise.hpp"
#include "detail/block_maxima.hpp"
#include "detail/sampling_filters.hpp"
#include "greedy_token.hpp"
#include "sampling_options.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What tokens of a row are compared by when one is drawn at `position`; the greatest score is drawn, of those that the
/// filters leave. At temperature zero it is the logit, otherwise logit / temperature plus the noise of the token, which
/// requires a seed.
[[nodiscard]] inline float sampling_score(float logit, Token token, SamplingOptions const& options,
                                          std::size_t position) noexcept {
  if (options.temperature == 0) return logit;
  COPYSPEC_ASSERT(options.seed, "the options name a seed");
  detail::NoiseStream const noise{.seed = *options.seed, .position = position};
  return detail::gumbel_score(logit, 1 / options.temperature, noise.word(token));
}

/// Draws a token from a row: of the tokens that the filters keep, the one with the greatest `gumbel_score`; of equal
/// scores, the lowest token. At temperature zero, the one with the greatest logit.
///
/// The result is a function of the row's bits, the options, the seed and the position. Cost: O(row) without filters,
/// mostly one random word per token; with top-k or min-p little more than reading the row. Allocates only for a longer
/// row, or more candidates, than ever before. Threads: one call at a time.
class TokenSampler {
 public:
  /// The token that `row` gives, or nothing if it holds a NaN, or nothing above minus infinity. `position` is the
  /// number of tokens before it. Requires a seed, except at temperature zero.
  [[nodiscard]] std::optional<Token> draw(std::span<float const> row, SamplingOptions const& options,
                                          std::size_t position) {
    detail::FilterRule const rule = detail::FilterRule::of(options);
    bool const greedy = options.temperature == 0;
    if (greedy && !rule.any()) return greedy_token(row);
    if (!maxima_.take(row)) return std::nullopt;
    COPYSPEC_ASSERT(greedy || options.seed, "the options name a seed");
    if (!greedy) stream_ = {.seed = *options.seed, .position = position};
    inverse_temperature_ = greedy ? 0 : 1 / options.temperature;
    best_ = {};
    if (!rule.any()) {
      draw_from_all();
    } else {
      for (detail::Candidate const& candidate : filters_.apply(maxima_, rule))
        if (greedy)
          best_.offer(candidate.logit(), candidate.token());
        else
          offer(candidate.token(), candidate.logit(), stream_.word(candidate.token()));
    }
    return best_.token;
  }

 private:
  struct Best {
    float score = -std::numeric_limits<float>::infinity();
    Token token = std::numeric_limits<Token>::max();

    void offer(float other, Token its_token) noexcept {
      if (other < score || (other == score && its_token > token)) return;
      score = other;
      token = its_token;
    }
  };

  void offer(Token token, float logit, std::uint32_t word) noexcept {
    // The score of another may be minus infinity too, by overflow.
    if (logit == -std::numeric_limits<float>::infinity()) return;
    best_.offer(detail::gumbel_score(logit, inverse_temperature_, word), token);
  }

  // Starts with the block that has the greatest logit, so that few other blocks can hold a better score.
  void draw_from_all() noexcept {
    auto const all = maxima_.all();
    auto const first = static_cast<std::size_t>(std::ranges::max_element(all) - all.begin());
    draw_from(first);
    for (std::size_t b = 0; b < all.size(); ++b)
      if (b != first && may_be_best(all[b], detail::max_noise)) draw_from(b);
  }

  [[nodiscard]] bool may_be_best(float logit, float noise) const noexcept {
    return detail::may_reach(best_.score, logit, inverse_temperature_, noise);
  }

  // The random words of a block are drawn together. Its least word has the greatest noise, and even with the greatest
  // logit that rarely suffices. Scores are computed only where it does.
  void draw_from(std::size_t index) noexcept {
    constexpr std::size_t size = detail::BlockMaxima::block;
    std::size_t const begin = index * size;
    auto const words =
        detail::philox4x32_run<size / 4>(stream_.counter(static_cast<std::uint32_t>(begin / 4)), stream_.key());
    // Halved, they are signed numbers, whose minimum has a vector instruction on every machine.
    std::array<std::int32_t, size / 4> halves;
    halves.fill(std::numeric_limits<std::int32_t>::max());
    for (auto const& run : words)
      for (std::size_t i = 0; i < size / 4; ++i)
        halves[i] = std::min(halves[i], static_cast<std::int32_t>(run[i] >> 1U));
    auto const least = 2 * static_cast<std::uint32_t>(*std::ranges::min_element(halves));
    float const noise = detail::noise_bound(least);
    if (!may_be_best(maxima_.of(index), noise)) return;
    std::span<float const> const logits = maxima_.row().subspan(begin);
    for (std::size_t i = 0; i < std::min(size, logits.size()); ++i)
      if (may_be_best(logits[i], noise)) offer(static_cast<Token>(begin + i), logits[i], words[i % 4][i / 4]);
  }

  detail::BlockMaxima maxima_;
  detail::SamplingFilters filters_;
  detail::NoiseStream stream_;
  float inverse_temperature_ = 0;
  Best best_;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
