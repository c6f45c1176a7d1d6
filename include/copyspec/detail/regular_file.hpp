// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/version.hpp"
#include "file_handle.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A file that is read in parts and must not change its size meanwhile. Throws an `Error` that names the path and the
/// reason if it is not a regular file or cannot be read. Does not allocate but for messages. Needs a POSIX system.
/// Threads: one.
class RegularFile {
 public:
  /// Opens the file. A pipe or a device is not opened.
  explicit RegularFile(std::string path) : path_(std::move(path)) {
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) raise_file_error(path_, "cannot be read");
    require_regular(status.st_mode);
    // Should a pipe have taken its place, this does not wait for it.
    file_ = FileHandle(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file_.open() || ::fstat(file_.get(), &status) != 0) raise_file_error(path_, "cannot be read");
    require_regular(status.st_mode);
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  [[nodiscard]] std::string const& path() const noexcept { return path_; }

  /// Bytes that the file had when it was opened.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Fills `bytes` from offset `at` on. Throws an `Error` if there are no longer so many.
  void read(std::uint64_t at, std::span<char> bytes) const {
    while (!bytes.empty()) {
      ssize_t const count = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) raise_file_error(path_, "cannot be read");
      if (count == 0) raise_changed();
      at += static_cast<std::uint64_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  /// Throws an `Error` if the file has another size than when it was opened.
  void require_unchanged() const {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) raise_file_error(path_, "cannot be read");
    if (static_cast<std::uint64_t>(status.st_size) != size_) raise_changed();
  }

 private:
  void require_regular(mode_t mode) const {
    if (S_ISREG(mode)) return;
    raise_error(ErrorCode::file, path_ + ": cannot be read: it is " +
                                     (S_ISDIR(mode)    ? "a directory"
                                      : S_ISFIFO(mode) ? "a pipe"
                                      : S_ISCHR(mode)  ? "a device"
                                      : S_ISBLK(mode)  ? "a device"
                                                       : "a socket") +
                                     ", not a regular file");
  }

  [[noreturn]] void raise_changed() const {
    raise_error(ErrorCode::file, path_ + ": cannot be read: its size changed meanwhile");
  }

  std::string path_;
  FileHandle file_;
  std::uint64_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
