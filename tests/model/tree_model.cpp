// SPDX-License-Identifier: MIT
#include <copyspec/model/tree_model.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::TreeModel;
using copyspec::TreeSegment;

namespace {

struct Chains {
  static std::size_t vocabulary_size() { return 2; }
  static std::size_t max_tokens() { return 1; }
  static std::size_t context_limit() { return 1; }
  static LogitsView<float> forward(std::span<Segment const>) { return {}; }
  static std::size_t truncate(SequenceId, std::size_t) { return 0; }
};
struct Complete : Chains {
  using Chains::forward;
  static std::size_t max_branches() { return 3; }
  static LogitsView<float> forward(std::span<TreeSegment const>) { return {}; }
  static std::size_t keep(SequenceId, std::size_t, std::span<std::int32_t const>) { return 0; }
};
struct NoMaxBranches : Complete {
  void max_branches() const = delete;
};
struct NoKeep : Complete {
  void keep() = delete;
};
struct NoTrees : Complete {
  using Chains::forward;
};
struct OtherRows : Complete {
  using Chains::forward;
  static LogitsView<double> forward(std::span<TreeSegment const>) { return {}; }
};
struct OverwritingKeep : Complete {
  static std::size_t keep(SequenceId, std::size_t, std::span<std::int32_t>) { return 0; }
};
struct MutableMaxBranches : Complete {
  std::size_t max_branches() { return ++count; }
  std::size_t count = 0;
};

static_assert(copyspec::Model<Complete>);
static_assert(TreeModel<Complete>);
static_assert(!TreeModel<Chains>);
static_assert(!TreeModel<NoMaxBranches>);
static_assert(!TreeModel<NoKeep>);
static_assert(!TreeModel<NoTrees>);
static_assert(!TreeModel<OtherRows>);
static_assert(!TreeModel<OverwritingKeep>);
static_assert(!TreeModel<MutableMaxBranches>);

}  // namespace

TEST_CASE("a segment has no tree unless it is given one, and either kind can be passed by name") {
  TreeSegment const chain{.sequence = SequenceId{1}, .tokens = {}, .rows = 0};
  CHECK(chain.parents.empty());
  Segment const segment{};
  CHECK(Complete::forward({&segment, 1}).rows() == 0);
  CHECK(Complete::forward({&chain, 1}).rows() == 0);
  CHECK(Complete::forward(std::vector<TreeSegment>{chain}).rows() == 0);
}
