// SPDX-License-Identifier: MIT
#include <copyspec/adapters/openvino/detail/inputs.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace {

using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::detail::OpenVinoCells;
using copyspec::detail::OpenVinoInputs;

// The mask as text: a line for each token, `x` for each cell that it attends to.
std::vector<std::string> picture(OpenVinoInputs const& inputs) {
  std::size_t const width = inputs.mask.size() / inputs.tokens.size();
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < inputs.tokens.size(); ++i) {
    std::string line;
    for (std::size_t cell = 0; cell < width; ++cell) {
      float const value = inputs.mask[i * width + cell];
      REQUIRE((value == 0.0F || std::isinf(value)));
      line.push_back(value == 0.0F ? 'x' : '.');
    }
    lines.push_back(line);
  }
  return lines;
}

using Ids = std::vector<std::int32_t>;
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a token attends to the tokens before it in its own sequence, and to itself") {
  OpenVinoCells cells;
  std::array<Token, 3> const tokens{4, 5, 6};
  std::array const before{Segment{SequenceId{0}, std::span(tokens).first(2), 1},
                          Segment{SequenceId{1}, std::span(tokens).first(1), 1}};
  cells.append(std::span<Segment const>(before));
  cells.truncate(SequenceId{0}, 1);
  OpenVinoInputs inputs;
  std::array const batch{Segment{SequenceId{1}, std::span(tokens).first(2), 1},
                         Segment{SequenceId{2}, std::span(tokens).first(1), 0}, Segment{SequenceId{0}, tokens, 2}};
  inputs.fill(std::span<Segment const>(batch), cells);
  CHECK(inputs.tokens == Ids{4, 5, 4, 4, 5, 6});
  CHECK(inputs.positions == Ids{1, 2, 0, 1, 2, 3});
  CHECK(inputs.rows == Ids{1, 4, 5});
  // Cells: two of sequence 0, the second dead, one of 1, then those of the pass.
  CHECK(picture(inputs) == Lines{"..xx.....",  //
                                 "..xxx....",  //
                                 ".....x...",  //
                                 "x.....x..",  //
                                 "x.....xx.",  //
                                 "x.....xxx"});
}

TEST_CASE("a node attends to the chain before its tree and to the nodes above it") {
  OpenVinoCells cells;
  std::array<Token, 6> const tokens{1, 2, 3, 4, 5, 6};
  Segment const before{SequenceId{0}, std::span(tokens).first(1), 1};
  cells.append(std::span(&before, 1));
  std::array<std::int32_t, 4> const parents{-1, 0, -1, 0};
  TreeSegment const tree{SequenceId{0}, tokens, 5, parents};
  OpenVinoInputs inputs;
  inputs.fill(std::span(&tree, 1), cells);
  CHECK(inputs.positions == Ids{1, 2, 3, 4, 3, 4});
  CHECK(inputs.rows == Ids{1, 2, 3, 4, 5});
  CHECK(picture(inputs) == Lines{"xx.....",  //
                                 "xxx....",  //
                                 "xxxx...",  //
                                 "xxxxx..",  //
                                 "xxx..x.",  //
                                 "xxxx..x"});
}

TEST_CASE("a smaller pass leaves nothing of a larger one") {
  OpenVinoCells const cells;
  std::array<Token, 3> const tokens{4, 5, 6};
  OpenVinoInputs inputs;
  Segment segment{SequenceId{0}, tokens, 3};
  inputs.fill(std::span<Segment const>(&segment, 1), cells);
  segment = {SequenceId{0}, std::span(tokens).first(1), 1};
  inputs.fill(std::span<Segment const>(&segment, 1), cells);
  CHECK(inputs.tokens == Ids{4});
  CHECK(inputs.rows == Ids{0});
  CHECK(picture(inputs) == Lines{"x"});
}
