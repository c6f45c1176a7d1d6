// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "contenders.hpp"
#include "copyspec/copy_proposer.hpp"
#include "copyspec/mixing_proposer.hpp"
#include "copyspec/pass_cost.hpp"
#include "own_peer.hpp"

namespace copyspec::bench {

std::vector<Contender> own_contenders() {
  std::vector<Contender> contenders;
  for (double const cost : marginal_costs)
    contenders.push_back({.peer = "copyspec MixingProposer",
                          .setting = fmt::format("told {}", cost),
                          .default_setting = true,
                          .shares_history = false,
                          .told = cost,
                          .make = [cost](Sharing) {
                            return std::make_unique<OwnPeer<MixingProposer>>(
                                MixingProposer({.pass_cost = PassCost::marginal(cost)}));
                          }});
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
