// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// How often this program has called `operator new` so far, of any kind and from any thread.
[[nodiscard]] std::size_t allocations() noexcept;

/// How many bytes it has asked for there so far.
[[nodiscard]] std::size_t allocated_bytes() noexcept;
