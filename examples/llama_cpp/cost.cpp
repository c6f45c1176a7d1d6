// SPDX-License-Identifier: MIT
//
// What a pass of a model costs by its number of rows, with llama.cpp on this machine, and whether copying can pay; or
// whether the rows of passes are equal in all bits:
//
//   copyspec-cost FILE
//   copyspec-cost --bitwise FILE
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "copyspec/adapters/llama_cpp/bitwise.hpp"
#include "copyspec/adapters/llama_cpp/error.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/adapters/llama_cpp/weight_types.hpp"
#include "copyspec/testing/bitwise.hpp"
#include "copyspec/testing/bitwise_report.hpp"
#include "curves.hpp"
#include "engine.hpp"
#include "program.hpp"
#include "terminal.hpp"

namespace copyspec_llama {
namespace {

namespace kit = copyspec::testing;

struct Options : CurveOptions {
  bool bitwise = false;
  ggml_type cache = GGML_TYPE_F16;
};

void add_options(CLI::App& app, Options& options) {
  add_curve_options(app, options, "llama.cpp", "copyspec-llama");
  app.add_flag("--bitwise", options.bitwise,
               "Time nothing, and compare the bits of rows of passes of different numbers of rows")
      ->excludes("--sequences")
      ->excludes("--pass-costs");
  add_cache_type(app, options.cache, "Type of the cache");
}

// Compares the rows of llama.cpp's passes, and those of `LlamaCppBitwise`.
void show_bits(Engine const& engine, Options const& options, Progress& progress) {
  kit::BitwiseOptions compared{.contexts = options.contexts};
  compared.on_round = [&](std::size_t round, std::size_t rounds) {
    progress.update(fmt::format("round {} of {}", round + 1, rounds));
  };
  progress.begin("comparing rows");
  copyspec::adapters::LlamaCpp model(engine.context());
  auto const results = kit::check_bitwise(model, compared);
  progress.clear();
  fmt::print("cache of type {}\n\n{}\n", ggml_type_name(options.cache), kit::describe_bitwise(results));
  try {
    auto const weights = copyspec::adapters::llama_cpp_weight_types(options.model.string());
    copyspec::adapters::LlamaCppBitwise bitwise(engine.context(), engine.parameters(), weights);
    std::erase_if(compared.rows, [&](std::size_t rows) { return rows > bitwise.most_rows(); });
    progress.begin("comparing rows of LlamaCppBitwise");
    auto const promised = kit::check_bitwise(bitwise, compared);
    progress.clear();
    fmt::print("LlamaCppBitwise, with passes of {} to {} rows:\n{}", bitwise.least_rows(), bitwise.most_rows(),
               kit::describe_bitwise(promised));
  } catch (copyspec::adapters::LlamaCppError const& error) {
    fmt::print("LlamaCppBitwise refuses: {}\n", error.what());
  }
}

void run(Options const& options) {
  silence_engine_log();
  Progress progress;
  // With room for the longest pass, or for a token after the last row, and one more that pads it.
  std::size_t const longest = std::ranges::max(options.contexts) + 66;
  Engine const engine(options.model,
                      {.context = longest * options.sequences,
                       .threads = options.threads,
                       .sequences = options.sequences,
                       .cache = options.cache},
                      progress);
  fmt::print("{}, {} threads\n", engine.description(), options.threads);
  if (options.bitwise) return show_bits(engine, options, progress);
  copyspec::adapters::LlamaCpp model(engine.context());
  show_curves(model, options, engine.pass_cost_key(options.model, options.threads), progress);
}

}  // namespace
}  // namespace copyspec_llama

int main(int argc, char** argv) {
  copyspec_llama::Options options;
  CLI::App app(
      "Times passes of a model by their number of rows, with llama.cpp, and says whether copying can pay; or "
      "compares their bits.",
      "copyspec-cost");
  copyspec_llama::add_options(app, options);
  return copyspec_llama::run_program(app, argc, argv, [&] { copyspec_llama::run(options); });
}
