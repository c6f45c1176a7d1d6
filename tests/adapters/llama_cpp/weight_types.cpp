// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/weight_types.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "support/llama_error.hpp"

using copyspec::adapters::llama_cpp_weight_types;
using copyspec_test::error_of;

TEST_CASE("the types of the matrices are listed once, and those of vectors not") {
  char const* const path = std::getenv("COPYSPEC_TEST_MODEL");
  REQUIRE(path != nullptr);
  // Norms are F32.
  CHECK(llama_cpp_weight_types(path) == std::vector<ggml_type>{GGML_TYPE_Q4_1, GGML_TYPE_Q8_0});
}

TEST_CASE("a file that is none, or no GGUF file, is named") {
  CHECK(error_of([] { (void)llama_cpp_weight_types("no/such.gguf"); }) == "no/such.gguf cannot be read as a GGUF file");
  std::string const text = "weight_types_test.txt";
  std::ofstream(text) << "GGUL is no GGUF";
  CHECK(error_of([&] { (void)llama_cpp_weight_types(text); }) == text + " cannot be read as a GGUF file");
  CHECK(std::remove(text.c_str()) == 0);
}
