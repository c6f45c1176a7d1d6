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

/// What kind of thing cannot be used, for a caller that decides by it: a server picks its status code.
enum class ErrorCode : std::uint8_t {
  empty_prompt,         ///< There is no token to continue from.
  prompt_too_long,      ///< The prompt leaves no room for an answer.
  unknown_token,        ///< A token outside the vocabulary.
  bad_options,          ///< Options that are invalid, or that this verifier or proposer does not support.
  vocabulary_mismatch,  ///< Two models that need the same vocabulary have different ones.
  engine,               ///< The engine failed, or cannot do what was asked of it.
  file,                 ///< A file that cannot be read or written, or whose contents are invalid.
};

/// What the library throws: something from outside (a request, a file, an engine) cannot be used. `what()` names what
/// it is and where, in one line; `code()` says of what kind it is.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string const& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws `Exception(code, message)`; in a build without exceptions, prints the message and aborts.
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
