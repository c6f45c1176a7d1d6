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
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "copyspec/adapters/llama_cpp/bitwise.hpp"
#include "copyspec/adapters/llama_cpp/error.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/adapters/llama_cpp/weight_types.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "copyspec/testing/bitwise.hpp"
#include "copyspec/testing/bitwise_report.hpp"
#include "copyspec/testing/pass_curve.hpp"
#include "copyspec/testing/pass_curve_report.hpp"
#include "engine.hpp"
#include "numbers.hpp"
#include "terminal.hpp"

namespace copyspec_llama {
namespace {

namespace kit = copyspec::testing;

struct Options {
  std::filesystem::path model;
  std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::size_t> contexts{256};
  std::size_t sequences = 1;
  std::size_t repetitions = 5;
  std::filesystem::path pass_costs;
  bool bitwise = false;
  std::string cache = "f16";
};

std::map<std::string, ggml_type> const cache_types{
    {"f16", GGML_TYPE_F16}, {"bf16", GGML_TYPE_BF16}, {"f32", GGML_TYPE_F32}, {"q8_0", GGML_TYPE_Q8_0}};

void add_options(CLI::App& app, Options& options) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  app.add_option("-m,--model,model", options.model, "The model, a GGUF file")->required()->type_name("FILE");
  add_number(app, "-t,--threads", std::size_t{1}, most, options.threads, "Threads of llama.cpp");
  app.add_option("--context", options.contexts,
                 "Tokens that a sequence holds before the passes that are timed; given again, another curve")
      ->type_name("N")
      ->expected(1)
      ->take_all()
      ->check(CLI::Range(std::size_t{1}, most).description(""))
      ->capture_default_str();
  auto* const sequences =
      add_number(app, "--sequences", std::size_t{1}, std::size_t{256}, options.sequences,
                 "Sequences that share a pass; from two on, the curve of one alone is shown as well");
  add_number(app, "-r,--repetitions", std::size_t{1}, most, options.repetitions, "Passes of each row count");
  auto* const pass_costs =
      app.add_option("--pass-costs", options.pass_costs,
                     "Write the first curve there, for --pass-costs of copyspec-llama and PassCostFile::load")
          ->type_name("FILE");
  auto* const bitwise =
      app.add_flag("--bitwise", options.bitwise,
                   "Time nothing, and compare the bits of rows of passes of different numbers of rows")
          ->excludes(sequences)
          ->excludes(pass_costs);
  app.add_option("--cache-type", options.cache, "Type of the cache whose rows are compared")
      ->type_name("TYPE")
      ->check(CLI::IsMember(cache_types))
      ->needs(bitwise)
      ->capture_default_str();
}

// Measures one curve and prints it.
std::vector<copyspec::PassLevel> show_curve(copyspec::adapters::LlamaCpp& model, std::size_t context,
                                            std::size_t sequences, Options const& options, Progress& progress) {
  progress.begin(fmt::format("{} tokens, {} sequence{}", context, sequences, sequences == 1 ? "" : "s"));
  auto const show = [&](std::size_t round, std::size_t rounds) {
    progress.update(fmt::format("round {} of {}", round + 1, rounds));
  };
  auto levels = kit::measure_pass_curve(
      model, {.context = context, .sequences = sequences, .repetitions = options.repetitions, .on_round = show});
  progress.clear();
  fmt::print("\n{} tokens held, {}\n{}", context,
             sequences == 1 ? "one sequence" : fmt::format("rows of {} sequences", sequences),
             kit::describe_pass_curve(levels));
  return levels;
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
  fmt::print("cache of type {}\n\n{}\n", options.cache, kit::describe_bitwise(results));
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
                       .cache = cache_types.at(options.cache)},
                      progress);
  fmt::print("{}, {} threads\n", engine.description(), options.threads);
  if (options.bitwise) return show_bits(engine, options, progress);
  copyspec::adapters::LlamaCpp model(engine.context());
  for (std::size_t i = 0; i < options.contexts.size(); ++i) {
    std::size_t const context = options.contexts[i];
    auto const levels = show_curve(model, context, 1, options, progress);
    if (i == 0) {
      fmt::print("\n{}", kit::pass_cost_source(levels));
      if (!options.pass_costs.empty()) {
        copyspec::PassCostFile::save(options.pass_costs.string(), engine.pass_cost_key(options.model, options.threads),
                                     copyspec::PassCost::remembered(levels, "measured"));
        fmt::print("\nWritten to {}\n", options.pass_costs.string());
      }
    }
    if (options.sequences > 1) (void)show_curve(model, context, options.sequences, options, progress);
  }
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
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    copyspec_llama::run(options);
  } catch (std::exception const& error) {
    std::string const engine = copyspec_llama::take_engine_error();
    fmt::print(stderr, "copyspec-cost: {}{}{}\n", error.what(), engine.empty() ? "" : "; llama.cpp: ", engine);
    return 1;
  }
}
