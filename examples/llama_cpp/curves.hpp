// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/pass_curve.hpp"
#include "copyspec/testing/pass_curve_report.hpp"
#include "numbers.hpp"
#include "terminal.hpp"

namespace copyspec_llama {

/// Which curves of pass costs are measured, whichever the engine.
struct CurveOptions {
  std::filesystem::path model;
  std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::size_t> contexts{256};
  std::size_t sequences = 1;
  std::size_t repetitions = 5;
  std::filesystem::path pass_costs;
};

/// Adds their options to those of a program. `engine` and `program` are what help calls the engine and the program that
/// decodes with it.
inline void add_curve_options(CLI::App& app, CurveOptions& options, std::string const& engine,
                              std::string const& program) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  app.add_option("-m,--model,model", options.model, "The model, a GGUF file")->required()->type_name("FILE");
  add_number(app, "-t,--threads", std::size_t{1}, most, options.threads, fmt::format("Threads of {}", engine));
  app.add_option("--context", options.contexts,
                 "Tokens that a sequence holds before the passes that are timed; given again, another curve")
      ->type_name("N")
      ->expected(1)
      ->take_all()
      ->check(CLI::Range(std::size_t{1}, most).description(""))
      ->capture_default_str();
  add_number(app, "--sequences", std::size_t{1}, std::size_t{256}, options.sequences,
             "Sequences that share a pass; from two on, the curve of one alone is shown as well");
  add_number(app, "-r,--repetitions", std::size_t{1}, most, options.repetitions, "Passes of each row count");
  app.add_option("--pass-costs", options.pass_costs,
                 fmt::format("Write the first curve there, for --pass-costs of {} and PassCostFile::load", program))
      ->type_name("FILE");
}

/// Measures one curve and prints it.
template <copyspec::Model M>
std::vector<copyspec::PassLevel> show_curve(M& model, std::size_t context, std::size_t sequences,
                                            std::size_t repetitions, Progress& progress) {
  progress.begin(fmt::format("{} tokens, {} sequence{}", context, sequences, sequences == 1 ? "" : "s"));
  auto const show = [&](std::size_t round, std::size_t rounds) {
    progress.update(fmt::format("round {} of {}", round + 1, rounds));
  };
  auto levels = copyspec::testing::measure_pass_curve(
      model, {.context = context, .sequences = sequences, .repetitions = repetitions, .on_round = show});
  progress.clear();
  fmt::print("\n{} tokens held, {}\n{}", context,
             sequences == 1 ? "one sequence" : fmt::format("rows of {} sequences", sequences),
             copyspec::testing::describe_pass_curve(levels));
  return levels;
}

/// Measures all curves and prints them, and writes the first one under `key` if that was asked for. Throws
/// `copyspec::Error` if it cannot be written.
template <copyspec::Model M>
void show_curves(M& model, CurveOptions const& options, copyspec::PassCostKey const& key, Progress& progress) {
  for (std::size_t i = 0; i < options.contexts.size(); ++i) {
    std::size_t const context = options.contexts[i];
    auto const levels = show_curve(model, context, 1, options.repetitions, progress);
    if (i == 0) {
      fmt::print("\n{}", copyspec::testing::pass_cost_source(levels));
      if (!options.pass_costs.empty()) {
        copyspec::PassCostFile::save(options.pass_costs.string(), key,
                                     copyspec::PassCost::remembered(levels, "measured"));
        fmt::print("\nWritten to {}\n", options.pass_costs.string());
      }
    }
    if (options.sequences > 1) (void)show_curve(model, context, options.sequences, options.repetitions, progress);
  }
}

}  // namespace copyspec_llama
