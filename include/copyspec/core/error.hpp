// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What the library throws: something from outside (a request, a file, an engine) cannot be used. `what()` names what
/// it is and where, in one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `Exception{message}`; in a build without exceptions, prints the message and aborts.
template <class Exception = Error>
[[noreturn]] inline void raise(std::string const& message) {
#if defined(__cpp_exceptions)
  throw Exception(message);
#else
  std::fprintf(stderr, "copyspec: %s\n", message.c_str());
  std::abort();
#endif
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
