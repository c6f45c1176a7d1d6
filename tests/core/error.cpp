// SPDX-License-Identifier: MIT
#include <copyspec/core/error.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

using copyspec::Error;
using copyspec::raise;

namespace {

struct EngineError : Error {
  using Error::Error;
};

}  // namespace

TEST_CASE("raise throws an error with its message") {
  CHECK_THROWS_AS(raise("the prompt is empty"), Error);
  CHECK_THROWS_WITH(raise("the prompt is empty"), "the prompt is empty");
}

TEST_CASE("raise throws exactly the exception it was asked for") {
  CHECK_THROWS_AS(raise<EngineError>("no such file"), EngineError);
  CHECK_THROWS_WITH_AS(raise<std::invalid_argument>("no such file"), "no such file", std::invalid_argument);
  bool derived = false;
  try {
    raise("no such file");
  } catch (EngineError const&) {
    derived = true;
  } catch (Error const&) {
  }
  CHECK_FALSE(derived);
}

TEST_CASE("an error is caught as a standard one and outlives its message") {
  std::string what;
  try {
    std::string const message = "token 3 of the prompt is " + std::to_string(-7);
    raise(message);
  } catch (std::runtime_error const& error) {
    what = error.what();
  }
  CHECK(what == "token 3 of the prompt is -7");
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
}
