// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace copyspec_server {

/// Keeps the order of its keys.
using Json = nlohmann::ordered_json;

/// `value` in one line. Bytes that are not UTF-8 become U+FFFD: a model may generate them.
[[nodiscard]] inline std::string to_text(Json const& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// What a request body may have. An object that keeps its order is slow to build from very many keys.
struct JsonLimits {
  int depth = 64;
  std::size_t keys = 8192;  ///< Of all objects together.
};

/// A JSON text that a client or a model wrote inside a string; nothing if it is none or nested more than 64 deep.
[[nodiscard]] std::optional<Json> parse_inner(std::string_view text);

/// Parses a request body. Throws `ApiError` unless it is a JSON object within the limits.
[[nodiscard]] Json parse_body(std::string_view text, JsonLimits const& limits = {});

/// The fields of a JSON object. A field that is null counts as absent, as clients send it. Each function throws an
/// `ApiError` that names the field if its value is of another type or out of range.
class Fields {
 public:
  /// `path` is where the object stands, or empty for the body itself. Throws `ApiError` if `value` is no object. It
  /// must outlive this.
  explicit Fields(Json const& value, std::string path = {});

  /// The name of a field as errors have it: `messages[0].role`.
  [[nodiscard]] std::string name(std::string_view field) const;

  [[nodiscard]] bool has(std::string_view field) const { return find(field) != nullptr; }
  [[nodiscard]] std::optional<bool> boolean(std::string_view field) const;
  [[nodiscard]] std::optional<double> number(std::string_view field, double least, double most) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view field, std::int64_t least,
                                                    std::int64_t most) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view field) const;
  /// The same, and an error if the field is absent.
  [[nodiscard]] std::string required_text(std::string_view field) const;
  /// Null if the field is absent.
  [[nodiscard]] Json const* array(std::string_view field) const;
  [[nodiscard]] Json const* object(std::string_view field) const;
  /// Of any type.
  [[nodiscard]] Json const* find(std::string_view field) const;

  /// Throws the error that `field` must be `expected`.
  [[noreturn]] void refuse(std::string_view field, std::string const& expected) const;

 private:
  Json const* value_;
  std::string path_;
};

}  // namespace copyspec_server
