// SPDX-License-Identifier: MIT
#include <copyspec/core/error.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

using copyspec::Error;
using copyspec::ErrorCode;
using copyspec::raise_error;

namespace {

struct EngineError : Error {
  using Error::Error;
};

}  // namespace

TEST_CASE("raise_error throws an error with its message") {
  CHECK_THROWS_AS(raise_error(ErrorCode::empty_prompt, "the prompt is empty"), Error);
  CHECK_THROWS_WITH(raise_error(ErrorCode::empty_prompt, "the prompt is empty"), "the prompt is empty");
}

TEST_CASE("raise_error throws exactly the exception it was asked for") {
  CHECK_THROWS_AS(raise_error<EngineError>(ErrorCode::engine, "no such file"), EngineError);
  bool derived = false;
  try {
    raise_error(ErrorCode::file, "no such file");
  } catch (EngineError const&) {
    derived = true;
  } catch (Error const&) {
  }
  CHECK_FALSE(derived);
}

TEST_CASE("an error is caught as a standard one and outlives its message") {
  std::string what;
  ErrorCode code = ErrorCode::file;
  try {
    std::string const message = "token 3 of the prompt is " + std::to_string(-7);
    raise_error(ErrorCode::unknown_token, message);
  } catch (std::runtime_error const& error) {
    what = error.what();
    code = dynamic_cast<Error const&>(error).code();
  }
  CHECK(code == ErrorCode::unknown_token);
  CHECK(what == "token 3 of the prompt is -7");
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
}
