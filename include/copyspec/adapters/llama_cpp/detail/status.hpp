// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "../../../core/version.hpp"
#include "../error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Throws `LlamaCppError` unless `status`, which `llama_decode` returned for a pass of `tokens`, is success. The
/// message names the cause. `cells` is the size of the cache.
inline void require_decoded(int status, std::size_t tokens, std::size_t cells) {
  if (status == 0) return;
  auto const fail = [](std::string const& what) {
    raise_error<adapters::LlamaCppError>(ErrorCode::engine, "llama.cpp: " + what);
  };
  switch (status) {
    case 1:
      fail("the cache is full: no room for " + std::to_string(tokens) +
           " more tokens (n_ctx = " + std::to_string(cells) + ")");
      break;
    case 2:
      fail("the pass was aborted by the abort callback");
      break;
    case -1:
      fail("the batch was refused as invalid");
      break;
    default:
      fail("the pass failed with status " + std::to_string(status));
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
