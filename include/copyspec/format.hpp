// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "core/token.hpp"
#include "core/version.hpp"
#include "decode/sequence.hpp"
#include "verify/verifier.hpp"

/// Formats the library's own types with fmt: `fmt::print("{}", sequence.counters())`. The names of enumerators accept
/// the format specifiers of a string. Not part of `copyspec.hpp`; include it where text is produced.

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

[[nodiscard]] constexpr std::string_view name_of(Source source) noexcept {
  switch (source) {
    case Source::model:
      return "model";
    case Source::context:
      return "context";
    case Source::reference:
      return "reference";
    case Source::history:
      return "history";
    case Source::draft_model:
      return "draft-model";
    case Source::other:
      return "other";
  }
  return "unknown source";
}

[[nodiscard]] constexpr std::string_view name_of(VerdictStatus status) noexcept {
  switch (status) {
    case VerdictStatus::ok:
      return "ok";
    case VerdictStatus::invalid_row:
      return "invalid row";
    case VerdictStatus::all_excluded:
      return "all excluded";
  }
  return "unknown status";
}

[[nodiscard]] constexpr std::string_view name_of(SequenceStatus status) noexcept {
  switch (status) {
    case SequenceStatus::idle:
      return "idle";
    case SequenceStatus::running:
      return "running";
    case SequenceStatus::stopped:
      return "stopped";
    case SequenceStatus::length:
      return "length";
    case SequenceStatus::context_full:
      return "context full";
    case SequenceStatus::invalid_row:
      return "invalid row";
    case SequenceStatus::all_excluded:
      return "all excluded";
    case SequenceStatus::failed:
      return "failed";
  }
  return "unknown status";
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec

/// Formats every type that has a `name_of`.
template <class T>
  requires requires(T value) {
    copyspec::name_of(value);
  }
struct fmt::formatter<T> : fmt::formatter<std::string_view> {
  auto format(T value, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format(copyspec::name_of(value), context);
  }
};

template <>
struct fmt::formatter<copyspec::SequenceId> : fmt::formatter<int> {
  auto format(copyspec::SequenceId id, fmt::format_context& context) const {
    return fmt::formatter<int>::format(static_cast<int>(id), context);
  }
};

template <>
struct fmt::formatter<copyspec::Verdict> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(copyspec::Verdict const& verdict, fmt::format_context& context) const {
    if (verdict.status != copyspec::VerdictStatus::ok)
      return fmt::format_to(context.out(), "{} accepted, then {}", verdict.accepted, verdict.status);
    return fmt::format_to(context.out(), "{} accepted, next {}", verdict.accepted, verdict.next);
  }
};

template <>
struct fmt::formatter<copyspec::SequenceCounters> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(copyspec::SequenceCounters const& counters, fmt::format_context& context) const {
    return fmt::format_to(context.out(), "{} tokens in {} passes, {} drafted, {} accepted", counters.generated,
                          counters.decode_passes, counters.drafted, counters.accepted);
  }
};
