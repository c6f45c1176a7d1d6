// SPDX-License-Identifier: MIT
#include <copyspec/version.hpp>

#include <copyspec/error.hpp>
#include <copyspec/token.hpp>

#include <doctest/doctest.h>

#include <type_traits>

#if COPYSPEC_VERSION_MAJOR != 0 || COPYSPEC_VERSION_MINOR != 1 || COPYSPEC_VERSION_PATCH != 0
#error "the version changed: change it here, in CMakeLists.txt and, with the major number, the inline namespace"
#endif

TEST_CASE("the major version is part of every name") {
  static_assert(COPYSPEC_VERSION_MAJOR == 0);
  static_assert(std::is_same_v<copyspec::Error, copyspec::v0::Error>);
  static_assert(std::is_same_v<copyspec::SequenceId, copyspec::v0::SequenceId>);
  CHECK(COPYSPEC_VERSION_MAJOR == 0);
}
