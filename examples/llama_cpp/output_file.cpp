// SPDX-License-Identifier: MIT
#include "output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "copyspec/core/error.hpp"

namespace copyspec_llama {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(fs::path const& file) {
  copyspec::raise_error(copyspec::ErrorCode::file,
                        fmt::format("cannot write {}: {}", file.string(), std::generic_category().message(errno)));
}

}  // namespace

void require_writable(fs::path const& file) {
  std::error_code ignored;
  fs::file_status const status = fs::status(file, ignored);
  // A pipe is not opened, since that would wait for its reader.
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    if (::access(file.c_str(), W_OK) != 0) refuse(file);
    return;
  }
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) {
    descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor >= 0)
      ::unlink(fs::is_symlink(fs::symlink_status(file, ignored)) ? fs::canonical(file).c_str() : file.c_str());
  }
  if (descriptor < 0) refuse(file);
  ::close(descriptor);
}

void write_text(fs::path const& file, std::string_view text) {
  errno = 0;
  std::ofstream stream(file, std::ios::binary);
  stream << text << std::flush;
  if (!stream) refuse(file);
}

}  // namespace copyspec_llama
