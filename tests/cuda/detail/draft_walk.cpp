// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/draft_walk.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

using copyspec::Token;
using copyspec::detail::DraftView;
using copyspec::detail::no_token;
using copyspec::detail::walk_draft;
using copyspec::detail::WalkEnd;

namespace {

using Tokens = std::vector<Token>;
using Numbers = std::vector<std::int32_t>;

struct Walk {
  std::uint32_t accepted = 0;
  Token next = 0;
  Numbers path;
  Tokens emitted;
};

Walk walk(Tokens const& tokens, Numbers const& parents, Tokens const& decided) {
  Numbers path(tokens.size() + 1, -5);
  Tokens emitted(tokens.size() + 2, -5);
  DraftView const draft{.tokens = tokens.data(),
                        .parents = parents.empty() ? nullptr : parents.data(),
                        .length = static_cast<std::uint32_t>(tokens.size())};
  WalkEnd const end = walk_draft(draft, decided.data(), path.data(), emitted.data());
  std::size_t const said = end.accepted + (end.next == no_token ? 0 : 1);
  for (std::size_t i = end.accepted; i < path.size(); ++i) CHECK(path[i] == -5);
  for (std::size_t i = said; i < emitted.size(); ++i) CHECK(emitted[i] == -5);
  path.resize(end.accepted);
  emitted.resize(said);
  // In the place of the draft itself.
  Tokens own_tokens = tokens;
  Numbers own_parents = parents;
  own_tokens.push_back(-5);
  own_parents.resize(tokens.size() + 1, -5);
  WalkEnd const in_place = walk_draft({.tokens = own_tokens.data(),
                                       .parents = parents.empty() ? nullptr : own_parents.data(),
                                       .length = static_cast<std::uint32_t>(tokens.size())},
                                      decided.data(), own_parents.data(), own_tokens.data());
  CHECK(in_place.accepted == end.accepted);
  CHECK(in_place.next == end.next);
  own_parents.resize(end.accepted);
  own_tokens.resize(said);
  CHECK(own_parents == path);
  CHECK(own_tokens == emitted);
  return {end.accepted, end.next, path, emitted};
}

}  // namespace

TEST_CASE("a chain is accepted up to the first token that its row did not decide") {
  Walk const all = walk({4, 5, 6}, {}, {4, 5, 6, 7});
  CHECK(all.accepted == 3);
  CHECK(all.next == 7);
  CHECK(all.path == Numbers{0, 1, 2});
  CHECK(all.emitted == Tokens{4, 5, 6, 7});
  CHECK(walk({4, 5, 6}, {}, {4, 9, 6, 7}).emitted == Tokens{4, 9});
  CHECK(walk({4, 5, 6}, {}, {5, 5, 6, 7}).emitted == Tokens{5});
  CHECK(walk({}, {}, {3}).emitted == Tokens{3});
}

TEST_CASE("a chain is a tree of one branch") {
  for (Tokens const& decided :
       {Tokens{1, 2, 3, 4}, Tokens{1, 2, 9, 4}, Tokens{1, no_token, 3, 4}, Tokens{0, 2, 3, 4}}) {
    Walk const chain = walk({1, 2, 3}, {}, decided);
    Walk const tree = walk({1, 2, 3}, {-1, 0, 1}, decided);
    CHECK(chain.path == tree.path);
    CHECK(chain.emitted == tree.emitted);
    CHECK(chain.next == tree.next);
  }
}

TEST_CASE("a tree is walked along the decided tokens, behind any sibling") {
  // context - 0:1 - 2:5, context - 1:2 - 3:5 - 4:6, 1 - 5:7
  Tokens const tokens = {1, 2, 5, 5, 6, 7};
  Numbers const parents = {-1, -1, 0, 1, 3, 1};
  Walk const deep = walk(tokens, parents, {2, 0, 5, 0, 6, 8, 0});
  CHECK(deep.path == Numbers{1, 3, 4});
  CHECK(deep.emitted == Tokens{2, 5, 6, 8});
  CHECK(walk(tokens, parents, {1, 5, 0, 9, 0, 0, 0}).path == Numbers{0, 2});
  CHECK(walk(tokens, parents, {2, 0, 7, 0, 0, 0, 3}).emitted == Tokens{2, 7, 3});
  CHECK(walk(tokens, parents, {3, 0, 0, 0, 0, 0, 0}).emitted == Tokens{3});
}

TEST_CASE("the first of two siblings that say the same is chosen") {
  CHECK(walk({1, 1, 2}, {-1, -1, 1}, {1, 4, 2, 3}).path == Numbers{0});
}

TEST_CASE("a row without a token ends the walk where it comes, not earlier") {
  Walk const ended = walk({4, 5}, {}, {4, no_token, 6});
  CHECK(ended.accepted == 1);
  CHECK(ended.next == no_token);
  CHECK(ended.emitted == Tokens{4});
  CHECK(walk({4, 5}, {}, {3, no_token, no_token}).emitted == Tokens{3});
  // A token that is none is not met by a row that decides none.
  CHECK(walk({no_token}, {}, {no_token, 1}).accepted == 0);
}

TEST_CASE("only a parent that stands before its node is well formed") {
  Tokens const tokens(3, 0);
  auto const well_formed = [&](std::uint32_t node, std::int32_t parent) {
    Numbers parents(3, -1);
    parents[node] = parent;
    return DraftView{.tokens = tokens.data(), .parents = parents.data(), .length = 3}.well_formed(node);
  };
  CHECK(well_formed(0, -1));
  CHECK(well_formed(2, -1));
  CHECK(well_formed(2, 0));
  CHECK(well_formed(2, 1));
  CHECK_FALSE(well_formed(0, 0));
  CHECK_FALSE(well_formed(2, 2));
  CHECK_FALSE(well_formed(1, 2));
  CHECK_FALSE(well_formed(2, -2));
  CHECK_FALSE(well_formed(2, std::numeric_limits<std::int32_t>::min()));
  CHECK_FALSE(well_formed(2, std::numeric_limits<std::int32_t>::max()));
  DraftView const chain{.tokens = tokens.data(), .parents = nullptr, .length = 3};
  for (std::uint32_t node = 0; node < 3; ++node) CHECK(chain.well_formed(node));
}

TEST_CASE("a token is known if it is below the vocabulary") {
  Tokens const tokens = {0, 9, 10, -1, std::numeric_limits<Token>::min()};
  DraftView const draft{.tokens = tokens.data(), .parents = nullptr, .length = 5};
  CHECK(draft.known_token(0, 10));
  CHECK(draft.known_token(1, 10));
  for (std::uint32_t node = 2; node < 5; ++node) CHECK_FALSE(draft.known_token(node, 10));
}
