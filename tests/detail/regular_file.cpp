// SPDX-License-Identifier: MIT
#include <copyspec/detail/regular_file.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/temporary_folder.hpp"

using copyspec::detail::RegularFile;
using copyspec_test::TemporaryFolder;

namespace {

std::string error_of(std::string const& path) {
  try {
    RegularFile const file(path);
  } catch (copyspec::Error const& error) {
    CHECK(error.code() == copyspec::ErrorCode::file);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("any part of a file can be read, through links too") {
  TemporaryFolder const folder;
  std::ofstream(folder.file("file")) << "0123456789";
  std::filesystem::create_symlink("file", folder.file("link"));
  RegularFile const file(folder.file("link"));
  CHECK(file.size() == 10);
  CHECK(file.path() == folder.file("link"));
  std::string part(4, '\0');
  file.read(3, part);
  CHECK(part == "3456");
  file.read(10, {});
  CHECK_NOTHROW(file.require_unchanged());
}

TEST_CASE("what is no regular file is refused by its kind, and never waited for") {
  TemporaryFolder const folder;
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(folder.file("socket").size() < sizeof(address.sun_path));
  std::strcpy(address.sun_path, folder.file("socket").c_str());
  int const listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(listening, reinterpret_cast<sockaddr const*>(&address), sizeof(address)) == 0);
  auto const expect = [](std::string const& path, std::string const& reason) {
    CHECK(error_of(path) == path + ": cannot be read: " + reason);
  };
  expect(folder.file("pipe"), "it is a pipe, not a regular file");
  expect(folder.file("socket"), "it is a socket, not a regular file");
  expect(folder.path.string(), "it is a directory, not a regular file");
  expect("/dev/null", "it is a device, not a regular file");
  expect(folder.file("missing"), "No such file or directory");
  expect("", "No such file or directory");
  ::close(listening);
}

TEST_CASE("a file that grows or shrinks while it is read is refused") {
  TemporaryFolder const folder;
  std::ofstream(folder.file("file")) << "0123456789";
  RegularFile const file(folder.file("file"));
  std::string whole(10, '\0');
  std::string const changed = folder.file("file") + ": cannot be read: its size changed meanwhile";
  std::filesystem::resize_file(folder.file("file"), 11);
  file.read(0, whole);
  CHECK_THROWS_WITH_AS(file.require_unchanged(), changed.c_str(), copyspec::Error);
  std::filesystem::resize_file(folder.file("file"), 9);
  CHECK_THROWS_WITH_AS(file.read(0, whole), changed.c_str(), copyspec::Error);
  CHECK_THROWS_WITH_AS(file.require_unchanged(), changed.c_str(), copyspec::Error);
}
