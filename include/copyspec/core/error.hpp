// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The category of an `Error`, for a caller that must act on it: a server, say, picks its status code.
enum class ErrorCode : std::uint8_t {
  empty_prompt,         ///< The prompt has no token to continue from.
  prompt_too_long,      ///< The prompt leaves no room for an answer.
  unknown_token,        ///< A token is outside the vocabulary.
  bad_options,          ///< Options are invalid, or not supported by this verifier or proposer.
  vocabulary_mismatch,  ///< Two models that need the same vocabulary have different ones.
  engine,               ///< The engine failed, or cannot do what was requested.
  file,                 ///< A file cannot be read or written, or its contents are invalid.
};

/// What the library throws: input from outside (a request, a file, an engine) cannot be used. `what()` says in one line
/// what is wrong and where; `code()` gives the category.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string const& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws `Exception(code, message)`. In a build without exceptions, prints the message and aborts.
template <class Exception = Error>
[[noreturn]] inline void raise_error(ErrorCode code, std::string const& message) {
#if defined(__cpp_exceptions)
  throw Exception(code, message);
#else
  static_cast<void>(code);
  std::fprintf(stderr, "copyspec: %s\n", message.c_str());
  std::abort();
#endif
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
