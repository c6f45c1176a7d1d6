// SPDX-License-Identifier: MIT
#include <copyspec/model/device_model.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/model.hpp>
#include <cstddef>
#include <span>

using copyspec::DeviceLogitsView;
using copyspec::DeviceModel;
using copyspec::LogitsView;
using copyspec::Model;
using copyspec::Segment;
using copyspec::SequenceId;

namespace {

struct Base {
  static std::size_t vocabulary_size() { return 2; }
  static std::size_t max_tokens() { return 1; }
  static std::size_t context_limit() { return 1; }
  static std::size_t truncate(SequenceId, std::size_t) { return 0; }
};
struct OnDevice : Base {
  static DeviceLogitsView<float> forward(std::span<Segment const>) { return {}; }
};
struct OnHost : Base {
  static LogitsView<float> forward(std::span<Segment const>) { return {}; }
};
struct DerivedView : DeviceLogitsView<float> {};
struct Derived : Base {
  static DerivedView forward(std::span<Segment const>) { return {}; }
};

}  // namespace

static_assert(DeviceModel<OnDevice> && !Model<OnDevice>);
static_assert(Model<OnHost> && !DeviceModel<OnHost>);
static_assert(!DeviceModel<Derived> && !Model<Derived>);
static_assert(!DeviceModel<int>);

TEST_CASE("a device model's scalar is that of the view its forward returns") {
  static_assert(std::same_as<copyspec::LogitsOf<OnDevice>, DeviceLogitsView<float>>);
  CHECK(OnDevice::forward({}).rows() == 0);
}
