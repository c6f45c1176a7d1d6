// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "contenders.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "own_peer.hpp"

namespace copyspec::bench {

namespace {

// Far more than the answers of a trace, so that none is evicted.
constexpr std::size_t history_bytes = std::size_t{64} << 20;

// More than a draft has tokens.
constexpr std::size_t max_branches = 63;

Contender mixing_contender(double cost, bool trees) {
  return {.peer = trees ? "copyspec MixingProposer, trees" : "copyspec MixingProposer",
          .setting = fmt::format("told {}", cost),
          .default_setting = true,
          .told = cost,
          .make = [=](Sharing sharing) {
            MixingProposer prototype(
                {.pass_cost = PassCost::marginal(cost),
                 .history = sharing == Sharing::history ? std::make_shared<History>(history_bytes) : nullptr});
            return std::make_unique<OwnPeer<MixingProposer>>(std::move(prototype), trees ? max_branches : 0);
          }};
}

}  // namespace

std::vector<Contender> own_contenders() {
  std::vector<Contender> contenders;
  for (bool const trees : {false, true})
    for (double const cost : marginal_costs) contenders.push_back(mixing_contender(cost, trees));
  contenders.push_back(
      {.peer = "copyspec CopyProposer",
       .setting = "published rule",
       .default_setting = true,
       .shares_history = false,
       .told = std::nullopt,
       .make = [](Sharing) { return std::make_unique<OwnPeer<CopyProposer>>(CopyProposer(published_rule)); }});
  return contenders;
}

}  // namespace copyspec::bench
