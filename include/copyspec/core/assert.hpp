// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>

/// Checks a precondition. A broken one is a bug in the calling code, never bad input from outside.
///
/// Without NDEBUG it prints the condition with `message`, a string literal, and aborts, as `assert` does; with NDEBUG
/// it is not evaluated. Define COPYSPEC_ASSERT(condition, message) before the first include to send it elsewhere, the
/// same in every translation unit.
#ifndef COPYSPEC_ASSERT
#define COPYSPEC_ASSERT(condition, message) assert((condition) && (message))
#endif
