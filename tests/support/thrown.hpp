// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace copyspec_test {

// What only the tests throw.
struct Refused {
  std::size_t call = 0;
};
struct Interrupted {};

}  // namespace copyspec_test
