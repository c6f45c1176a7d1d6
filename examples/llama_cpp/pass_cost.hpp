// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "copyspec/token.hpp"
#include "measured_model.hpp"

namespace copyspec_llama {

/// What a pass of several rows costs.
struct PassCost {
  std::size_t rows = 0;
  double relative = 0.0;  ///< In passes of one row.
};

/// Times passes of `rows` rows, or as many as there is room for, against passes of one. This bounds what copying can
/// gain: the closer to one, the more rows come for free. `text` is not empty; it is repeated as needed.
[[nodiscard]] PassCost measure_pass_cost(MeasuredModel& model, std::size_t rows, std::span<copyspec::Token const> text);

}  // namespace copyspec_llama
