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

// The default is in effect in the rest of the program (tests/model/logits.cpp breaks a precondition under it), so what
// the library defines here must go by a name of its own.
#include <copyspec/core/version.hpp>
#undef COPYSPEC_VERSION_NAMESPACE
#define COPYSPEC_VERSION_NAMESPACE with_own_assert
#define COPYSPEC_ASSERT(condition, message) ((condition) ? void() : broken.push_back(Broken{#condition, (message)}))
#include <copyspec/core/assert.hpp>
#include <copyspec/core/error.hpp>
#include <copyspec/decode/batch.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

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

TEST_CASE("a pass takes as many rows as its segments ask for, and is as before if there are more or fewer") {
  std::vector<float> const logits(12);
  std::vector<copyspec::Token> const prompt = {1, 2};
  for (std::size_t rows = 1; rows <= 3; ++rows) {
    CAPTURE(rows);
    broken.clear();
    copyspec::DecodeBatch batch({.vocabulary_size = 4, .max_tokens = 8, .context_limit = 16}, copyspec::NoProposer(),
                                copyspec::GreedyVerifier());
    batch.begin(copyspec::SequenceId{0}, prompt);
    batch.begin(copyspec::SequenceId{1}, prompt);
    CHECK(batch.plan().segments.size() == 2);
    auto const commit = [&] { batch.commit(copyspec::LogitsView<float>(logits.data(), rows, 4)); };
    if (rows == 2)
      commit();
    else
      CHECK_THROWS_AS(commit(), copyspec::Error);
    CHECK(broken.empty());
    for (int id = 0; id < 2; ++id)
      CHECK(batch.sequence(copyspec::SequenceId{id}).generated().size() == (rows == 2 ? 1 : 0));
  }
}
