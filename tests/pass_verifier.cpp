// SPDX-License-Identifier: MIT
#include <copyspec/pass_verifier.hpp>

#include <doctest/doctest.h>

#include <array>
#include <copyspec/device_logits.hpp>
#include <copyspec/greedy_verifier.hpp>
#include <copyspec/logits.hpp>
#include <span>

using copyspec::DeviceLogitsView;
using copyspec::LogitsView;
using copyspec::PassVerifier;
using copyspec::Token;
using copyspec::Trial;
using copyspec::Verdict;

namespace {

struct DeviceOnly {
  static void verify(DeviceLogitsView<float>, std::span<Trial const>, std::span<Verdict>) {}
};
struct Anywhere {
  template <class Rows>
  void verify(Rows, std::span<Trial const>, std::span<Verdict>) {}
};
struct Returning {
  static Verdict verify(DeviceLogitsView<float>, std::span<Trial const>, std::span<Verdict>) { return {}; }
};

}  // namespace

static_assert(PassVerifier<DeviceOnly, DeviceLogitsView<float>>);
static_assert(!PassVerifier<DeviceOnly, LogitsView<float>>);
static_assert(!PassVerifier<DeviceOnly, DeviceLogitsView<double>>);
static_assert(PassVerifier<Anywhere, LogitsView<float>>);
static_assert(!PassVerifier<Returning, DeviceLogitsView<float>>);
static_assert(!PassVerifier<copyspec::GreedyVerifier, LogitsView<float>>);
static_assert(!PassVerifier<copyspec::GreedyVerifier, DeviceLogitsView<float>>);

TEST_CASE("a trial has a row more than its draft has tokens") {
  std::array<Token, 5> const tokens = {1, 2, 3, 4, 5};
  Trial const trial{.tokens = tokens, .length = 3};
  CHECK(trial.rows() == 3);
  CHECK(trial.draft().size() == 2);
  CHECK(trial.draft()[0] == 4);
  Trial const plain{.tokens = tokens, .length = 5};
  CHECK(plain.rows() == 1);
  CHECK(plain.draft().empty());
}
