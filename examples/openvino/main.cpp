// SPDX-License-Identifier: MIT
//
// What copyspec-llama shows, with OpenVINO:
//
//   copyspec-openvino FILE
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <openvino/openvino.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../llama_cpp/chat_format.hpp"
#include "../llama_cpp/conversation.hpp"
#include "../llama_cpp/decode.hpp"
#include "../llama_cpp/demo.hpp"
#include "../llama_cpp/engine.hpp"
#include "../llama_cpp/measure.hpp"
#include "../llama_cpp/measured_model.hpp"
#include "../llama_cpp/output_file.hpp"
#include "../llama_cpp/report.hpp"
#include "../llama_cpp/terminal.hpp"
#include "../llama_cpp/vocabulary.hpp"
#include "copyspec/adapters/openvino.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "copyspec/testing/pass_curve.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "engine.hpp"

namespace copyspec_llama {
namespace {

using copyspec::adapters::OpenVino;

// A value of the file's metadata, or nothing.
std::string metadata(llama_model const& model, std::string const& key) {
  std::array<char, 256> text{};
  if (llama_model_meta_val_str(&model, key.c_str(), text.data(), text.size()) < 0) return {};
  return text.data();
}

// As many tokens as are asked for, and the model was trained for.
std::size_t context_limit(llama_model const& model, std::size_t asked) {
  std::string const trained = metadata(model, metadata(model, "general.architecture") + ".context_length");
  std::size_t most = 0;
  std::from_chars(trained.data(), trained.data() + trained.size(), most);
  return most > 0 ? std::min(asked, most) : asked;
}

void run(DemoOptions const& options) {
  Progress progress;
  std::vector<Conversation> const asked = conversations(options, progress);
  // Before minutes of work, not after.
  if (!options.json.empty()) require_writable(options.json);
  if (!options.pass_costs.empty()) copyspec::PassCostFile::require_writable(options.pass_costs.string());

  // llama.cpp splits texts into tokens, and OpenVINO decodes them.
  ModelPointer const words = load_vocabulary(options.model);
  Vocabulary const vocabulary(*words);
  ChatFormat const format(*words, vocabulary);
  ov::Core core;
  copyspec::PassCostKey const key = openvino_key(core, options.model, options.engine.threads);
  OpenVino openvino(
      compile_openvino(core, options.model, options.engine.threads, progress),
      {.max_tokens = options.engine.batch, .context_limit = context_limit(*words, options.engine.context)});
  // That also warms it up: the first pass of each row count takes longer.
  progress.begin("measuring what passes cost");
  auto const levels = copyspec::testing::measure_pass_curve(openvino, {.context = 64, .repetitions = 3});
  auto pass_cost = copyspec::PassCost::remembered(levels, "measured");
  if (std::filesystem::exists(options.pass_costs)) pass_cost = read_pass_costs(options.pass_costs, key);
  MeasuredModel model(openvino);
  require_valid(options.sampling, model.vocabulary_size());
  Decoder<OpenVino> decoder{.model = &model,
                            .prompt = std::bind_front(&ChatFormat::prompt, &format),
                            .options = {.max_new_tokens = options.max_tokens,
                                        .stop = {.tokens = vocabulary.ends(), .sequences = {}},
                                        .sampling = options.sampling},
                            .pass_cost = pass_cost};
  decoder.options.references = read_references(options, vocabulary);
  require_room(asked, format, model.context_limit());

  progress.clear();
  fmt::print("Weights: {}, as in the file. {}, {} threads.\n", key.model, key.engine, options.engine.threads);
  if (options.sampling.temperature > 0)
    fmt::print("Seed: {0}. With --seed {0}, the same tokens are drawn again.\n", options.seed);
  if (!format.why_plain().empty()) fmt::print("Prompts are used as they are: {}.\n", format.why_plain());
  std::fflush(stdout);

  Measurement const measurement = measure(decoder, vocabulary, asked, options.repetitions, progress);
  write_results(options,
                {.file = options.model,
                 .model = fmt::format("{}, {}", key.model, key.engine),
                 .threads = options.engine.threads,
                 .context = model.context_limit(),
                 .batch = model.max_tokens(),
                 .max_tokens = options.max_tokens,
                 .sampling = options.sampling,
                 .seed = options.seed,
                 .repetitions = options.repetitions,
                 .costs = measurement.costs,
                 .remembered = pass_cost},
                measurement, vocabulary, key);
}

}  // namespace
}  // namespace copyspec_llama

int main(int argc, char** argv) {
  copyspec_llama::DemoOptions options;
  options.engine.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  CLI::App app(
      "Decodes prompts with OpenVINO, at temperature zero if no other is given, plainly and with copying from the "
      "context, shows the answers, what was copied in green, and compares the two, and the published rule of copying.",
      "copyspec-openvino");
  app.footer(copyspec_llama::demo_footer);
  copyspec_llama::add_demo_options(app, options, "OpenVINO");
  auto const check = [&options] {
    copyspec_llama::require_different(std::array<std::pair<char const*, std::filesystem::path>, 2>{
        std::pair{"--json", options.json}, {"--pass-costs", options.pass_costs}});
  };
  return copyspec_llama::run_demo(app, argc, argv, options, check, [&options] { copyspec_llama::run(options); });
}
