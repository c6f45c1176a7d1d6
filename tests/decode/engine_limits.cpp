// SPDX-License-Identifier: MIT
#include <copyspec/decode/engine_limits.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>

#include <cstddef>
#include <span>

namespace {

using Toy = copyspec::testing::ToyModel<float>;

// Says that it has branches, and cannot feed trees.
class Chains {
 public:
  explicit Chains(copyspec::testing::ToyModelOptions const& options) : toy_(options) {}
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const { return toy_.max_branches(); }
  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) { return toy_.forward(batch); }
  std::size_t truncate(copyspec::SequenceId id, std::size_t length) { return toy_.truncate(id, length); }

 private:
  Toy toy_;
};

}  // namespace

TEST_CASE("the limits of an engine are what it says, with branches if it can feed trees") {
  copyspec::testing::ToyModelOptions const options{
      .vocabulary = 7, .max_tokens = 9, .context_limit = 50, .max_branches = 3};
  copyspec::EngineLimits const trees = copyspec::limits_of(Toy(options));
  CHECK(trees.vocabulary_size == 7);
  CHECK(trees.max_tokens == 9);
  CHECK(trees.context_limit == 50);
  CHECK(trees.max_branches == 3);
  copyspec::EngineLimits const chains = copyspec::limits_of(Chains(options));
  CHECK(chains.vocabulary_size == 7);
  CHECK(chains.max_branches == 0);
}
