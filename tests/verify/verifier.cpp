// SPDX-License-Identifier: MIT
#include <copyspec/verify/verifier.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <cstddef>
#include <span>

using copyspec::AcceptanceVerifier;
using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;

namespace {

struct FloatOnly {
  static Verdict verify(LogitsView<float>, std::span<Token const>, std::size_t) { return {}; }
};
struct AnyScalar {
  template <class Scalar>
  Verdict verify(LogitsView<Scalar>, std::span<Token const>, std::size_t) {
    return {.accepted = calls++, .next = 0};
  }
  std::size_t calls = 0;
};

struct NoVerify {};
struct CountingVerify {
  static std::size_t verify(LogitsView<float>, std::span<Token const>, std::size_t) { return 0; }
};
struct ShortVerify {
  static Verdict verify(LogitsView<float>, std::span<Token const>) { return {}; }
};
struct OverwritingVerify {
  static Verdict verify(LogitsView<float>, std::span<Token>, std::size_t) { return {}; }
};
struct ReferenceVerify {
  static Verdict verify(LogitsView<float>&&, std::span<Token const>, std::size_t) { return {}; }
};

}  // namespace

static_assert(AcceptanceVerifier<FloatOnly, float>);
static_assert(AcceptanceVerifier<AnyScalar, float>);
static_assert(AcceptanceVerifier<AnyScalar, double>);
static_assert(AcceptanceVerifier<AnyScalar, Eigen::half>);
static_assert(!AcceptanceVerifier<FloatOnly, double>);
static_assert(!AcceptanceVerifier<AnyScalar const, float>, "a verifier may have state");
static_assert(!AcceptanceVerifier<int, float>);
static_assert(!AcceptanceVerifier<NoVerify, float>);
static_assert(!AcceptanceVerifier<CountingVerify, float>);
static_assert(!AcceptanceVerifier<ShortVerify, float>);
static_assert(!AcceptanceVerifier<OverwritingVerify, float>);
static_assert(!AcceptanceVerifier<ReferenceVerify, float>);

TEST_CASE("a verdict accepts nothing unless told") {
  constexpr Verdict verdict;
  static_assert(verdict.accepted == 0 && verdict.status == VerdictStatus::ok);
  CHECK(verdict.next == 0);
  CHECK(VerdictStatus{} == VerdictStatus::ok);
}
