// SPDX-License-Identifier: MIT
#pragma once

namespace copyspec_test {

// A sanitizer looks for other faults, at a quarter of the speed.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

}  // namespace copyspec_test
