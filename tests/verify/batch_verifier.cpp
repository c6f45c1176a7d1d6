// SPDX-License-Identifier: MIT
#include <copyspec/verify/batch_verifier.hpp>

#include <doctest/doctest.h>

#include <array>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <span>

using copyspec::BatchVerifier;
using copyspec::DeviceLogitsView;
using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerifyInput;

namespace {

struct DeviceOnly {
  static void verify(DeviceLogitsView<float>, std::span<VerifyInput const>, std::span<Verdict>) {}
};
struct Anywhere {
  template <class Rows>
  void verify(Rows, std::span<VerifyInput const>, std::span<Verdict>) {}
};
struct Returning {
  static Verdict verify(DeviceLogitsView<float>, std::span<VerifyInput const>, std::span<Verdict>) { return {}; }
};

}  // namespace

static_assert(BatchVerifier<DeviceOnly, DeviceLogitsView<float>>);
static_assert(!BatchVerifier<DeviceOnly, LogitsView<float>>);
static_assert(!BatchVerifier<DeviceOnly, DeviceLogitsView<double>>);
static_assert(BatchVerifier<Anywhere, LogitsView<float>>);
static_assert(!BatchVerifier<Returning, DeviceLogitsView<float>>);
static_assert(!BatchVerifier<copyspec::GreedyVerifier, LogitsView<float>>);
static_assert(!BatchVerifier<copyspec::GreedyVerifier, DeviceLogitsView<float>>);

TEST_CASE("a trial has a row more than its draft has tokens") {
  std::array<Token, 5> const tokens = {1, 2, 3, 4, 5};
  VerifyInput const trial{.tokens = tokens, .length = 3};
  CHECK(trial.rows() == 3);
  CHECK(trial.draft().size() == 2);
  CHECK(trial.draft()[0] == 4);
  VerifyInput const plain{.tokens = tokens, .length = 5};
  CHECK(plain.rows() == 1);
  CHECK(plain.draft().empty());
}
