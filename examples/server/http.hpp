// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "api_keys.hpp"
#include "service.hpp"
#include "tenants.hpp"

namespace copyspec_server {

/// Listens at a host's address, at a port that the system chooses for 0. Returns the socket, which stays open in
/// programs that this one starts. Throws `copyspec::Error` if the address cannot be had.
[[nodiscard]] int listen_at(std::string const& host, int port);
/// The port that a socket listens at.
[[nodiscard]] int port_of(int listening);

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::size_t connections = 256;  ///< Served at a time; more wait.
  std::size_t body_bytes = std::size_t{4} << 20;
  std::chrono::seconds deadline{600};  ///< From the arrival of a request to the end of its answer.
  std::string model_name;              ///< What clients call the model.
  /// Names by which clients may address the server, beside the address that it listens at. A page in a browser that
  /// reaches it under another name, which its own name server made up, is refused.
  std::vector<std::string> host_names;
};

/// The HTTP side: OpenAI's endpoints, `/health`, `/metrics` and the page at `/`. Threads: `stop` from any.
class Http {
 public:
  /// The service, the keys and the tenants are borrowed.
  Http(HttpOptions options, Service& service, ApiKeys const& keys, Tenants& tenants);
  ~Http();
  Http(Http const&) = delete;
  Http& operator=(Http const&) = delete;

  /// Serves at a socket of `listen_at`, until `stop`.
  void run(int listening);
  /// Takes no more connections, and returns from `run` once the last response is complete.
  void stop();

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace copyspec_server
