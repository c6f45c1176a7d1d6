// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace {

struct Broken {
  std::string_view condition;
  std::string_view message;
};

std::vector<Broken> broken;

}  // namespace

// The default is in effect in the rest of the program (tests/logits.cpp breaks a precondition under it), so what the
// library defines here must go by a name of its own.
#define v0 with_own_assert
#define COPYSPEC_ASSERT(condition, message) ((condition) ? void() : broken.push_back(Broken{#condition, (message)}))
#include <copyspec/core/assert.hpp>
#include <copyspec/model/logits.hpp>
#undef v0

TEST_CASE("an assert defined before the first include replaces the default") {
  broken.clear();
  int evaluated = 0;
  COPYSPEC_ASSERT(++evaluated == 1, "holds");
  CHECK(broken.empty());
  COPYSPEC_ASSERT(++evaluated == 1, "does not hold");
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].condition == "++evaluated == 1");
  CHECK(broken[0].message == "does not hold");
  CHECK(evaluated == 2);
}

TEST_CASE("the library's own preconditions go to the replacement, and the program goes on") {
  broken.clear();
  float const row[4] = {};
  CHECK(copyspec::LogitsView<float>(row, 1, 4, 4).vocabulary() == 4);
  CHECK(broken.empty());
  CHECK(copyspec::LogitsView<float>(row, 1, 4, 3).vocabulary() == 4);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].condition == "stride >= vocabulary");
  CHECK(broken[0].message == "rows overlap");
}
