// SPDX-License-Identifier: MIT
//
// Computes a part of a model for a copyspec-server on another machine, or in another process, by llama.cpp's RPC:
//
//   copyspec-worker --host 127.0.0.1 --port 50052
//
// Who reaches the port controls the process: llama.cpp's protocol knows no password.
#include <fmt/format.h>
#include <ggml-backend.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <string>
#include <thread>

#include "../llama_cpp/engine.hpp"
#include "../llama_cpp/numbers.hpp"
#include "../llama_cpp/program.hpp"
#include "copyspec/core/error.hpp"

namespace copyspec_server {
namespace {

struct Options {
  std::string host = "127.0.0.1";
  int port = 50052;
  std::size_t threads = 1;
};

void run(Options const& options) {
  using StartServer = void (*)(char const*, char const*, std::size_t, std::size_t, ggml_backend_dev_t*);
  auto const start = copyspec_llama::rpc_function<StartServer>("ggml_backend_rpc_start_server");
  ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  start(fmt::format("{}:{}", options.host, options.port).c_str(), nullptr, options.threads, 1, &device);
  copyspec::raise_error(copyspec::ErrorCode::engine, fmt::format("cannot serve at {}:{}", options.host, options.port));
}

}  // namespace
}  // namespace copyspec_server

int main(int argc, char** argv) {
  copyspec_server::Options options;
  options.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  CLI::App app("Computes a part of a model for copyspec-server, by llama.cpp's RPC.", "copyspec-worker");
  app.add_option("--host", options.host, "Address to listen at")->type_name("ADDRESS")->capture_default_str();
  copyspec_llama::add_number(app, "--port", 1, 65535, options.port, "Port to listen at");
  copyspec_llama::add_number(app, "-t,--threads", std::size_t{1}, std::size_t{1024}, options.threads, "Threads");
  return copyspec_llama::run_program(app, argc, argv, [&] { copyspec_server::run(options); });
}
