// SPDX-License-Identifier: MIT
#include <copyspec/verify/verifier_traits.hpp>

#include <doctest/doctest.h>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/rejection_verifier.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <cstddef>
#include <span>

using copyspec::DeviceLogitsView;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingSequenceVerifier;
using copyspec::SamplingVerifier;
using copyspec::SequenceVerifier;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerifierTraits;
using copyspec::WorkspaceSharingVerifier;

TEST_CASE("verifiers of sequences are for rows in host memory") {
  static_assert(SequenceVerifier<GreedyVerifier, LogitsView<float>>);
  static_assert(SequenceVerifier<SamplingVerifier, LogitsView<float>>);
  static_assert(SequenceVerifier<RejectionVerifier, LogitsView<float>>);
  static_assert(!SequenceVerifier<GreedyVerifier, DeviceLogitsView<float>>);
  static_assert(!SequenceVerifier<int, LogitsView<float>>);
}

namespace {

struct Sharing {
  Verdict verify(LogitsView<float>, std::span<Token const>, std::size_t) { return {}; }
  void detach_workspace() { ++detached; }
  int detached = 0;
};

}  // namespace

TEST_CASE("a verifier that shares memory with its copies is told to detach it, others are left alone") {
  static_assert(WorkspaceSharingVerifier<SamplingVerifier>);
  static_assert(WorkspaceSharingVerifier<RejectionVerifier>);
  static_assert(!WorkspaceSharingVerifier<GreedyVerifier>);
  Sharing sharing;
  VerifierTraits<Sharing>::detach_workspace(sharing);
  CHECK(sharing.detached == 1);
  GreedyVerifier greedy;
  VerifierTraits<GreedyVerifier>::detach_workspace(greedy);
  VerifierTraits<GreedyVerifier>::begin_turn(greedy, {});
  VerifierTraits<GreedyVerifier>::on_fork(greedy, 3);
}

TEST_CASE("verifiers that sample are told from those that do not") {
  static_assert(SamplingSequenceVerifier<SamplingVerifier>);
  static_assert(SamplingSequenceVerifier<RejectionVerifier>);
  static_assert(!SamplingSequenceVerifier<GreedyVerifier>);
}
