// SPDX-License-Identifier: MIT
#include <copyspec/detail/file_handle.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <utility>

using copyspec::detail::FileHandle;

namespace {

bool is_open(int descriptor) {
  return ::fcntl(descriptor, F_GETFD) >= 0;
}

int open_null() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace

TEST_CASE("a handle closes what it has, once") {
  int const descriptor = open_null();
  {
    FileHandle const handle(descriptor);
    CHECK(handle.open());
    CHECK(handle.get() == descriptor);
  }
  CHECK_FALSE(is_open(descriptor));
  FileHandle none;
  CHECK_FALSE(none.open());
  CHECK(none.close());
}

TEST_CASE("a handle that is moved from has nothing, and one that is moved to closes what it had") {
  FileHandle first(open_null());
  int const descriptor = first.get();
  FileHandle second(std::move(first));
  CHECK(second.get() == descriptor);
  int const other = open_null();
  {
    FileHandle third(other);
    third = std::move(second);
    CHECK(third.get() == descriptor);
  }
  CHECK_FALSE(is_open(descriptor));
}

TEST_CASE("closing says whether it went well") {
  FileHandle handle(open_null());
  ::close(handle.get());
  CHECK_FALSE(handle.close());
  CHECK_FALSE(handle.open());
}

TEST_CASE("an error names the path, what was done and why it failed") {
  errno = ENOENT;
  CHECK_THROWS_WITH_AS(copyspec::detail::raise_file_error("a/file", "cannot be read"),
                       "a/file: cannot be read: No such file or directory", copyspec::Error);
}
