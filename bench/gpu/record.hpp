// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>

#include "measure.hpp"
#include "workload.cuh"

// More than a second-level cache holds.
inline constexpr std::size_t streamed_bytes = std::size_t{256} << 20U;
inline constexpr std::size_t hot_calls = 50;

/// How many times rows of so many bytes are needed to have others in turn.
[[nodiscard]] inline std::size_t copies_of(std::size_t bytes) {
  std::size_t const copies = (streamed_bytes + bytes - 1) / bytes;
  return copies < 2 ? 2 : copies;
}

/// Prints one measurement as a line of JSON.
inline void print_record(char const* what, Shape const& shape, char const* scalar, bool hot, std::size_t bytes,
                         Measured const& measured) {
  std::printf(
      "{\"what\": \"%s\", \"rows\": %zu, \"requests\": %u, \"drafted\": %u, \"accepted\": %u, \"vocabulary\": %u, "
      "\"scalar\": \"%s\", \"cache\": \"%s\", \"bytes\": %zu, \"microseconds\": %.4f, \"fastest\": %.4f, "
      "\"launches\": %zu}\n",
      what, shape.rows(), shape.requests, shape.drafted, shape.accepted, shape.vocabulary, scalar,
      hot ? "hot" : "streamed", bytes, measured.microseconds, measured.fastest, measured.launches);
  std::fflush(stdout);
}
