// SPDX-License-Identifier: MIT
#include <copyspec/adapters/openvino/detail/cells.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace {

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::detail::OpenVinoCells;

void feed(OpenVinoCells& cells, std::vector<std::pair<int, std::size_t>> const& counts) {
  std::vector<Token> const tokens(64);
  std::vector<Segment> segments;
  for (auto const& [id, count] : counts) segments.push_back({SequenceId{id}, std::span(tokens).first(count), 1});
  cells.append(std::span<Segment const>(segments));
}

std::vector<std::uint32_t> of(OpenVinoCells const& cells, int id) {
  auto const held = cells.cells_of(SequenceId{id});
  return {held.begin(), held.end()};
}

using Cells = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("a pass appends the cells of its segments in their order") {
  OpenVinoCells cells;
  feed(cells, {{7, 2}, {1, 3}});
  feed(cells, {{1, 1}, {7, 1}});
  CHECK(of(cells, 7) == Cells{0, 1, 6});
  CHECK(of(cells, 1) == Cells{2, 3, 4, 5});
  CHECK(of(cells, 2).empty());
  CHECK(cells.size() == 7);
  CHECK(cells.dead() == 0);
}

TEST_CASE("cells that are cut off die, and are dropped by compacting") {
  OpenVinoCells cells;
  feed(cells, {{0, 3}, {1, 2}});
  CHECK(cells.truncate(SequenceId{0}, 1) == 1);
  CHECK(cells.truncate(SequenceId{0}, 5) == 1);
  CHECK(cells.truncate(SequenceId{9}, 5) == 0);
  CHECK(cells.dead() == 2);
  CHECK(cells.live() == Cells{0, 3, 4});
  cells.compact();
  CHECK(cells.size() == 3);
  CHECK(cells.dead() == 0);
  CHECK(of(cells, 0) == Cells{0});
  CHECK(of(cells, 1) == Cells{1, 2});
  CHECK(cells.truncate(SequenceId{1}, 0) == 0);
  CHECK(cells.dead() == 2);
}

TEST_CASE("a fork shares cells, which die with the last sequence that holds them") {
  OpenVinoCells cells;
  feed(cells, {{0, 4}});
  CHECK(cells.fork(SequenceId{0}, SequenceId{1}, 3) == 3);
  CHECK(cells.fork(SequenceId{5}, SequenceId{2}, 3) == 0);
  CHECK(cells.fork(SequenceId{0}, SequenceId{2}, 9) == 4);
  CHECK(cells.truncate(SequenceId{0}, 0) == 0);
  CHECK(cells.dead() == 0);
  CHECK(cells.truncate(SequenceId{2}, 2) == 2);
  CHECK(cells.dead() == 1);
  CHECK(of(cells, 1) == Cells{0, 1, 2});
  CHECK(cells.truncate(SequenceId{1}, 0) == 0);
  CHECK(cells.truncate(SequenceId{2}, 0) == 0);
  CHECK(cells.dead() == 4);
  CHECK(cells.live().empty());
}

TEST_CASE("of a tree, the nodes of a path are kept") {
  OpenVinoCells cells;
  std::array<Token, 6> const tokens{};
  std::array<std::int32_t, 4> const parents{-1, 0, -1, 2};
  TreeSegment const tree{SequenceId{0}, tokens, 5, parents};
  cells.append(std::span(&tree, 1));
  CHECK(cells.held(SequenceId{0}) == 2);
  CHECK(cells.dead() == 0);
  SUBCASE("kept") {
    std::array<std::int32_t, 2> const path{2, 3};
    CHECK(cells.keep(SequenceId{0}, 2, path) == 4);
    CHECK(of(cells, 0) == Cells{0, 1, 4, 5});
    CHECK(cells.dead() == 2);
  }
  SUBCASE("none kept") {
    CHECK(cells.keep(SequenceId{0}, 2, {}) == 2);
    CHECK(cells.dead() == 4);
  }
  SUBCASE("forgotten by truncating") {
    CHECK(cells.truncate(SequenceId{0}, 2) == 2);
    CHECK(cells.dead() == 4);
  }
  SUBCASE("forgotten by the next pass") {
    cells.forget_trees();
    CHECK(cells.held(SequenceId{0}) == 2);
    CHECK(cells.dead() == 4);
  }
}

TEST_CASE("random calls keep what each sequence holds, and count the dead") {
  std::mt19937_64 random(3);
  OpenVinoCells cells;
  std::map<int, std::vector<int>> held;  // by sequence, the marks of its tokens
  std::vector<int> marks;                // by cell
  int next = 0;
  for (int call = 0; call < 5000; ++call) {
    int const id = static_cast<int>(random() % 5);
    int const other = static_cast<int>(random() % 5);
    std::size_t const length = random() % 12;
    switch (random() % 4) {
      case 0:
        feed(cells, {{id, length + 1}});
        for (std::size_t i = 0; i <= length; ++i) {
          held[id].push_back(next);
          marks.push_back(next++);
        }
        break;
      case 1:
        if (length < held[id].size()) held[id].resize(length);
        REQUIRE(cells.truncate(SequenceId{id}, length) == held[id].size());
        break;
      case 2:
        if (id == other) break;
        cells.truncate(SequenceId{other}, 0);
        held[other] = held[id];
        if (length < held[other].size()) held[other].resize(length);
        REQUIRE(cells.fork(SequenceId{id}, SequenceId{other}, length) == held[other].size());
        break;
      default:
        std::vector<int> kept;
        for (auto const cell : cells.live()) kept.push_back(marks[cell]);
        marks = kept;
        cells.compact();
        break;
    }
    std::set<std::uint32_t> used;
    for (auto const& [sequence, its] : held) {
      std::vector<int> found;
      for (auto const cell : cells.cells_of(SequenceId{sequence})) found.push_back(marks[cell]), used.insert(cell);
      REQUIRE(found == its);
    }
    REQUIRE(cells.size() == marks.size());
    REQUIRE(cells.size() - cells.dead() == used.size());
  }
}
