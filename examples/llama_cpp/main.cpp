// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "chat_format.hpp"
#include "conversation.hpp"
#include "copyspec/adapters/llama_cpp/bitwise.hpp"
#include "copyspec/adapters/llama_cpp/grammar.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/adapters/llama_cpp/vocabulary.hpp"
#include "copyspec/adapters/llama_cpp/weight_types.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/history_file.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "decode.hpp"
#include "demo.hpp"
#include "engine.hpp"
#include "measure.hpp"
#include "measured_model.hpp"
#include "output_file.hpp"
#include "program.hpp"
#include "report.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {
namespace {

enum class Weights : bool { file, f32 };

struct Options : DemoOptions {
  Weights weights = Weights::file;
  std::filesystem::path draft_model;
  Weights draft_weights = Weights::file;
  std::filesystem::path history;
  std::filesystem::path grammar;
  bool bitwise = false;
};

void add_options(CLI::App& app, Options& options) {
  auto const add_weights = [&app](std::string const& name, Weights& weights, std::string const& description) {
    std::vector<std::string> const values{"file", "f32"};
    app.add_option_function<std::string>(
           name, [&weights](std::string const& value) { weights = value == "f32" ? Weights::f32 : Weights::file; },
           description)
        ->type_name(fmt::format("{}", fmt::join(values, "|")))
        ->default_str(values.front())
        ->check(CLI::IsMember(values).description(""));
  };
  add_demo_options(app, options, "llama.cpp");
  add_weights("--weights", options.weights,
              "Decode the weights as they are in the file, or an F32 copy, which is written next to it once");
  CLI::Option* const draft_model =
      app.add_option("--draft-model", options.draft_model,
                     "A smaller model with the same vocabulary, to guess where there is nothing as good to copy")
          ->type_name("FILE");
  add_weights("--draft-weights", options.draft_weights, "The same of the draft model");
  add_cache_type(app, options.engine.cache, "Type of the cache");
  app.add_flag("--bitwise", options.bitwise,
               "Feed only passes of which all rows are equal in all bits, so that no near-tie can flip; this slows "
               "decoding down, least with quantised weights and --cache-type bf16 or q8_0")
      ->excludes(draft_model);
  app.add_option(
         "--history", options.history,
         "Earlier answers, to be copied from, and what was learnt from them: read if the file is there, written "
         "with the new ones at the end; for a single repetition, and not with a draft model, since one way would copy "
         "what another has said")
      ->type_name("FILE")
      ->excludes(draft_model);
  app.add_option("--grammar", options.grammar, "Keep answers to the GBNF grammar in this file, from `root` on")
      ->type_name("FILE");
}

// Which weights are decoded, and why that matters here.
std::string describe_weights(Weights weights, Engine const& engine) {
  double const mebibytes = static_cast<double>(engine.weight_bytes()) / (1024.0 * 1024.0);
  bool const copy = weights == Weights::f32;
  return fmt::format(
      "Weights: {}, {:.0f} MiB, {}. {}", engine.description(), mebibytes,
      copy ? "an F32 copy of the file" : "as in the file",
      copy ? "Their passes are bound by memory, as on a GPU; those of quantised weights are bound by arithmetic on "
             "a few CPU cores, and leave copying less to gain."
           : "On a few CPU cores passes of quantised weights are bound by arithmetic, which leaves copying little to "
             "gain; those of an F32 copy (--weights f32) are bound by memory, as on a GPU.");
}

// A proposer with what earlier runs said and learnt, if there is such a file.
copyspec::MixingProposer read_history(std::filesystem::path const& file, copyspec::PassCost const& pass_cost,
                                      copyspec::Rollback rollback) {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  copyspec::MixingProposer proposer(
      {.pass_cost = pass_cost, .history = std::make_shared<copyspec::History>(bytes), .rollback = rollback});
  if (std::filesystem::exists(file)) copyspec::HistoryFile::load(file.string(), proposer);
  return proposer;
}

// A file of weights, or what is decoded in its place.
std::filesystem::path chosen_weights(std::filesystem::path const& file, Weights weights, Options const& options,
                                     Progress& progress) {
  return weights == Weights::f32 ? f32_copy(file, options.engine.threads, progress) : file;
}

// A draft model, loaded from a file.
struct DraftEngine {
  DraftEngine(std::filesystem::path its_file, EngineOptions const& options, Progress& progress)
      : file(std::move(its_file)), engine(file, options, progress), model(engine.context()) {}

  // For the model in `for_file`.
  void require_vocabulary(Engine const& for_engine, std::filesystem::path const& for_file) const {
    try {
      copyspec::adapters::check_same_vocabulary(for_engine.model(), engine.model());
    } catch (copyspec::Error const& error) {
      copyspec::raise_error(copyspec::ErrorCode::file,
                            fmt::format("{} cannot draft for {}: {}", file.string(), for_file.string(), error.what()));
    }
  }

