// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/version.hpp"
#include "../detail/atomic_file.hpp"
#include "../detail/regular_file.hpp"
#include "pass_cost.hpp"
#include "pass_level.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What pass costs depend on besides the number of rows. Costs that were learnt under one key are refused under
/// another. The texts are compared as they are; each is one line, and not empty.
struct PassCostKey {
  std::string model;        ///< Its name, or a checksum.
  std::string device;       ///< The processor or accelerator that it runs on.
  std::string engine;       ///< The engine, its version and how it was built.
  std::string weights;      ///< Their type, such as "Q4_K_M".
  std::size_t threads = 0;  ///< That the engine uses for a pass.

  bool operator==(PassCostKey const&) const = default;
};

/// Saves what a `PassCost` has learnt to a small text file, so that the next process need not learn it again. Needs a
/// POSIX system. The lines of a file:
///
///     copyspec pass costs 1
///     model NAME
///     device NAME
///     engine NAME
///     weights NAME
///     threads N
///     N rows S seconds N passes      for each row count that was observed, ascending
///     end
///
/// Each call throws an `Error` that names the path, and the line if there is one. Threads: any number of calls.
class PassCostFile {
 public:
  /// Writes what `cost` has learnt under `key` to `path`, as `HistoryFile::save` does: after a crash the file is the
  /// old one or the complete new one. A fixed curve has learnt nothing, and is refused, as is a key with an empty text
  /// or with one of several lines. Allocates.
  static void save(std::string const& path, PassCostKey const& key, PassCost const& cost) {
    std::vector<PassLevel> const levels = cost.levels();
    if (levels.empty()) raise_error(ErrorCode::bad_options, path + ": no pass was observed, there is nothing to save");
    std::string text(first_line);
    for (auto const& [name, value] : lines(key)) {
      if (value.empty() || value.find('\n') != std::string::npos)
        raise_error(ErrorCode::bad_options, path + ": the " + std::string(name) + " of pass costs is one line of text");
      text.append("\n").append(name).append(" ").append(value);
    }
    for (PassLevel const& level : levels) text.append("\n").append(line(level));
    text.append("\nend\n");
    detail::AtomicFile file(path);
    file.write(text);
    file.commit();
  }

  /// The pass costs that `save` wrote to `path` under the same key. Throws if they are of another key, which it names,
  /// or if the file is none, cut off or damaged. Allocates at most some times 64 KiB.
  [[nodiscard]] static PassCost load(std::string const& path, PassCostKey const& key) {
    Lines text(path);
    if (text.next() != first_line) text.refuse("is not \"" + std::string(first_line) + "\"");
    for (auto const& [name, value] : lines(key)) {
      std::string_view const found = text.next();
      std::string const begin = std::string(name) + " ";
      if (!found.starts_with(begin)) text.refuse("does not name the " + std::string(name));
      std::string const other(found.substr(begin.size()));
      if (other != value) text.refuse("has pass costs of the " + begin + quoted(other) + ", not of " + quoted(value));
    }
    std::vector<PassLevel> levels;
    for (std::string_view found = text.next(); found != "end"; found = text.next()) {
      // Whatever reads as a level must be written like it: no sign, no other spelling, nothing after it.
      PassLevel const level = parsed(found);
      if (found != line(level)) text.refuse("is no row count with its seconds and passes");
      levels.push_back(level);
    }
    text.require_end();
    return PassCost::remembered(levels, path);
  }

  /// Throws the `Error` that `save` to `path` would throw now if it cannot begin to write. Changes nothing.
  static void require_writable(std::string const& path) { detail::AtomicFile const file(path); }

 private:
  static constexpr std::string_view first_line = "copyspec pass costs 1";

  static std::array<std::pair<std::string_view, std::string>, 5> lines(PassCostKey const& key) {
    return {{{"model", key.model},
             {"device", key.device},
             {"engine", key.engine},
             {"weights", key.weights},
             {"threads", std::to_string(key.threads)}}};
  }

  static std::string quoted(std::string const& text) { return "\"" + text + "\""; }

  static std::string line(PassLevel const& level) {
    std::array<char, 32> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), level.seconds).ptr;
    return std::to_string(level.rows) + " rows " + std::string(digits.data(), end) + " seconds " +
           std::to_string(level.passes) + " passes";
  }

  // A level of zeros where a number cannot be read.
  static PassLevel parsed(std::string_view line) {
    PassLevel level;
    char const* at = line.data();
    char const* const end = at + line.size();
    auto const number = [&](auto& value, std::string_view unit) {
      auto const [next, error] = std::from_chars(at, end, value);
      if (error != std::errc()) return false;
      at = std::string_view(next, static_cast<std::size_t>(end - next)).starts_with(unit) ? next + unit.size() : end;
      return true;
    };
    bool const whole = number(level.rows, " rows ") && number(level.seconds, " seconds ") && number(level.passes, "");
    return whole ? level : PassLevel();
  }

  // The lines of a file, one after another.
  class Lines {
   public:
    explicit Lines(std::string const& path) : path_(path) {
      detail::RegularFile const file(path);
      if (file.size() > most_bytes)
        raise_error(ErrorCode::file, path + ": is too long for pass costs: " + std::to_string(file.size()) + " bytes");
      text_.resize(static_cast<std::size_t>(file.size()));
      file.read(0, text_);
    }

    // The next line, without its end.
    std::string_view next() {
      ++number_;
      std::size_t const end = text_.find('\n', at_);
      if (end == std::string::npos) refuse("is missing or cut off");
      std::string_view const line = std::string_view(text_).substr(at_, end - at_);
      at_ = end + 1;
      return line;
    }

    void require_end() {
      if (at_ == text_.size()) return;
      ++number_;
      refuse("comes after the end");
    }

    [[noreturn]] void refuse(std::string const& what) const {
      raise_error(ErrorCode::file, path_ + ": line " + std::to_string(number_) + " " + what);
    }

   private:
    static constexpr std::size_t most_bytes = 65536;

    std::string path_;
    std::string text_;
    std::size_t at_ = 0;      // of the next line
    std::size_t number_ = 0;  // of the newest line
  };
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
