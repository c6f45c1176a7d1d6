// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"
#include "../../detail/host_device.hpp"
#include "../../detail/softmax_sum.hpp"
#include "../draft_batch.hpp"
#include "../logit_format.hpp"
#include "../sampling_parameters.hpp"
#include "../verdict_batch.hpp"
#include "draft_row.hpp"
#include "draw_row.hpp"
#include "greedy_rule.hpp"
#include "running_best.hpp"
#include "sampled_best.hpp"
#include "scan_tile.hpp"
#include "verify_workspace.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Draws each row's token by `SamplingParameters`: the token that `TokenSampler` draws from the same bits. A rule of
/// `verify_tile`.
///
/// Without filters, scores take the place of logits. With filters, a tile stores the greatest logits that its threads
/// have seen, and the last team to finish a row draws its token.
struct SamplingRule {
  static constexpr unsigned least_blocks = 4;

  cuda::SamplingView sampling;
  std::uint32_t* maxima = nullptr;  ///< [rows, tiles, team size]: arbitrary contents before a launch.
  float* row_logprobs = nullptr;    ///< [rows]: arbitrary contents before a launch.
  std::uint32_t list_capacity = 0;  ///< See `RowCandidates`.

  [[nodiscard]] COPYSPEC_HOST_DEVICE cuda::VerifyStatus status(std::uint32_t request) const noexcept {
    return sampling.parameters[request].valid() ? cuda::VerifyStatus::ok : cuda::VerifyStatus::bad_sampling;
  }

  [[nodiscard]] COPYSPEC_HOST_DEVICE bool completes(std::uint32_t request, std::uint32_t vocabulary) const noexcept {
    return wants_logprobs(request) || sampling.parameters[request].filters_for(vocabulary).any();
  }

  template <cuda::LogitFormat format, class Team>
  [[nodiscard]] COPYSPEC_HOST_DEVICE BestWord scan(DraftRow const& row, std::uint32_t tile, Team& team) const {
    cuda::SamplingParameters const& parameters = sampling.parameters[row.request];
    bool const filtered = parameters.filters_for(row.logits.vocabulary).any();
    if (parameters.inverse_temperature == 0) return best_logit<format>(row.logits, tile, team);
    if (!filtered) {
      NoiseStream const stream = stream_of(row, team);
      float const inverse_temperature = parameters.inverse_temperature;
      return team.greatest([&](std::uint32_t thread) {
        SampledBest best(stream, inverse_temperature);
        scan_tile<format>(row.logits, tile, thread, best, team);
        return best.word();
      });
    }
    std::uint32_t* const seen = maxima_of(row, team) + std::size_t{tile} * team.size();
    return team.greatest([&](std::uint32_t thread) {
      RunningBest best;
      scan_tile<format>(
          row.logits, tile, thread, [&](float logit, std::uint32_t token) { best.offer(logit, token); }, team);
      BestWord const word = best.word();
      team.write(seen + thread, static_cast<std::uint32_t>(word >> 32U));
      return word;
    });
  }

  template <cuda::LogitFormat format, class Team>
  COPYSPEC_HOST_DEVICE void complete(DraftRow const& row, BestWord* word, Team& team) const {
    BestWord const found = team.read(word);
    if (token_of(found) == no_token) return;
    cuda::SamplingParameters const& parameters = sampling.parameters[row.request];
    FilterRule const filters = parameters.filters_for(row.logits.vocabulary);
    Token token = token_of(found);
    if (filters.any()) {
      NoiseStream const stream = stream_of(row, team);
      RowCandidates<format, Team> candidates(row.logits, maxima_of(row, team), found, filters.scale, list_capacity,
                                             team);
      BestWord const drawn = draw_row<format>(row.logits, {filters, stream, parameters.inverse_temperature}, candidates,
                                              value_of_order_key(found), team);
      token = static_cast<Token>(team.lead([&] {
        team.write(word, drawn);
        return static_cast<std::uint32_t>(token_of(drawn));
      }));
    }
    if (!wants_logprobs(row.request)) return;
    float const greatest = filters.any() || parameters.inverse_temperature == 0
                               ? value_of_order_key(found)
                               : greatest_logit<format>(row.logits, team);
    std::uint64_t const mass = mass_of_row<format>(row.logits, greatest, 1, team);
    team.lead([&] {
      float const logit = logit_in_row<format>(row.logits.data, static_cast<std::size_t>(token));
      team.write(row_logprobs + row.entry, logprob_of(greatest, logit, log_of_softmax_sum(mass)));
      return 0U;
    });
  }

  template <class Team>
  COPYSPEC_HOST_DEVICE void emit(std::size_t place, std::uint32_t request, std::size_t entry, Team& team) const {
    if (sampling.logprobs == nullptr) return;
    bool const said = entry != no_entry && sampling.parameters[request].logprobs != 0;
    sampling.logprobs[place] = said ? team.read(row_logprobs + entry) : 0.0F;
  }

 private:
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool wants_logprobs(std::uint32_t request) const noexcept {
    return sampling.logprobs != nullptr && sampling.parameters[request].logprobs != 0;
  }

  template <class Team>
  [[nodiscard]] COPYSPEC_HOST_DEVICE NoiseStream stream_of(DraftRow const& row, Team& team) const {
    cuda::SamplingParameters const& parameters = sampling.parameters[row.request];
    return {.seed = parameters.seed, .position = parameters.position + depth_of(row.draft, row.row, team)};
  }

  template <class Team>
  [[nodiscard]] COPYSPEC_HOST_DEVICE std::uint32_t* maxima_of(DraftRow const& row, Team const& team) const noexcept {
    return maxima + row.entry * row.logits.geometry.tiles * team.size();
  }

  // Known to all threads.
  template <cuda::LogitFormat format, class Team>
  [[nodiscard]] COPYSPEC_HOST_DEVICE static float greatest_logit(TiledRow const& row, Team& team) {
    BestWord const word = team.greatest([&](std::uint32_t thread) {
      RunningBest best;
      for (std::uint32_t tile = 0; tile < row.geometry.tiles; ++tile)
        scan_tile<format>(
            row, tile, thread, [&](float logit, std::uint32_t token) { best.offer(logit, token); }, team);
      return best.word();
    });
    return value_of_ordered(team.lead([&] { return static_cast<std::uint32_t>(word >> 32U); }));
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
