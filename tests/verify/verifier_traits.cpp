// SPDX-License-Identifier: MIT
#include <copyspec/verify/verifier_traits.hpp>

#include <doctest/doctest.h>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/rejection_verifier.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

using copyspec::DeviceLogitsView;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingSequenceVerifier;
using copyspec::SamplingVerifier;
using copyspec::SequenceVerifier;

TEST_CASE("verifiers of sequences are for rows in host memory") {
  static_assert(SequenceVerifier<GreedyVerifier, LogitsView<float>>);
  static_assert(SequenceVerifier<SamplingVerifier, LogitsView<float>>);
  static_assert(SequenceVerifier<RejectionVerifier, LogitsView<float>>);
  static_assert(!SequenceVerifier<GreedyVerifier, DeviceLogitsView<float>>);
  static_assert(!SequenceVerifier<int, LogitsView<float>>);
}

TEST_CASE("verifiers that sample are told from those that do not") {
  static_assert(SamplingSequenceVerifier<SamplingVerifier>);
  static_assert(SamplingSequenceVerifier<RejectionVerifier>);
  static_assert(!SamplingSequenceVerifier<GreedyVerifier>);
}
