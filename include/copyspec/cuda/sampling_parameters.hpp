// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/assert.hpp"
#include "../core/version.hpp"
#include "../detail/host_device.hpp"
#include "../verify/filter_rule.hpp"
#include "../verify/sampling_options.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// How the tokens of one request are drawn. Trivially copyable.
///
/// Supports the temperature, top-k, top-p, min-p and the log-probability of the drawn token of `SamplingOptions`. The
/// rest stays on the host: typical-p, bias, penalties, hooks, and log-probabilities of the likeliest tokens.
struct SamplingParameters {
  std::uint64_t seed = 0;
  std::uint64_t position = 0;     ///< Of the token that row 0 decides: the length of its context.
  detail::FilterRule filters;     ///< Without typical-p.
  float inverse_temperature = 1;  ///< Zero draws the greatest logit.
  std::uint32_t logprobs = 0;     ///< Whether to compute log-probabilities: 0 or 1.

  /// The parameters for valid `options` and a context of `position` tokens. Requires a seed, except at temperature
  /// zero.
  [[nodiscard]] static SamplingParameters of(SamplingOptions const& options, std::size_t position) noexcept {
    COPYSPEC_ASSERT(options.temperature == 0 || options.seed, "the options name a seed");
    return {.seed = options.seed.value_or(0),
            .position = position,
            .filters = detail::FilterRule::of(options),
            .inverse_temperature = options.temperature == 0 ? 0 : 1 / options.temperature,
            .logprobs = options.logprobs ? 1U : 0U};
  }

  /// Whether a row can be drawn from with these parameters.
  [[nodiscard]] COPYSPEC_HOST_DEVICE bool valid() const noexcept {
    return inverse_temperature >= 0 && inverse_temperature < detail::FilterRule::anywhere && filters.scale > 0 &&
           filters.scale < detail::FilterRule::anywhere && filters.typical_share == detail::FilterRule::whole &&
           filters.top_share <= detail::FilterRule::whole && filters.farthest >= 0;
  }

  /// The filters that can exclude a token of a row of `vocabulary` logits.
  [[nodiscard]] COPYSPEC_HOST_DEVICE detail::FilterRule filters_for(std::uint32_t vocabulary) const noexcept {
    detail::FilterRule rule = filters;
    if (rule.top_k >= vocabulary) rule.top_k = 0;
    // Filters never exclude the greatest logit.
    if (inverse_temperature == 0) {
      rule.top_k = 0;
      rule.top_share = detail::FilterRule::whole;
      rule.farthest = detail::FilterRule::anywhere;
    }
    return rule;
  }
};

/// How the requests of a batch are drawn, in device memory. Non-owning: the arrays must stay valid until the kernel has
/// run.
struct SamplingView {
  /// [max_requests]; only those of existing requests are used.
  SamplingParameters const* parameters = nullptr;
  /// [max_requests, max_draft_length + 1], like `VerdictBatchView::emitted`: the log-probability of each emitted token
  /// in the softmax of its row where the request asks for it, and 0 elsewhere. May be null.
  float* logprobs = nullptr;
};

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
