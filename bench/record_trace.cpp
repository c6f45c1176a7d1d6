// SPDX-License-Identifier: MIT
// Records a trace for copyspec-replay: the greedy answers of a model to the built-in prompts of the llama.cpp example.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../examples/llama_cpp/chat_format.hpp"
#include "../examples/llama_cpp/conversation.hpp"
#include "../examples/llama_cpp/engine.hpp"
#include "../examples/llama_cpp/vocabulary.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/decode/composer.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/verify/greedy_verifier.hpp"

namespace {

using namespace copyspec_llama;
using Json = nlohmann::ordered_json;

// Decodes without drafts, so that the recording owes nothing to what it will measure.
Json record(Conversation const& conversation, Engine& engine, std::size_t max_new_tokens) {
  Vocabulary const vocabulary(engine.model());
  ChatFormat const format(engine.model(), vocabulary);
  copyspec::adapters::LlamaCpp model(engine.context());
  copyspec::Composer<copyspec::adapters::LlamaCpp, copyspec::NoProposer, copyspec::GreedyVerifier> composer(model);
  Json turns = Json::array();
  std::span<copyspec::Token const> context;
  for (std::size_t turn = 0; turn < conversation.turns.size(); ++turn) {
    std::vector<copyspec::Token> const prompt = format.prompt(conversation, turn, context);
    auto const answer =
        composer.generate(prompt, {.max_new_tokens = max_new_tokens, .stop = {.tokens = vocabulary.ends()}});
    turns.push_back({{"prompt", prompt}, {"answer", std::vector<copyspec::Token>(answer.begin(), answer.end())}});
    context = composer.sequence(copyspec::SequenceId{0}).context();
  }
  return {{"id", conversation.name},
          {"category", conversation.group == Group::copy_heavy ? "copy" : "fresh"},
          {"turns", std::move(turns)}};
}

}  // namespace

int main(int argc, char** argv) {
  std::string file;
  std::size_t max_new_tokens = 256;
  EngineOptions options{.threads = std::thread::hardware_concurrency()};
  CLI::App app("Records greedy answers to the built-in prompts, one conversation a line", "copyspec-record-trace");
  app.add_option("--model", file, "GGUF file")->required()->type_name("FILE");
  app.add_option("--max-tokens", max_new_tokens, "Longest answer")->capture_default_str()->type_name("N");
  app.add_option("--threads", options.threads, "Threads")->capture_default_str()->type_name("N");
  CLI11_PARSE(app, argc, argv);
  try {
    silence_engine_log();
    Progress progress;
    Engine engine(file, options, progress);
    for (Conversation const& conversation : built_in_conversations({}))
      fmt::print("{}\n", record(conversation, engine, max_new_tokens).dump());
    if (std::fflush(stdout) != 0) throw std::runtime_error("the trace could not be written");
  } catch (std::exception const& failure) {
    fmt::print(stderr, "copyspec-record-trace: {}\n", failure.what());
    return 1;
  }
}
