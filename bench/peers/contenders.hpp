// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peer.hpp"

namespace copyspec::bench {

/// What a drafted token adds to the cost of a pass, which is 1 without a draft.
inline constexpr std::array marginal_costs{0.01, 0.02, 0.06, 0.13, 0.5};

/// A peer with one setting.
struct Contender {
  std::string peer;
  std::string setting;
  bool default_setting = false;
  bool shares_history = true;                 ///< If not, `Sharing` makes no difference.
  std::optional<double> told = std::nullopt;  ///< The cost it was told and counts for; without, it counts for all.
  std::function<std::unique_ptr<Peer>(Sharing)> make = nullptr;
};

/// The default and the other settings of each peer that are tried: drafters of llama.cpp.
[[nodiscard]] std::vector<Contender> llama_contenders();

/// Suffix trees of ArcticInference, drafting chains and trees.
[[nodiscard]] std::vector<Contender> suffix_contenders();

/// The proposers of this library. A `MixingProposer`, drafting chains or trees, is told the cost, and there is nothing
/// else to set.
[[nodiscard]] std::vector<Contender> own_contenders();

}  // namespace copyspec::bench
