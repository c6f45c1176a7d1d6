// SPDX-License-Identifier: MIT
#include <copyspec/core/version.hpp>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>

#include <doctest/doctest.h>

#include <type_traits>

#if COPYSPEC_VERSION_MAJOR != 0 || COPYSPEC_VERSION_MINOR != 1 || COPYSPEC_VERSION_PATCH != 0
#error "the version changed: change it here, in CMakeLists.txt and, with the minor number, the inline namespace"
#endif

TEST_CASE("the inline namespace is part of every name") {
  static_assert(COPYSPEC_VERSION_MAJOR == 0);
  static_assert(std::is_same_v<copyspec::Error, copyspec::COPYSPEC_VERSION_NAMESPACE::Error>);
  static_assert(std::is_same_v<copyspec::SequenceId, copyspec::COPYSPEC_VERSION_NAMESPACE::SequenceId>);
  CHECK(COPYSPEC_VERSION_MAJOR == 0);
}
