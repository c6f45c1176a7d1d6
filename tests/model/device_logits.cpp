// SPDX-License-Identifier: MIT
#include <copyspec/model/device_logits.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <span>
#include <type_traits>

using copyspec::DeviceLogitsView;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::Token;

namespace {

template <class Rows>
concept JudgedOnHost = requires(GreedyVerifier const& verifier, Rows rows, std::span<Token const> tokens) {
  verifier.verify(rows, tokens, std::size_t{});
};
template <class Rows>
concept GivesRows = requires(Rows rows) {
  rows.row(0);
};

}  // namespace

static_assert(std::is_trivially_copyable_v<DeviceLogitsView<float>>);
static_assert(JudgedOnHost<LogitsView<float>>);
static_assert(!JudgedOnHost<DeviceLogitsView<float>>, "no host verifier compiles on a device pointer");
static_assert(GivesRows<LogitsView<float>> && !GivesRows<DeviceLogitsView<float>>);
static_assert(!std::is_convertible_v<DeviceLogitsView<float>, LogitsView<float>>);
static_assert(!std::is_convertible_v<LogitsView<float>, DeviceLogitsView<float>>);

TEST_CASE("a view says where its rows lie, and reads none") {
  float const* const nowhere = reinterpret_cast<float const*>(std::size_t{4096});
  DeviceLogitsView<float> const view(nowhere, 4, 10, 16);
  CHECK(view.data() == nowhere);
  CHECK(view.rows() == 4);
  CHECK(view.vocabulary() == 10);
  CHECK(view.stride() == 16);
  CHECK(DeviceLogitsView<float>(nowhere, 4, 10).stride() == 10);
  DeviceLogitsView<float> const part = view.subview(1, 2);
  CHECK(part.data() == nowhere + 16);
  CHECK(part.rows() == 2);
  CHECK(part.stride() == 16);
  CHECK(view.subview(4, 0).rows() == 0);
}

TEST_CASE("an empty view has an empty subview") {
  constexpr DeviceLogitsView<double> view;
  static_assert(view.data() == nullptr && view.rows() == 0 && view.vocabulary() == 0 && view.stride() == 0);
  CHECK(view.subview(0, 0).data() == nullptr);
}
