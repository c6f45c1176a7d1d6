// SPDX-License-Identifier: MIT
#include <copyspec/model/tree_shape.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

using copyspec::begins_branch;
using copyspec::tree_size;
using copyspec::TreeSize;

namespace {

using Parents = std::vector<std::int32_t>;

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

// Leaves beyond the first, by looking for nodes without children.
std::size_t branches_counted(std::span<std::int32_t const> parents) {
  std::size_t leaves = 0;
  for (std::size_t node = 0; node < parents.size(); ++node)
    if (std::ranges::count(parents, static_cast<std::int32_t>(node)) == 0) ++leaves;
  return leaves == 0 ? 0 : leaves - 1;
}

bool well_formed(std::span<std::int32_t const> parents) {
  for (std::size_t node = 0; node < parents.size(); ++node)
    if (parents[node] < -1 || parents[node] >= static_cast<std::int32_t>(node)) return false;
  return true;
}

void check_size(Parents const& parents, std::size_t max_branches) {
  TreeSize const size = tree_size(parents, max_branches);
  std::size_t nodes = 0;
  auto const fits = [&](std::size_t count) {
    auto const some = std::span<std::int32_t const>(parents).first(count);
    return well_formed(some) && branches_counted(some) <= max_branches;
  };
  while (nodes < parents.size() && fits(nodes + 1)) ++nodes;
  REQUIRE(size.nodes == nodes);
  REQUIRE(size.branches == branches_counted(std::span<std::int32_t const>(parents).first(nodes)));
}

}  // namespace

TEST_CASE("the size of a tree is that of its longest beginning that is one, over all short arrays") {
  for (std::size_t nodes = 0; nodes <= 5; ++nodes) {
    Parents parents(nodes, -2);
    for (bool more = true; more;) {
      for (std::size_t max_branches : {std::size_t{0}, std::size_t{1}, std::size_t{2}, any_number})
        check_size(parents, max_branches);
      std::size_t digit = 0;
      for (; digit < nodes && ++parents[digit] > static_cast<std::int32_t>(nodes); ++digit) parents[digit] = -2;
      more = digit < nodes;
    }
  }
}

TEST_CASE("the size of a random tree, in whatever order its nodes stand") {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 3000; ++trial) {
    Parents parents(random() % 40);
    for (std::size_t node = 0; node < parents.size(); ++node)
      parents[node] = static_cast<std::int32_t>(random() % (node + 1)) - 1;
    if (!parents.empty() && random() % 4 == 0)
      parents[random() % parents.size()] = static_cast<std::int32_t>(static_cast<std::uint32_t>(random()));
    check_size(parents, random() % 8);
    check_size(parents, any_number);
  }
}

TEST_CASE("what has no branches is a chain") {
  Parents const chain{-1, 0, 1, 2};
  CHECK(tree_size(chain, 0).nodes == 4);
  for (std::size_t node = 1; node < 4; ++node) {
    for (std::int32_t parent = -1; parent < static_cast<std::int32_t>(node); ++parent) {
      Parents other = chain;
      other[node] = parent;
      CHECK((tree_size(other, any_number).branches == 0) == (other == chain));
      CHECK((tree_size(other, 0).nodes == 4) == (other == chain));
      CHECK(begins_branch(other, node) == (other != chain));
    }
  }
}

TEST_CASE("no number is a parent that is not -1 or a node before") {
  for (std::int32_t const parent :
       {1, 2, -2, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
    CHECK(tree_size(Parents{-1, parent, 1}, any_number).nodes == 1);
    CHECK(tree_size(Parents{parent, 0}, any_number).nodes == 0);
  }
}
