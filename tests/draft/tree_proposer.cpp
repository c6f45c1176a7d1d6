// SPDX-License-Identifier: MIT
#include <copyspec/draft/tree_proposer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>

using copyspec::Draft;
using copyspec::NoProposer;
using copyspec::Token;
using copyspec::TreeProposer;
using copyspec::TreeSpace;

namespace {

struct Complete : NoProposer {
  static Draft propose_tree(std::span<Token const>, TreeSpace) { return {}; }
};
struct TreesOnly {
  static Draft propose_tree(std::span<Token const>, TreeSpace) { return {}; }
};
struct CountingPropose : NoProposer {
  static std::size_t propose_tree(std::span<Token const>, TreeSpace) { return 0; }
};

static_assert(TreeProposer<Complete>);
static_assert(!TreeProposer<NoProposer>);
static_assert(!TreeProposer<TreesOnly>);
static_assert(!TreeProposer<CountingPropose>);

}  // namespace

TEST_CASE("a proposer of trees also proposes chains, and says in a Draft how many nodes it wrote") {
  CHECK(TreeProposer<Complete>);
  CHECK(Complete::propose_tree({}, {}).length == 0);
}
