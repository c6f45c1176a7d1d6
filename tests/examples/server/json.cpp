// SPDX-License-Identifier: MIT
#include "examples/server/json.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "examples/server/api_error.hpp"
#include "support/error_of.hpp"

using copyspec_server::ApiError;
using copyspec_server::Fields;
using copyspec_server::Json;
using copyspec_server::JsonLimits;
using copyspec_server::parse_body;
using copyspec_server::to_text;
using copyspec_test::error_of;

namespace {

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string refusal(std::string const& text, JsonLimits const& limits = {}) {
  return error_of<ApiError>([&] { static_cast<void>(parse_body(text, limits)); });
}

// The `param` of the error that `action` throws.
std::string param_of(std::function<void()> const& action) {
  try {
    action();
  } catch (ApiError const& error) {
    CHECK(error.status() == 400);
    Json const param = Json::parse(error.body())["error"]["param"];
    return param.is_string() ? param.get<std::string>() : "";
  }
  return "nothing was thrown";
}

// A value of each type, some at the edges.
std::map<std::string, std::string> const values{{"no", "null"},
                                                {"yes", "true"},
                                                {"five", "5"},
                                                {"five_point", "5.0"},
                                                {"half", "0.5"},
                                                {"word", "\"5\""},
                                                {"list", "[5]"},
                                                {"empty_list", "[]"},
                                                {"thing", "{\"a\": 5}"},
                                                {"least", "-9223372036854775808"},
                                                {"most", "9223372036854775807"},
                                                {"beyond", "9223372036854775808"},
                                                {"unsigned", "18446744073709551615"},
                                                {"huge", "18446744073709551616"},
                                                {"exponent", "5e0"}};

Json all_values() {
  std::string text;
  for (auto const& [name, value] : values) text += (text.empty() ? "{\"" : ", \"") + name + "\": " + value;
  return parse_body(text + "}");
}

}  // namespace

TEST_CASE("a body is a JSON object, and anything else is refused") {
  CHECK(parse_body(" {} ").empty());
  CHECK(to_text(parse_body(R"({"b": 1, "a": [2, {"c": null}]})")) == R"({"b":1,"a":[2,{"c":null}]})");
  for (std::string const text : {"[]", "1", "\"x\"", "null", "true"})
    CHECK_MESSAGE(refusal(text) == "the body must be a JSON object", text);
  for (std::string const text : {"", " ", "{", "{\"a\":}", "{\"a\": 1,}", "{} {}", "{'a': 1}", "{\"a\": 1e999}",
                                 "{\"a\": NaN}", "{\"a\": \"\xff\"}", "{\"a\": \"\\ud800\"}", "{a: 1}", "\xef\xbb"})
    CHECK_MESSAGE(refusal(text).starts_with("the body is no JSON: "), text);
}

TEST_CASE("the error for a body with any bytes is JSON itself") {
  for (int byte = 0; byte < 256; ++byte) {
    std::string const text = "{\"a\": \"" + std::string(1, static_cast<char>(byte)) + "x";
    try {
      static_cast<void>(parse_body(text));
      FAIL("accepted");
    } catch (ApiError const& error) {
      CHECK(Json::accept(error.body()));
    }
  }
}

TEST_CASE("bodies may be nested as deep as the limit, and no deeper") {
  for (int const limit : {1, 2, 5, 64}) {
    CAPTURE(limit);
    JsonLimits const limits{.depth = limit};
    auto const nested = [](std::string_view open, std::string_view close, int depth) {
      auto const inner = static_cast<std::size_t>(depth - 1);
      return "{\"a\": " + repeated(open, inner) + "1" + repeated(close, inner) + "}";
    };
    CHECK(refusal(nested("[", "]", limit), limits).empty());
    CHECK(refusal(nested("{\"a\": ", "}", limit), limits).empty());
    CHECK(refusal(nested("[", "]", limit + 1), limits).find("nested") != std::string::npos);
    CHECK(refusal(nested("{\"a\": ", "}", limit + 1), limits).find("nested") != std::string::npos);
  }
  // Refused at once, complete or not.
  CHECK(refusal("{\"a\": " + std::string(1000, '[')).find("nested") != std::string::npos);
  CHECK(refusal(repeated("{\"a\":", 1'000'000)).find("nested") != std::string::npos);
}

