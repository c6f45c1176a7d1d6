// SPDX-License-Identifier: MIT
#include "json.hpp"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "api_error.hpp"

namespace copyspec_server {

std::optional<Json> parse_inner(std::string_view text) {
  struct TooDeep {};
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > JsonLimits{}.depth) throw TooDeep();
      return true;
    });
  } catch (TooDeep const&) {
    return std::nullopt;
  } catch (Json::exception const&) {
    return std::nullopt;
  }
}

Json parse_body(std::string_view text, JsonLimits const& limits) {
  std::size_t keys = 0;
  auto const check = [&](int depth, Json::parse_event_t event, Json&) {
    keys += event == Json::parse_event_t::key ? 1 : 0;
    if (depth > limits.depth)
      throw ApiError::bad_request(fmt::format("the body is nested more than {} deep", limits.depth));
    if (keys > limits.keys) throw ApiError::bad_request(fmt::format("the body has more than {} keys", limits.keys));
    return true;
  };
  Json body;
  try {
    body = Json::parse(text, check);
  } catch (Json::exception const& error) {
    throw ApiError::bad_request(fmt::format("the body is no JSON: {:.200}", error.what()));
  }
  if (!body.is_object()) throw ApiError::bad_request("the body must be a JSON object");
  return body;
}

Fields::Fields(Json const& value, std::string path) : value_(&value), path_(std::move(path)) {
  if (!value.is_object()) throw ApiError::bad_request(path_ + " must be an object", path_);
}

std::string Fields::name(std::string_view field) const {
  return path_.empty() ? std::string(field) : fmt::format("{}.{}", path_, field);
}

Json const* Fields::find(std::string_view field) const {
  auto const found = value_->find(field);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

void Fields::refuse(std::string_view field, std::string const& expected) const {
  throw ApiError::bad_request(fmt::format("{} must be {}", name(field), expected), name(field));
}

std::optional<bool> Fields::boolean(std::string_view field) const {
  Json const* const value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(field, "true or false");
  return value->get<bool>();
}

std::optional<double> Fields::number(std::string_view field, double least, double most) const {
  Json const* const value = find(field);
  if (value == nullptr) return std::nullopt;
  // A NaN is in no range.
  if (!value->is_number() || !(value->get<double>() >= least && value->get<double>() <= most))
    refuse(field, fmt::format("a number from {} to {}", least, most));
  return value->get<double>();
}

std::optional<std::int64_t> Fields::integer(std::string_view field, std::int64_t least, std::int64_t most) const {
  Json const* const value = find(field);
  if (value == nullptr) return std::nullopt;
  auto const fits = [&] {
    if (value->is_number_unsigned())
      return value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return value->is_number_integer();
  };
  if (!fits() || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most)
    refuse(field, fmt::format("a whole number from {} to {}", least, most));
  return value->get<std::int64_t>();
}

std::optional<std::string> Fields::text(std::string_view field) const {
  Json const* const value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(field, "a string");
  return value->get<std::string>();
}

std::string Fields::required_text(std::string_view field) const {
  std::optional<std::string> value = text(field);
  if (!value) refuse(field, "given");
  return *std::move(value);
}

Json const* Fields::array(std::string_view field) const {
  Json const* const value = find(field);
  if (value != nullptr && !value->is_array()) refuse(field, "an array");
  return value;
}

Json const* Fields::object(std::string_view field) const {
  Json const* const value = find(field);
  if (value != nullptr && !value->is_object()) refuse(field, "an object");
  return value;
}

}  // namespace copyspec_server
