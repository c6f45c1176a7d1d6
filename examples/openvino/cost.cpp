// SPDX-License-Identifier: MIT
//
// What copyspec-cost shows, with OpenVINO:
//
//   copyspec-openvino-cost FILE
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <openvino/openvino.hpp>

#include "../llama_cpp/curves.hpp"
#include "../llama_cpp/program.hpp"
#include "../llama_cpp/terminal.hpp"
#include "copyspec/adapters/openvino.hpp"
#include "engine.hpp"

namespace copyspec_llama {
namespace {

void run(CurveOptions const& options) {
  Progress progress;
  ov::Core core;
  copyspec::adapters::OpenVino model(compile_openvino(core, options.model, options.threads, progress),
                                     {.context_limit = std::ranges::max(options.contexts) + 64});
  auto const key = openvino_key(core, options.model, options.threads);
  fmt::print("{}, {}, {} threads\n", key.model, key.engine, options.threads);
  show_curves(model, options, key, progress);
}

}  // namespace
}  // namespace copyspec_llama

int main(int argc, char** argv) {
  copyspec_llama::CurveOptions options;
  CLI::App app("Times passes of a model by their number of rows, with OpenVINO, and says whether copying can pay.",
               "copyspec-openvino-cost");
  copyspec_llama::add_curve_options(app, options, "OpenVINO", "copyspec-openvino");
  return copyspec_llama::run_program(app, argc, argv, [&] { copyspec_llama::run(options); });
}