TEST_CASE("bodies may have as many keys as the limit, wherever they are") {
  JsonLimits const limits{.keys = 6};
  CHECK(refusal(R"({"a": 1, "b": {"a": 1, "b": 2}, "c": [{"a": 1}]})", limits).empty());
  CHECK(refusal(R"({"a": 1, "b": {"a": 1, "b": 2}, "c": [{"a": 1, "b": 2}]})", limits).find("keys") !=
        std::string::npos);
  // The same key again counts again, since it costs the same.
  CHECK(refusal("{" + repeated("\"a\": 1, ", 6) + "\"a\": 1}", limits).find("keys") != std::string::npos);
  CHECK(refusal("{" + repeated("\"a\": 1, ", 5) + "\"a\": 2}", limits).empty());
  CHECK(parse_body("{\"a\": 1, \"a\": 2}")["a"] == 2);
  // Elements of arrays are no keys.
  CHECK(refusal("{\"a\": [" + repeated("1, ", 100'000) + "1]}", limits).empty());
}

TEST_CASE("each getter takes values of its type, null as absent, and names the field of any other") {
  Json const body = all_values();
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  using Names = std::vector<std::string>;
  std::map<std::string, std::function<bool(Fields const&, std::string const&)>> const getters{
      {"boolean", [](Fields const& fields, std::string const& name) { return fields.boolean(name).has_value(); }},
      {"number",
       [](Fields const& fields, std::string const& name) { return fields.number(name, -1e300, 1e300).has_value(); }},
      {"integer",
       [](Fields const& fields, std::string const& name) { return fields.integer(name, least, most).has_value(); }},
      {"text", [](Fields const& fields, std::string const& name) { return fields.text(name).has_value(); }},
      {"array", [](Fields const& fields, std::string const& name) { return fields.array(name) != nullptr; }},
      {"object", [](Fields const& fields, std::string const& name) { return fields.object(name) != nullptr; }}};
  std::map<std::string, Names> const taken{
      {"boolean", {"yes"}},
      {"number", {"five", "five_point", "half", "least", "most", "beyond", "unsigned", "huge", "exponent"}},
      {"integer", {"five", "least", "most"}},
      {"text", {"word"}},
      {"array", {"list", "empty_list"}},
      {"object", {"thing"}}};
  for (std::string const path : {"", "outer[2]"}) {
    Fields const fields(body, path);
    for (auto const& getter : getters) {
      std::string const& kind = getter.first;
      auto const& get = getter.second;
      CAPTURE(kind);
      CHECK_FALSE(get(fields, "no"));
      CHECK_FALSE(get(fields, "missing"));
      for (auto const& value : values) {
        std::string const& name = value.first;
        if (name == "no") continue;
        CAPTURE(name);
        Names const& names = taken.at(kind);
        bool const takes = std::find(names.begin(), names.end(), name) != names.end();
        std::string const expected = takes ? "nothing was thrown" : path.empty() ? name : path + "." + name;
        bool has = false;
        CHECK(param_of([&] { has = get(fields, name); }) == expected);
        CHECK(has == takes);
      }
    }
  }
}

TEST_CASE("values come back as they are, and 5.0 is a number but no whole one") {
  Json const body = all_values();
  Fields const fields(body);
  CHECK(fields.boolean("yes") == true);
  CHECK(fields.number("five", 5, 5) == 5);
  CHECK(fields.number("five_point", 5, 5) == 5);
  CHECK(fields.number("half", 0, 1) == 0.5);
  CHECK(fields.integer("five", 5, 5) == 5);
  CHECK(fields.integer("least", std::numeric_limits<std::int64_t>::min(), 0) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(fields.integer("most", 0, std::numeric_limits<std::int64_t>::max()) ==
        std::numeric_limits<std::int64_t>::max());
  CHECK(fields.text("word") == "5");
  CHECK(fields.required_text("word") == "5");
  CHECK(*fields.array("list") == Json::parse("[5]"));
  CHECK(*fields.object("thing") == Json::parse("{\"a\": 5}"));
  CHECK(fields.has("thing"));
  CHECK_FALSE(fields.has("no"));
  CHECK_FALSE(fields.has("missing"));
  CHECK(error_of<ApiError>([&] { static_cast<void>(fields.integer("five_point", 0, 9)); }) ==
        "five_point must be a whole number from 0 to 9");
}

TEST_CASE("numbers are taken within their range alone, both ends included") {
  for (std::int64_t value = -6; value <= 6; ++value) {
    std::string const text = "{\"a\": " + std::to_string(value) + "}";
    Json const body = parse_body(text);
    Fields const fields(body, "x");
    bool const inside = value >= -2 && value <= 3;
    CHECK(error_of<ApiError>([&] { static_cast<void>(fields.integer("a", -2, 3)); }).empty() == inside);
    CHECK(error_of<ApiError>([&] { static_cast<void>(fields.number("a", -2, 3)); }).empty() == inside);
  }
  Json const nan{{"a", std::numeric_limits<double>::quiet_NaN()}};
  CHECK(error_of<ApiError>([&] { static_cast<void>(Fields(nan).number("a", -2, 3)); }) ==
        "a must be a number from -2 to 3");
}

TEST_CASE("a text that is required is refused where it is absent, null or no text") {
  Json const body = all_values();
  for (std::string const name : {"missing", "no", "five", "list"})
    CHECK(param_of([&] { static_cast<void>(Fields(body, "top").required_text(name)); }) == "top." + name);
  CHECK(param_of([&] { Fields const fields(body["list"], "top"); }) == "top");
  CHECK(param_of([&] { Fields(body, "top[1]").refuse("a", "better"); }) == "top[1].a");
}

TEST_CASE("what is no UTF-8 is written as JSON all the same") {
  std::string const text = to_text(Json{{"a", "x\xc3"}, {"b", "\xff\xfe"}, {"c", "\xf0\x9f\x98\x80"}});
  Json const read = Json::parse(text);
  CHECK(read["a"] == "x\xef\xbf\xbd");
  CHECK(read["c"] == "\xf0\x9f\x98\x80");
  CHECK(text.find('\n') == std::string::npos);
}
