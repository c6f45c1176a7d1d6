// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace copyspec_llama {

/// The number from `least` to `most` that `text` is as a whole. Throws `CLI::ValidationError`, which names the option
/// and the text, if it is none.
template <class Number>
[[nodiscard]] Number parse_number(std::string const& option, std::string_view text, Number least, Number most) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // A NaN is in no range.
  if (error == std::errc() && end == text.data() + text.size() && number >= least && number <= most) return number;
  throw CLI::ValidationError(option, fmt::format("{:?} is no {} from {} to {}", text,
                                                 std::is_integral_v<Number> ? "whole number" : "number", least, most));
}

/// The seed that `text` is, and one of the system's for -1. Throws as `parse_number`.
[[nodiscard]] inline std::uint64_t parse_seed(std::string const& option, std::string_view text) {
  if (text != "-1") return parse_number<std::uint64_t>(option, text, 0, std::numeric_limits<std::uint64_t>::max());
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

/// An option, by its names, with a number from `least` to `most`, which `set` is called with.
template <class Number, class Set>
CLI::Option* add_number(CLI::App& app, std::string const& names, Number least, Number most, Set set,
                        std::string const& description) {
  std::string const name = names.substr(names.rfind(',') + 1);
  return app
      .add_option_function<std::string>(
          names, [=](std::string const& text) { set(parse_number<Number>(name, text, least, most)); }, description)
      ->type_name(std::is_integral_v<Number> ? "N" : "X");
}

/// The same for one that `value` is set to, which has a default.
template <class Number>
CLI::Option* add_number(CLI::App& app, std::string const& names, Number least, Number most, Number& value,
                        std::string const& description) {
  return add_number(
             app, names, least, most, [&value](Number number) { value = number; }, description)
      ->default_str(fmt::format("{}", value));
}

}  // namespace copyspec_llama
