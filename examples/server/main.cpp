// SPDX-License-Identifier: MIT
//
// Serves a model by OpenAI's HTTP interface, with llama.cpp and copying:
//
//   copyspec-server FILE
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../llama_cpp/numbers.hpp"
#include "../llama_cpp/program.hpp"
#include "api_keys.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "http.hpp"
#include "service.hpp"
#include "supervisor.hpp"
#include "tenants.hpp"

namespace copyspec_server {
namespace {

struct Options {
  ServiceOptions service{.engine = {.context = 16384, .sequences = 8}, .context_limit = 4096};
  HttpOptions http;
  TenantsOptions tenants;
  std::filesystem::path keys;
  std::int64_t deadline = 600;
  int port = 8080;
  bool supervised = false;
  int listening = -1;  // the socket of a supervised server
};

void add_options(CLI::App& app, Options& options) {
  using copyspec_llama::add_number;
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  auto const add_count = [&app](std::string const& names, std::size_t& value, std::string const& description) {
    add_number(app, names, std::size_t{1}, most, value, description);
  };
  app.add_option("-m,--model,model", options.service.model, "The model, a GGUF file")->required()->type_name("FILE");
  app.add_option("--name", options.http.model_name, "What clients call the model; its file's name if not given")
      ->type_name("NAME");
  app.add_option("--host", options.http.host, "Address to listen at")->type_name("ADDRESS")->capture_default_str();
  add_number(app, "--port", 0, 65535, options.port, "Port to listen at; 0 is a free one, which is shown");
  app.add_option("--host-name", options.http.host_names,
                 "A name by which clients may address the server, beside localhost and addresses; may be given again")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  app.add_option("--api-keys", options.keys,
                 "A file of those who may use the server: a name and a key a line, with a space between")
      ->type_name("FILE");
  std::vector<std::string> const weights{"file", "f32"};
  app.add_option_function<std::string>(
         "--weights", [&options](std::string const& name) { options.service.f32 = name == "f32"; },
         "Decode the weights as they are in the file, or an F32 copy, which is written next to it once")
      ->type_name("file|f32")
      ->default_str("file")
      ->check(CLI::IsMember(weights).description(""));
  app.add_option("--worker", options.service.engine.workers,
                 "Address and port of a copyspec-worker that computes a part of the model; may be given again")
      ->type_name("HOST:PORT")
      ->expected(1)
      ->take_all();
  app.add_flag("--supervise", options.supervised,
               "Run in a child process that is started again if a signal ends it, as when a worker dies");
  app.add_option("--listening", options.listening)->group("");
  add_count("-t,--threads", options.service.engine.threads, "Threads of llama.cpp");
  add_count("--sequences", options.service.engine.sequences, "Most answers that are generated at a time");
  add_count("--context", options.service.context_limit, "Most tokens of a prompt with its answer");
  add_count("--cache", options.service.engine.context, "Tokens that the engine has room for, of all answers together");
  copyspec_llama::add_cache_type(app, options.service.engine.cache, "Type of the cache");
  add_count("--batch", options.service.engine.batch, "Most tokens of a pass");
  add_count("--mixed-pass", options.service.mixed_pass,
            "Most tokens of a pass in which prompts are read while answers are generated");
  add_count("--queue", options.service.most_waiting, "Most prompts that wait; more are refused");
  add_count("--connections", options.http.connections, "Most connections that are served at a time");
  add_count("--body", options.http.body_bytes, "Most bytes of a request");
  add_number(app, "--deadline", std::int64_t{1}, std::int64_t{86400}, options.deadline,
             "Seconds after which an answer is ended, from the arrival of its request on");
  app.add_option("--pass-costs", options.service.pass_costs,
                 "What passes of this model cost on this machine: read if the file is there, written at the end")
      ->type_name("FILE");
  std::map<std::string, HistoryOf> const kinds{
      {"nobody", HistoryOf::nobody}, {"key", HistoryOf::key}, {"user", HistoryOf::user}};
  app.add_option_function<std::string>(
         "--history", [&options, kinds](std::string const& name) { options.tenants.history = kinds.at(name); },
         "Whose earlier answers may be copied from: nobody's, those to the same API key, or those to the same key and "
         "user field")
      ->type_name("nobody|key|user")
      ->default_str("nobody")
      ->check(CLI::IsMember(kinds).description(""));
  add_count("--history-bytes", options.tenants.history_bytes, "Memory of each history");
  app.add_option("--history-folder", options.tenants.folder,
                 "A folder for the histories: read at the start, written at the end")
      ->type_name("FOLDER");
}

// Throws `CLI::ValidationError` for options that do not go together.
void check(Options& options) {
  if (options.service.context_limit > options.service.engine.context)
    throw CLI::ValidationError("--context", "is more than --cache, which all answers share");
  if (!options.tenants.folder.empty() && options.tenants.history == HistoryOf::nobody)
    throw CLI::ValidationError("--history-folder", "needs --history key or user");
  if (options.http.model_name.empty()) options.http.model_name = options.service.model.stem().string();
  options.http.deadline = std::chrono::seconds(options.deadline);
}

// Signals arrive as bytes in a pipe, since little is allowed in a handler.
std::array<int, 2> signals{-1, -1};

void on_signal(int) {
  int const before = errno;
  char const byte = 0;
  static_cast<void>(!write(signals[1], &byte, 1));
  errno = before;
}

void catch_signals() {
  if (pipe(signals.data()) != 0) copyspec::raise_error(copyspec::ErrorCode::engine, "no pipe for signals");
  for (int const number : {SIGINT, SIGTERM}) std::signal(number, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
}

void wait_for_signal() {
  char byte = 0;
  while (read(signals[0], &byte, 1) < 0 && errno == EINTR) {
  }
}

void run(Options const& options, std::vector<std::string> arguments) {
  int const listening = options.listening >= 0 ? options.listening : listen_at(options.http.host, options.port);
  if (options.listening < 0) {
    fmt::print("listening at http://{}:{}\n", options.http.host, port_of(listening));
    std::fflush(stdout);
  }
  if (options.supervised && options.listening < 0) {
    arguments.push_back(fmt::format("--listening={}", listening));
    std::exit(supervise(std::move(arguments)));
  }
  catch_signals();
  copyspec_llama::silence_engine_log();
  ApiKeys const keys = options.keys.empty() ? ApiKeys() : ApiKeys::read(options.keys);
  if (!options.service.pass_costs.empty())
    copyspec::PassCostFile::require_writable(options.service.pass_costs.string());
  Tenants tenants(options.tenants);
  Service service(options.service);
  Http http(options.http, service, keys, tenants);
  std::thread serving([&] { http.run(listening); });

  // The engine's thread has nothing to wake this one with but a signal.
  std::thread watching([&] {
    service.wait();
    on_signal(SIGTERM);
  });
  wait_for_signal();
  if (service.state() != Service::State::failed) {
    fmt::print(stderr, "finishing what was asked; stop once more to stop now\n");
    service.stop(false);
    wait_for_signal();
  }
  service.stop(true);
  watching.join();
  http.stop();
  serving.join();
  if (service.state() == Service::State::failed) copyspec::raise_error(copyspec::ErrorCode::engine, service.error());
  tenants.save();
}

}  // namespace
}  // namespace copyspec_server

int main(int argc, char** argv) {
  copyspec_server::Options options;
  options.service.engine.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  CLI::App app("Serves a model by OpenAI's HTTP interface, with llama.cpp and copying.", "copyspec-server");
  copyspec_server::add_options(app, options);
  app.callback([&] { copyspec_server::check(options); });
  return copyspec_llama::run_program(app, argc, argv, [&] { copyspec_server::run(options, {argv, argv + argc}); });
}
