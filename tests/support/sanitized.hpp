// SPDX-License-Identifier: MIT
#pragma once

// g++ says it one way, clang++ the other.
#if defined(__SANITIZE_ADDRESS__)
#define COPYSPEC_TEST_SANITIZED true
#elif defined(__has_feature)
#define COPYSPEC_TEST_SANITIZED __has_feature(address_sanitizer)
#else
#define COPYSPEC_TEST_SANITIZED false
#endif

namespace copyspec_test {

// A sanitizer looks for other faults, at a quarter of the speed.
constexpr bool sanitized = COPYSPEC_TEST_SANITIZED;

}  // namespace copyspec_test
