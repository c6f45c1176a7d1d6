// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/status.hpp>

#include <doctest/doctest.h>

#include <string>

namespace {

std::string failure(int status) {
  try {
    copyspec::detail::require_decoded(status, 12, 512);
  } catch (copyspec::adapters::LlamaCppError const& error) {
    CHECK(error.code() == copyspec::ErrorCode::engine);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("each status of a failed pass has a message of its own") {
  CHECK(failure(0).empty());
  CHECK(failure(1) == "llama.cpp: the cache is full: no room for 12 more tokens (n_ctx = 512)");
  CHECK(failure(2) == "llama.cpp: the pass was aborted by the abort callback");
  CHECK(failure(-1) == "llama.cpp: the batch was refused as invalid");
  CHECK(failure(-3) == "llama.cpp: the pass failed with status -3");
}
