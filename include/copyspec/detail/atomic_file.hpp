// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/error.hpp"
#include "../core/version.hpp"
#include "file_handle.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A file that replaces another as a whole: what is written goes to a temporary file beside it, which `commit` flushes
/// to disk and renames. After a crash at any time, the file is the old one or the complete new one.
///
/// - A symbolic link stays, and the file that it points to is replaced.
/// - The permissions of the old file are kept, and its owner as far as the system allows. A new file is for its owner
///   alone. Only a regular file is replaced.
/// - The temporary file is named as the file, with ".copyspec-" and six characters appended. It is locked (`flock`)
///   while it is in use. What a killed process left has no lock, and the next `AtomicFile` for the same file removes
///   it.
///
/// Each call throws an `Error` that names the path and the reason if the system refuses. Needs a POSIX system with
/// `flock`. O(bytes, and entries in the directory). Allocates. Threads: any number, each with its own; of concurrent
/// ones for one file, the last to commit wins.
class AtomicFile {
 public:
  /// Creates the temporary file, and removes those that killed processes left.
  explicit AtomicFile(std::string const& path) : path_(path), target_(target_of(path)) {
    struct stat status {};
    bool const exists = ::stat(target_.c_str(), &status) == 0;
    if (!exists && errno != ENOENT) raise_file_error(path_, "cannot be replaced");
    if (exists && !S_ISREG(status.st_mode))
      raise_error(ErrorCode::file, path_ + ": cannot be replaced: it is not a regular file");
    remove_leftovers();
    create();
    if (exists) keep_permissions(status);
  }
  AtomicFile(AtomicFile const&) = delete;
  AtomicFile& operator=(AtomicFile const&) = delete;

  /// Removes the temporary file unless it was renamed.
  ~AtomicFile() {
    if (file_.open()) ::unlink(temporary_.c_str());
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t const count = ::write(file_.get(), bytes.data(), bytes.size());
      if (count >= 0)
        bytes.remove_prefix(static_cast<std::size_t>(count));
      else if (errno != EINTR)
        raise_file_error(path_, "cannot be written");
    }
  }

  /// Replaces the file. Nothing can be written afterwards.
  void commit() {
    if (::fsync(file_.get()) != 0) raise_file_error(path_, "cannot be written");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) raise_file_error(path_, "cannot be replaced");
    // Only now, as it is the lock: without one, the file would be taken for what a killed process left.
    if (!file_.close()) raise_file_error(path_, "cannot be written");
    // Until the directory is flushed too, the old file may come back after a crash.
    FileHandle const folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.open() || ::fsync(folder.get()) != 0)
      raise_file_error(path_, "its directory cannot be flushed to disk");
  }

 private:
  static constexpr std::string_view mark = ".copyspec-";
  static constexpr std::size_t random_characters = 6;  // of `mkstemp`

  // The file that `path` names, whatever links lie between.
  static std::filesystem::path target_of(std::filesystem::path target) {
    std::filesystem::path const path = target;
    std::error_code error;
    for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(target, error)); ++links) {
      std::filesystem::path const next = std::filesystem::read_symlink(target, error);
      if (links == 40) error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
      if (error) raise_error(ErrorCode::file, path.string() + ": cannot be replaced: " + error.message());
      target = target.parent_path() / next;
    }
    return target;
  }

  static std::filesystem::path folder_of(std::filesystem::path const& file) {
    return file.has_parent_path() ? file.parent_path() : ".";
  }

  void create() {
    // Before it is locked, another process may take it for a leftover and remove it. Where there are no locks, nothing
    // is ever taken for one.
    for (struct stat status{}; status.st_nlink == 0;) {
      temporary_ = target_.string().append(mark).append(random_characters, 'X');
      file_ = FileHandle(::mkstemp(temporary_.data()));
      if (!file_.open()) raise_file_error(path_, "no temporary file can be created beside it");
      ::fcntl(file_.get(), F_SETFD, FD_CLOEXEC);
      while (::flock(file_.get(), LOCK_EX) != 0 && errno == EINTR) continue;
      if (::fstat(file_.get(), &status) != 0) give_up("cannot be replaced");
    }
  }

  void keep_permissions(struct stat const& old) {
    mode_t mode = old.st_mode & 0777U;
    // Another group must not get what the old one was allowed.
    if (::fchown(file_.get(), old.st_uid, old.st_gid) != 0 &&
        ::fchown(file_.get(), static_cast<uid_t>(-1), old.st_gid) != 0)
      mode &= ~static_cast<mode_t>(S_IRWXG);
    if (::fchmod(file_.get(), mode) != 0) give_up("cannot be replaced");
  }

  // While there is no object yet, whose destructor would remove the file.
  [[noreturn]] void give_up(char const* what) const {
    int const error = errno;
    ::unlink(temporary_.c_str());
    errno = error;
    raise_file_error(path_, what);
  }

  // Those that no process holds. One that cannot be removed is no obstacle.
  void remove_leftovers() const {
    std::string const begin = target_.filename().string().append(mark);
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry(folder_of(target_), ignored), end; entry != end;
         entry.increment(ignored)) {
      std::string const name = entry->path().filename().string();
      if (name.size() != begin.size() + random_characters || !name.starts_with(begin)) continue;
      FileHandle const leftover(::open(entry->path().c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      struct stat status {};
      if (leftover.open() && ::fstat(leftover.get(), &status) == 0 && S_ISREG(status.st_mode) &&
          ::flock(leftover.get(), LOCK_EX | LOCK_NB) == 0)
        ::unlink(entry->path().c_str());
    }
  }

  std::string path_;
  std::filesystem::path target_;
  std::string temporary_;
  FileHandle file_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
