// SPDX-License-Identifier: MIT
#include "api_error.hpp"

#include <utility>

#include "json.hpp"

namespace copyspec_server {

ApiError::ApiError(int status, std::string type, std::string const& message, std::string param, std::string code)
    : std::runtime_error(message),
      status_(status),
      type_(std::move(type)),
      param_(std::move(param)),
      code_(std::move(code)) {}

std::string ApiError::body() const {
  auto const text = [](std::string const& value) { return value.empty() ? Json() : Json(value); };
  return to_text({{"error", {{"message", what()}, {"type", type_}, {"param", text(param_)}, {"code", text(code_)}}}});
}

}  // namespace copyspec_server