  std::filesystem::path file;
  Engine engine;
  copyspec::adapters::LlamaCpp model;
};

// What conversations are decoded with, beside the model.
struct Request {
  std::vector<Conversation> asked;
  std::filesystem::path file = {};
  copyspec::PassCostKey key = {};
  copyspec::PassCost pass_cost = {};
  std::optional<copyspec::MixingProposer> proposer = {};
  copyspec::Rollback rollback = copyspec::Rollback::exact;
};

// Decodes with `target`, which reads the context of `engine`, and writes the results.
template <copyspec::Model M>
void decode_with(M& target, Options const& options, Engine const& engine, Request const& request, Progress& progress) {
  std::optional<DraftEngine> draft;
  M* draft_model = nullptr;
  if constexpr (std::same_as<M, copyspec::adapters::LlamaCpp>)
    if (!options.draft_model.empty()) {
      draft.emplace(chosen_weights(options.draft_model, options.draft_weights, options, progress), options.engine,
                    progress);
      draft->require_vocabulary(engine, request.file);
      draft_model = &draft->model;
    }
  Vocabulary const vocabulary(engine.model());
  ChatFormat const format(engine.model(), vocabulary);
  MeasuredModel model(target, [&] { llama_synchronize(&engine.context()); });
  require_valid(options.sampling, model.vocabulary_size());
  std::optional<copyspec::adapters::LlamaCppGrammar> grammar;
  if (!options.grammar.empty()) grammar.emplace(*llama_model_get_vocab(&engine.model()), read_text(options.grammar));
  Decoder<M> decoder{.model = &model,
                     .prompt = std::bind_front(&ChatFormat::prompt, &format),
                     .options = {.max_new_tokens = options.max_tokens,
                                 .stop = {.tokens = vocabulary.ends(), .sequences = {}},
                                 .sampling = options.sampling},
                     .proposer = request.proposer,
                     .pass_cost = request.pass_cost,
                     .draft_model = draft_model,
                     .rollback = request.rollback};
  if (grammar) decoder.options.sampling->hooks = grammar->hooks();
  decoder.options.references = read_references(options, vocabulary);
  // A prompt that does not fit is refused before any other is decoded.
  require_room(request.asked, format, model.context_limit());

  progress.clear();
  fmt::print("{}\n", describe_weights(options.weights, engine));
  if constexpr (std::same_as<M, copyspec::adapters::LlamaCppBitwise>)
    fmt::print("Passes have {} to {} rows, and a cache of type {}: rows are equal in all bits, whatever is drafted.\n",
               target.least_rows(), target.most_rows(), ggml_type_name(options.engine.cache));
  if (options.sampling.temperature > 0)
    fmt::print("Seed: {0}. With --seed {0}, the same tokens are drawn again.\n", options.seed);
  if (!format.why_plain().empty()) fmt::print("Prompts are used as they are: {}.\n", format.why_plain());
  std::fflush(stdout);

  Measurement const measurement = measure(decoder, vocabulary, request.asked, options.repetitions, progress);
  Setup const setup{.file = request.file,
                    .model = engine.description(),
                    .threads = options.engine.threads,
                    .context = model.context_limit(),
                    .batch = model.max_tokens(),
                    .cache = ggml_type_name(options.engine.cache),
                    .bitwise = options.bitwise,
                    .max_tokens = options.max_tokens,
                    .sampling = options.sampling,
                    .seed = options.seed,
                    .grammar = options.grammar.string(),
                    .repetitions = options.repetitions,
                    .costs = measurement.costs,
                    .remembered = request.pass_cost,
                    .draft_file = draft ? draft->file : std::filesystem::path(),
                    .draft_model = draft ? draft->engine.description() : std::string()};
  write_results(options, setup, measurement, vocabulary, request.key);
  // All copies of a proposer have one history.
  if (request.proposer) copyspec::HistoryFile::save(options.history.string(), *request.proposer);
}

void run(Options const& options) {
  Progress progress;
  Request request{.asked = conversations(options, progress)};
  // Before minutes of work, not after.
  if (!options.json.empty()) require_writable(options.json);
  if (!options.history.empty()) copyspec::HistoryFile::require_writable(options.history.string());
  if (!options.pass_costs.empty()) copyspec::PassCostFile::require_writable(options.pass_costs.string());
  request.file = chosen_weights(options.model, options.weights, options, progress);
  Engine const engine(request.file, options.engine, progress);
  request.rollback = copyspec::adapters::LlamaCpp::needs_checkpoints(engine.context()) ? copyspec::Rollback::checkpoint
                                                                                       : copyspec::Rollback::exact;
  request.key = engine.pass_cost_key(request.file, options.engine.threads);
  if (options.bitwise) request.key.weights += ", bitwise";
  request.pass_cost = read_pass_costs(options.pass_costs, request.key);
  if (!options.history.empty()) request.proposer = read_history(options.history, request.pass_cost, request.rollback);
  if (options.bitwise) {
    auto const weights = copyspec::adapters::llama_cpp_weight_types(request.file.string());
    copyspec::adapters::LlamaCppBitwise target(engine.context(), engine.parameters(), weights);
    decode_with(target, options, engine, request, progress);
  } else {
    copyspec::adapters::LlamaCpp target(engine.context());
    decode_with(target, options, engine, request, progress);
  }
}

}  // namespace
}  // namespace copyspec_llama

int main(int argc, char** argv) {
  copyspec_llama::Options options;
  options.engine.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  CLI::App app(
      "Decodes prompts with llama.cpp, at temperature zero if no other is given, plainly and with copying from the "
      "context, shows the "
      "answers, what was copied in green, and compares the two, and the published rule of copying.",
      "copyspec-llama");
  app.footer(copyspec_llama::demo_footer);
  copyspec_llama::add_options(app, options);
  auto const check = [&options] {
    if (!options.history.empty() && options.repetitions > 1)
      throw CLI::ValidationError("--history", "needs a single repetition: the next would copy its own answers");
    copyspec_llama::require_different(std::array<std::pair<char const*, std::filesystem::path>, 3>{
        std::pair{"--json", options.json}, {"--history", options.history}, {"--pass-costs", options.pass_costs}});
  };
  return copyspec_llama::run_demo(app, argc, argv, options, check, [&options] { copyspec_llama::run(options); });
}
