// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>

namespace copyspec_server {

/// What a client gets instead of an answer: an HTTP status, and OpenAI's error object.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string type, std::string const& message, std::string param = {}, std::string code = {});

  /// The request is at fault: status 400. `param` names the field, or is empty.
  static ApiError bad_request(std::string const& message, std::string param = {}, std::string code = {}) {
    return {400, "invalid_request_error", message, std::move(param), std::move(code)};
  }
  /// The server takes no request now: status 503, to be tried again.
  static ApiError unavailable(std::string const& message) { return {503, "server_error", message, {}, "unavailable"}; }
  /// The server is at fault: status 500.
  static ApiError failed(std::string const& message) { return {500, "server_error", message}; }

  [[nodiscard]] int status() const noexcept { return status_; }
  /// The error object, as JSON: `{"error": {"message", "type", "param", "code"}}`.
  [[nodiscard]] std::string body() const;

 private:
  int status_;
  std::string type_;
  std::string param_;
  std::string code_;
};

}  // namespace copyspec_server
