// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "../host_device.hpp"

namespace copyspec::inline v0::cuda {

/// What an element of a row contributes to the row's decision, the token with the greatest score: here its logit, so
/// that the choice is the greedy one.
///
/// `verify_tile` takes any such functor: trivially copyable, callable on host and device, and a function of its
/// arguments alone, so that no geometry changes what is decided. A NaN makes the row invalid, minus infinity rules the
/// token out. `request` and `row` say whose element it is (row 0 is the one after the context).
struct GreedyScore {
  [[nodiscard]] COPYSPEC_HOST_DEVICE float operator()(float logit, std::uint32_t /*token*/, std::uint32_t /*request*/,
                                                      std::uint32_t /*row*/) const noexcept {
    return logit;
  }
};

}  // namespace copyspec::inline v0::cuda
