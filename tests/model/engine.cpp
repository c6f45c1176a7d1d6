// SPDX-License-Identifier: MIT
#include <copyspec/model/engine.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/device_logits.hpp>
#include <copyspec/model/logits.hpp>
#include <cstddef>
#include <span>
#include <vector>

using copyspec::Engine;
using copyspec::Segment;
using copyspec::SequenceId;

namespace {

template <class Rows>
struct Fed {
  static std::size_t vocabulary_size() { return 2; }
  static std::size_t max_tokens() { return 1; }
  static std::size_t context_limit() { return 1; }
  static Rows forward(std::span<Segment const>) { return {}; }
  static std::size_t truncate(SequenceId, std::size_t) { return 0; }
};
struct NoTruncate : Fed<copyspec::LogitsView<float>> {
  void truncate() = delete;
};

}  // namespace

static_assert(Engine<Fed<copyspec::LogitsView<float>>>);
static_assert(Engine<Fed<copyspec::DeviceLogitsView<float>>>);
static_assert(!Engine<Fed<std::vector<float>>>, "rows are a view with a scalar");
static_assert(!Engine<NoTruncate>);
static_assert(!Engine<int>);

TEST_CASE("an engine's rows may lie anywhere") {
  Fed<copyspec::DeviceLogitsView<float>> engine;
  Segment const segment{};
  CHECK(engine.forward({&segment, 1}).rows() == 0);
}
