// SPDX-License-Identifier: MIT
#include <copyspec/detail/atomic_file.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/temporary_folder.hpp"

using copyspec::detail::AtomicFile;
using copyspec_test::contents;
using copyspec_test::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

void replace(std::string const& path, std::string const& bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

// Runs `action` in a child, which may write no more than `most` bytes to a file, and returns its wait status. The
// system kills it beyond, unless `action` ignores the signal.
template <class Action>
int in_child(rlim_t most, Action const& action) {
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    rlimit const limit{most, most};
    rlimit const no_core{0, 0};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::_exit(action());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

fs::path leftover_in(TemporaryFolder const& folder) {
  for (fs::path const& file : fs::directory_iterator(folder.path))
    if (file.filename().string().starts_with("file.copyspec-")) return file;
  return {};
}

mode_t mode_of(std::string const& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a file is replaced as a whole when it is committed, and not before") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  replace(path, "old");
  CHECK(mode_of(path) == 0600);
  {
    AtomicFile file(path);
    file.write("ne");
    file.write("w");
    CHECK(contents(path) == "old");
    CHECK(folder.files() == 2);
    file.commit();
  }
  CHECK(contents(path) == "new");
  { AtomicFile(path).write("given up"); }
  CHECK(contents(path) == "new");
  CHECK(folder.files() == 1);
}

TEST_CASE("the permissions of a file stay as they are") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  for (mode_t const mode : {0644U, 0400U, 0660U}) {
    std::ofstream(path, std::ios::app) << "old";
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    replace(path, "new");
    CHECK(mode_of(path) == mode);
    CHECK(contents(path) == "new");
    ::chmod(path.c_str(), 0600);
  }
}

TEST_CASE("a link stays, and what it points to is replaced where it lies, or created") {
  TemporaryFolder const folder;
  fs::create_directory(folder.file("there"));
  fs::create_symlink(folder.file("there/target"), folder.file("absolute"));
  fs::create_symlink("absolute", folder.file("relative"));
  for (char const* const text : {"first", "second"}) {
    replace(folder.file("relative"), text);
    CHECK(fs::is_symlink(folder.file("relative")));
    CHECK(fs::is_symlink(folder.file("absolute")));
    CHECK(contents(folder.file("there/target")) == text);
    CHECK(folder.files() == 3);
  }
  fs::create_symlink("no/folder", folder.file("nowhere"));
  CHECK_THROWS_WITH_AS(AtomicFile(folder.file("nowhere")),
                       doctest::Contains("nowhere: no temporary file can be created beside it"), copyspec::Error);
  fs::create_symlink("round", folder.file("round"));
  CHECK_THROWS_WITH_AS(AtomicFile(folder.file("round")), doctest::Contains("round: cannot be replaced: Too many"),
                       copyspec::Error);
}

TEST_CASE("what is no regular file is never replaced") {
  TemporaryFolder const folder;
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  for (std::string const& path : {folder.file("pipe"), folder.path.string(), std::string("/dev/null")})
    CHECK_THROWS_WITH_AS(AtomicFile{path}, (path + ": cannot be replaced: it is not a regular file").c_str(),
                         copyspec::Error);
  CHECK(folder.files() == 1);
}

TEST_CASE("a process that is killed while it writes leaves the old file, and the next save leaves nothing else") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  replace(path, "old");
  auto const write_much = [&] {
    replace(path, std::string(100'000, 'x'));
    return 0;
  };
  for (int i = 0; i < 3; ++i) {
    int const status = in_child(50'000, write_much);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGXFSZ);
    CHECK(contents(path) == "old");
    // Each removes what the one before left.
    CHECK(folder.files() == 2);
  }
  CHECK(fs::file_size(leftover_in(folder)) == 50'000);
  replace(path, "new");
  CHECK(contents(path) == "new");
  CHECK(folder.files() == 1);
}

TEST_CASE("what a process still writes, or has another name, is no leftover") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  for (char const* const other :
       {"file.copyspec-12345", "file.copyspec-1234567", "file.other-123456", "file2", "other.copyspec-123456"})
    std::ofstream(folder.file(other)) << "mine";
  fs::create_directory(folder.file("file.copyspec-folder"));
  AtomicFile slow(path);
  slow.write("slow");
  replace(path, "fast");
  CHECK(contents(path) == "fast");
  slow.commit();
  CHECK(contents(path) == "slow");
  CHECK(folder.files() == 7);
}

TEST_CASE("a disk that is full leaves the old file and nothing beside it") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  replace(path, "old");
  int const status = in_child(50'000, [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    try {
      replace(path, std::string(100'000, 'x'));
    } catch (copyspec::Error const& error) {
      return std::string(error.what()) == path + ": cannot be written: File too large" ? 7 : 8;
    }
    return 9;
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(contents(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("of many at once, in threads and processes that are killed at any time, each replaces the file whole") {
  TemporaryFolder const folder;
  std::string const path = folder.file("file");
  auto const text = [](char letter) { return std::string(20'000, letter); };
  replace(path, text('0'));
  std::vector<pid_t> children;
  for (char letter = 'a'; letter < 'd'; ++letter) {
    children.push_back(::fork());
    REQUIRE(children.back() >= 0);
    if (children.back() != 0) continue;
    ::alarm(60);
    for (;;) {
      try {
        replace(path, text(letter));
      } catch (...) {
        ::_exit(1);
      }
    }
  }
  std::vector<std::thread> threads;
  for (char letter = 'p'; letter < 'r'; ++letter)
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 30; ++i) replace(path, text(letter));
    });
  auto const is_whole = [&] {
    std::string const now = contents(path);
    return now.size() == 20'000 && now == text(now.front());
  };
  for (int i = 0; i < 50; ++i) CHECK(is_whole());
  for (std::thread& thread : threads) thread.join();
  for (pid_t const child : children) {
    int status = 0;
    CHECK(::waitpid(child, &status, WNOHANG) == 0);
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, &status, 0) == child);
  }
  CHECK(is_whole());
  replace(path, "last");
  CHECK(contents(path) == "last");
  CHECK(folder.files() == 1);
}
