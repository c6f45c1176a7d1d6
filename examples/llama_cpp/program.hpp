// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "engine.hpp"

namespace copyspec_llama {

/// Adds the option for the type of the cache.
inline void add_cache_type(CLI::App& app, ggml_type& cache, std::string const& description) {
  std::map<std::string, ggml_type> const types{
      {"f16", GGML_TYPE_F16}, {"bf16", GGML_TYPE_BF16}, {"f32", GGML_TYPE_F32}, {"q8_0", GGML_TYPE_Q8_0}};
  app.add_option_function<std::string>(
         "--cache-type", [&cache, types](std::string const& name) { cache = types.at(name); }, description)
      ->type_name("f16|bf16|f32|q8_0")
      ->default_str(ggml_type_name(cache))
      ->check(CLI::IsMember(types).description(""));
}

/// Parses the arguments of a program and calls `run()`. Returns its exit status: 2 for wrong arguments, 1 for what
/// `run` throws, which is shown with the error that llama.cpp has logged, if there is one.
template <class Run>
[[nodiscard]] int run_program(CLI::App& app, int argc, char** argv, Run const& run) {
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    run();
  } catch (std::exception const& error) {
    std::string const engine = take_engine_error();
    fmt::print(stderr, "{}: {}{}{}\n", app.get_name(), error.what(), engine.empty() ? "" : "; llama.cpp: ", engine);
    return 1;
  }
  return 0;
}

}  // namespace copyspec_llama
