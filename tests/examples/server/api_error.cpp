// SPDX-License-Identifier: MIT
#include "examples/server/api_error.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "examples/server/json.hpp"

using copyspec_server::ApiError;
using copyspec_server::Json;

TEST_CASE("the body of an error is OpenAI's error object, with null for what is not said") {
  ApiError const error(418, "teapot", "short and stout", "spout", "tilt");
  CHECK(error.status() == 418);
  CHECK(std::string_view(error.what()) == "short and stout");
  CHECK(error.body() == R"({"error":{"message":"short and stout","type":"teapot","param":"spout","code":"tilt"}})");
  CHECK(ApiError(500, "server_error", "broken").body() ==
        R"({"error":{"message":"broken","type":"server_error","param":null,"code":null}})");
}

TEST_CASE("each kind of error has its status and its type") {
  struct Kind {
    ApiError error;
    int status;
    std::string type;
  };
  for (Kind const& kind :
       {Kind{ApiError::bad_request("m", "p", "c"), 400, "invalid_request_error"},
        Kind{ApiError::unavailable("m"), 503, "server_error"}, Kind{ApiError::failed("m"), 500, "server_error"}}) {
    CHECK(kind.error.status() == kind.status);
    Json const body = Json::parse(kind.error.body())["error"];
    CHECK(body["type"] == kind.type);
    CHECK(body["message"] == "m");
    CHECK(body.size() == 4);
  }
  CHECK(Json::parse(ApiError::bad_request("m", "p", "c").body())["error"]["param"] == "p");
  CHECK(Json::parse(ApiError::bad_request("m", "p", "c").body())["error"]["code"] == "c");
}

TEST_CASE("a message may have any bytes") {
  for (int byte = 1; byte < 256; ++byte) {
    ApiError const error = ApiError::bad_request("a" + std::string(1, static_cast<char>(byte)) + "\"\\\n", "p\xff");
    REQUIRE(Json::accept(error.body()));
    std::string const message = Json::parse(error.body())["error"]["message"];
    CHECK(message.ends_with("\"\\\n"));
    if (byte < 128) CHECK(message == error.what());
  }
}
