// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/mix/history.hpp>
#include <copyspec/mix/mixing_proposer.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace copyspec_test {

using copyspec::History;
using copyspec::MixingProposer;
using copyspec::PassCost;

// A history with room for every test.
inline std::shared_ptr<History> some_history() {
  return std::make_shared<History>(std::size_t{1} << 18);
}

// A proposer that shares it, for which rows cost nothing.
inline MixingProposer with_history(std::shared_ptr<History> history, std::size_t window = 0) {
  return MixingProposer({.pass_cost = PassCost::marginal(0), .window = window, .history = std::move(history)});
}

}  // namespace copyspec_test
