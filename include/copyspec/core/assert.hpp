// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>

/// Checks a precondition. A violation is a bug in the calling code, never invalid input from outside.
///
/// Without NDEBUG, a violation prints the condition with `message`, a string literal, and aborts, as `assert` does.
/// With NDEBUG the condition is not evaluated. To redirect it, define COPYSPEC_ASSERT(condition, message) before the
/// first include, the same in every translation unit.
#ifndef COPYSPEC_ASSERT
#define COPYSPEC_ASSERT(condition, message) assert((condition) && (message))
#endif
