// SPDX-License-Identifier: MIT
//
// Decodes the first turns of the demo's conversations eight at a time with llama.cpp and copying, in a context whose
// sequences share a stream and in one where each has its own, as llama.cpp's defaults have it, in turn:
//
//   copyspec-sequences FILE
#include <fmt/format.h>
#include <llama.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../examples/llama_cpp/chat_format.hpp"
#include "../examples/llama_cpp/conversation.hpp"
#include "../examples/llama_cpp/engine.hpp"
#include "../examples/llama_cpp/numbers.hpp"
#include "../examples/llama_cpp/program.hpp"
#include "../examples/llama_cpp/terminal.hpp"
#include "../examples/llama_cpp/vocabulary.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/verify/greedy_verifier.hpp"

namespace copyspec_llama {
namespace {

using copyspec::SequenceId;
using copyspec::adapters::LlamaCpp;

struct Options {
  std::filesystem::path model;
  std::size_t sequences = 8;
  std::size_t repetitions = 5;
  std::size_t max_tokens = 200;
  std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
};

// What decoding all prompts took.
struct Result {
  std::size_t tokens = 0;
  std::size_t passes = 0;
  std::size_t evaluations = 0;  // of llama.cpp's graph
  double seconds = 0;

  [[nodiscard]] double rate() const { return static_cast<double>(tokens) / seconds; }
};

// Counts evaluations of a context's graph, by the tensor that each computes once.
struct Counter {
  std::size_t evaluations = 0;

  static bool count(ggml_tensor* tensor, bool asked, void* user) {
    if (asked && std::string_view(ggml_get_name(tensor)) == "result_output") ++static_cast<Counter*>(user)->evaluations;
    return false;
  }
};

Result decode(llama_model& llama, LlamaCpp::Streams streams, std::span<std::vector<copyspec::Token> const> prompts,
              std::vector<copyspec::Token> const& ends, Options const& options) {
  Counter counter;
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = static_cast<std::uint32_t>(1024 * options.sequences);
  parameters.n_seq_max = static_cast<std::uint32_t>(options.sequences);
  parameters.kv_unified = streams == LlamaCpp::Streams::together;
  parameters.n_threads = parameters.n_threads_batch = static_cast<std::int32_t>(options.threads);
  parameters.cb_eval = Counter::count;
  parameters.cb_eval_user_data = &counter;
  ContextPointer const context(llama_init_from_model(&llama, parameters));
  if (!context) copyspec::raise_error(copyspec::ErrorCode::engine, "llama.cpp cannot make the context");
  LlamaCpp model(*context, 0, streams);
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());

  Result result;
  auto const count = [&](copyspec::OutputDelta const& delta) { result.tokens += delta.tokens.size(); };
  // Prompts are read before the clock runs: first tokens are there when all have been begun and stepped once.
  for (std::size_t i = 0; i < prompts.size(); ++i)
    composer.begin(SequenceId{static_cast<std::int32_t>(i)}, prompts[i],
                   {.max_new_tokens = options.max_tokens, .stop = {.tokens = ends, .sequences = {}}});
  auto const reading = [&] {
    for (std::size_t i = 0; i < prompts.size(); ++i)
      if (composer.sequence(SequenceId{static_cast<std::int32_t>(i)}).generated().empty()) return true;
    return false;
  };
  while (reading()) composer.step(count);
  result = {};
  counter = {};
  auto const begin = std::chrono::steady_clock::now();
  for (bool running = true; running; ++result.passes) running = composer.step(count);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  result.evaluations = counter.evaluations;
  return result;
}

void run(Options const& options) {
  silence_engine_log();
  Progress progress;
  Engine const engine(options.model, {.context = 64, .threads = options.threads}, progress);
  Vocabulary const vocabulary(engine.model());
  ChatFormat const format(engine.model(), vocabulary);
  std::vector<std::vector<copyspec::Token>> prompts;
  for (Conversation const& conversation : built_in_conversations({}))
    if (prompts.size() < options.sequences) prompts.push_back(format.prompt(conversation, 0, {}));

  fmt::print("{}, {} threads, {} sequences\n", engine.description(), options.threads, prompts.size());
  std::vector<double> ratios;
  for (std::size_t repetition = 0; repetition < options.repetitions; ++repetition) {
    progress.begin(fmt::format("repetition {} of {}", repetition + 1, options.repetitions));
    Result const apart = decode(engine.model(), LlamaCpp::Streams::apart, prompts, vocabulary.ends(), options);
    Result const together = decode(engine.model(), LlamaCpp::Streams::together, prompts, vocabulary.ends(), options);
    progress.clear();
    for (auto const& [name, result] : {std::pair{"apart", apart}, std::pair{"together", together}})
      fmt::print("{:<9}{:>6} tokens in {:>4} passes, {:>4} evaluations, {:.1f} tokens/s\n", name, result.tokens,
                 result.passes, result.evaluations, result.rate());
    ratios.push_back(together.rate() / apart.rate());
  }
  std::ranges::sort(ratios);
  fmt::print("together over apart: {:.2f} ({:.2f} to {:.2f})\n", ratios[ratios.size() / 2], ratios.front(),
             ratios.back());
}

}  // namespace
}  // namespace copyspec_llama

int main(int argc, char** argv) {
  copyspec_llama::Options options;
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  CLI::App app("Decodes several sequences with llama.cpp, in one stream and in a stream for each, in turn.",
               "copyspec-sequences");
  app.add_option("-m,--model,model", options.model, "The model, a GGUF file")->required()->type_name("FILE");
  copyspec_llama::add_number(app, "--sequences", std::size_t{1}, std::size_t{14}, options.sequences,
                             "Sequences that share a pass");
  copyspec_llama::add_number(app, "-r,--repetitions", std::size_t{1}, most, options.repetitions, "Times of each");
  copyspec_llama::add_number(app, "-n,--max-tokens", std::size_t{1}, most, options.max_tokens,
                             "Cut answers after so many tokens");
  copyspec_llama::add_number(app, "-t,--threads", std::size_t{1}, most, options.threads, "Threads of llama.cpp");
  return copyspec_llama::run_program(app, argc, argv, [&] { copyspec_llama::run(options); });
}
