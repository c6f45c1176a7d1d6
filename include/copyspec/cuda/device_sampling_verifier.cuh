// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <unordered_map>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"
#include "../model/device_logits.hpp"
#include "../verify/batch_verifier.hpp"
#include "../verify/fresh_seed.hpp"
#include "../verify/sampling_options.hpp"
#include "device_verifier.cuh"
#include "draft_batch.hpp"
#include "sample_verify.cuh"
#include "sampling_parameters.hpp"
#include "verdict_batch.hpp"
#include "workspace.cuh"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The method of a `DeviceVerifier` that runs `sample_verify`: all sequences are drawn with the same options. Without a
/// seed in them, each turn has a fresh one.
class SamplingMethod {
 public:
  static constexpr std::size_t request_bytes = sizeof(cuda::SamplingParameters);
  static_assert(request_bytes % 8 == 0);

  /// Throws `Error` for invalid options, and for options that only the host supports.
  explicit SamplingMethod(SamplingOptions const& options)
      : parameters_(cuda::SamplingParameters::of(with_seed(options), 0)), seed_named_(options.seed.has_value()) {
    require_valid(options, std::numeric_limits<Token>::max());
    if (options.typical_p < 1 || options.penalties.any() || options.dry.multiplier != 0 ||
        !options.logit_bias.empty() || options.logprobs || options.hooks)
      raise_error(
          ErrorCode::bad_options,
          "sampling on a device: typical_p, penalties, bias, hooks and log-probabilities need the host's verifier");
  }

  void on_turn_begin(SequenceId sequence) {
    if (!seed_named_) seeds_[sequence] = fresh_seed();
  }
  void on_turn_end(SequenceId sequence) noexcept { seeds_.erase(sequence); }

  void stage(std::span<VerifyInput const> trials, unsigned char* memory) const noexcept {
    cuda::SamplingParameters parameters = parameters_;
    auto* const staged = reinterpret_cast<cuda::SamplingParameters*>(memory);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      auto const own = seeds_.find(trials[i].sequence);
      parameters.seed = own == seeds_.end() ? parameters_.seed : own->second;
      parameters.position = trials[i].length;
      std::construct_at(staged + i, parameters);
    }
  }

  template <class Scalar>
  [[nodiscard]] static std::size_t scratch_bytes(cuda::VerifyLimits const& limits, std::size_t vocabulary) noexcept {
    return cuda::sample_verify_scratch_bytes<Scalar>(limits, vocabulary);
  }

  template <class Scalar>
  [[nodiscard]] static cudaError_t launch(DeviceLogitsView<Scalar> rows, cuda::DraftBatchView const& drafts,
                                          unsigned char const* staged, cuda::VerdictBatchView const& verdicts,
                                          cuda::Workspace workspace, cuda::Scratch scratch,
                                          cudaStream_t stream) noexcept {
    cuda::SamplingView const sampling{.parameters = reinterpret_cast<cuda::SamplingParameters const*>(staged)};
    return cuda::sample_verify(rows, drafts, sampling, verdicts, workspace, scratch, stream);
  }

 private:
  [[nodiscard]] static SamplingOptions with_seed(SamplingOptions options) {
    if (!options.seed) options.seed = fresh_seed();
    return options;
  }

  cuda::SamplingParameters parameters_;
  bool seed_named_;
  std::unordered_map<SequenceId, std::uint64_t> seeds_;  // of turns that have begun, unless the options name one
};

}  // namespace detail
namespace cuda {

/// Draws the tokens that `SamplingVerifier` draws with the same options, from rows in device memory. A `BatchVerifier`
/// for a `DeviceModel`; everything in `DeviceVerifier` applies. Where the options name no seed, each turn has a
/// `fresh_seed`.
class DeviceSamplingVerifier : public DeviceVerifier<detail::SamplingMethod> {
 public:
  explicit DeviceSamplingVerifier(SamplingOptions const& sampling, DeviceVerifierOptions const& options = {})
      : DeviceVerifier(options, detail::SamplingMethod(sampling)) {}

  /// See `TurnBeginVerifier` and `TurnEndVerifier`. A turn that is not told of has the seed of the verifier.
  void on_turn_begin(SequenceId sequence, std::span<Token const> /*context*/, std::size_t /*prompt*/) {
    method().on_turn_begin(sequence);
  }
  void on_turn_end(SequenceId sequence, std::span<Token const> /*context*/, std::size_t /*answer*/) noexcept {
    method().on_turn_end(sequence);
  }
};

}  // namespace cuda
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
