// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/sampling_options.hpp>

#include <cstddef>
#include <optional>

#include "random.hpp"

namespace copyspec_test {

using copyspec::SamplingOptions;
using copyspec::testing::ToyModelOptions;

using Toy = copyspec::testing::ToyModel<float>;

// A toy model, and how it is decoded.
struct ToyLanguage : ToyModelOptions {
  ToyLanguage(ToyModelOptions const& options) : ToyModelOptions(options) {}

  std::optional<SamplingOptions> sampling;  // greedily without
};

// A small model of any kind: with short passes and contexts, with checkpoints, with room for trees.
inline ToyModelOptions any_model(Random& random) {
  ToyModelOptions options;
  options.vocabulary = random.between(2, random.any_of<std::size_t>({3, 8, 64}));
  options.order = random.between(1, 5);
  options.seed = random.below(1U << 30);
  options.max_tokens = random.any_of<std::size_t>({1, 2, 3, 7, 16, 512});
  options.context_limit = random.any_of<std::size_t>({2, 3, 10, 40, 150, 4096});
  options.checkpoint_interval = random.any_of<std::size_t>({1, 1, 1, 2, 4, 16});
  options.max_branches = random.any_of<std::size_t>({0, 0, 1, 2, 5, 30});
  return options;
}

}  // namespace copyspec_test
