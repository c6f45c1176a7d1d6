// SPDX-License-Identifier: MIT
// Decodes the conversations of the llama.cpp example with a real model: plainly, with the proposers of this library,
// and with the n-gram drafters of llama.cpp, in turn and in one process.
#include <fmt/format.h>
#include <sampling.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../examples/llama_cpp/chat_format.hpp"
#include "../../examples/llama_cpp/conversation.hpp"
#include "../../examples/llama_cpp/decode.hpp"
#include "../../examples/llama_cpp/difference.hpp"
#include "../../examples/llama_cpp/engine.hpp"
#include "../../examples/llama_cpp/measured_model.hpp"
#include "../../examples/llama_cpp/results.hpp"
#include "../../examples/llama_cpp/terminal.hpp"
#include "../../examples/llama_cpp/vocabulary.hpp"
#include "contenders.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/decode/sequence.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/verify/greedy_verifier.hpp"
#include "llama_loop.hpp"

namespace {

using namespace copyspec_llama;
using namespace copyspec::bench;
using Json = nlohmann::ordered_json;

struct Options {
  std::filesystem::path model;
  std::vector<std::string> weights{"f32", "file"};
  std::vector<std::string> files;
  std::vector<std::string> only;
  std::string out;
  EngineOptions engine;
  std::size_t max_tokens = 400;
  std::size_t repetitions = 5;
};

// A way to decode, which starts every conversation afresh.
struct Way {
  std::string name;
  std::function<Run(Conversation const&)> decode;
};

// One conversation, decoded in one way.
struct Sample {
  std::size_t repetition = 0;
  Conversation const* conversation = nullptr;
  std::string way;
  Run run;
  std::optional<Difference> difference;
};

std::vector<Way> all_ways(Decoder<copyspec::adapters::LlamaCpp> const& decoder, LlamaLoop& loop,
                          copyspec::MixingProposer const& mixing) {
  auto const own = [&decoder](std::string name, auto const& proposer) {
    return Way{std::move(name), [&decoder, proposer](Conversation const& conversation) {
                 return decode(decoder, conversation, proposer, copyspec::GreedyVerifier(),
                               [](std::size_t, copyspec::Sequence const&) {});
               }};
  };
  std::vector<Way> ways{own("plain", copyspec::NoProposer()), own("copyspec MixingProposer", mixing),
                        own("copyspec CopyProposer", copyspec::CopyProposer(copyspec::published_rule))};
  for (Contender const& contender : llama_contenders()) {
    if (!contender.default_setting) continue;
    // One slot serves all turns of a conversation, and no other conversation.
    std::shared_ptr<Peer> const peer = contender.make(Sharing::nothing);
    ways.push_back(
        {contender.peer, [&loop, peer](Conversation const& conversation) { return loop.decode(*peer, conversation); }});
  }
  return ways;
}

// The ways take turns at each conversation, and begin with another one each time. As in the example, a repetition
// learns afresh what can be copied, and goes on learning what a pass costs, which `cost` receives.
std::vector<Sample> measure(Options const& options, Decoder<copyspec::adapters::LlamaCpp> const& decoder,
                            LlamaLoop& loop, std::vector<Conversation> const& conversations, copyspec::PassCost& cost,
                            Progress& progress) {
  std::vector<Sample> samples;
  for (std::size_t repetition = 0; repetition < options.repetitions; ++repetition) {
    copyspec::MixingProposer const mixing({.pass_cost = cost});
    std::vector<Way> const ways = all_ways(decoder, loop, mixing);
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      progress.begin(
          fmt::format("repetition {} of {}: {}", repetition + 1, options.repetitions, conversations[i].name));
      std::size_t const first = samples.size();
      samples.resize(first + ways.size());
      for (std::size_t turn = 0; turn < ways.size(); ++turn) {
        std::size_t const index = (turn + repetition + i) % ways.size();
        samples[first + index] = {.repetition = repetition,
                                  .conversation = &conversations[i],
                                  .way = ways[index].name,
                                  .run = ways[index].decode(conversations[i]),
                                  .difference = {}};
      }
      for (std::size_t index = 1; index < ways.size(); ++index)
        samples[first + index].difference = find_difference(samples[first].run, samples[first + index].run);
    }
    cost = mixing.pass_cost();
  }
  for (Sample& sample : samples) {
    if (!sample.difference) continue;
    // Repetitions mostly differ in the same token.
    auto const same = std::ranges::find_if(samples, [&sample](Sample const& other) {
      return other.conversation == sample.conversation && other.way == sample.way && other.difference &&
             other.difference->turn == sample.difference->turn &&
             other.difference->position == sample.difference->position;
    });
    if (&*same != &sample) {
      sample.difference = same->difference;
      continue;
    }
    progress.begin(fmt::format("looking at a difference: {}, {}", sample.conversation->name, sample.way));
    measure_margins(*sample.difference, sample.run.drafts, decoder, *sample.conversation);
  }
  return samples;
}

// Microseconds for one greedy token, of the row that the last pass left.
Json greedy_times(Engine const& engine) {
  auto const time = [](auto const& action) {
    constexpr int times = 200;
    auto const start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) action();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / times;
  };
  common_params_sampling params;
  params.samplers = {COMMON_SAMPLER_TYPE_TOP_K};
  params.top_k = 1;
  params.no_perf = true;
  common_sampler_ptr const sampler(common_sampler_init(&engine.model(), params));
  auto const vocabulary = static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(&engine.model())));
  std::span<float const> const row(llama_get_logits_ith(&engine.context(), 0), vocabulary);
  copyspec::Token own = 0;
  copyspec::Token of_llama = 0;
  double const own_time = time([&] { own = copyspec::greedy_token(row).value_or(-1); });
  double const llama_time = time([&] { of_llama = common_sampler_sample(sampler.get(), &engine.context(), 0); });
  if (own != of_llama)
    copyspec::raise_error(copyspec::ErrorCode::file,
                          fmt::format("the greedy token is {}, to llama.cpp {}", own, of_llama));
  return {{"used_us", own_time}, {"common_sampler_us", llama_time}};
}

Json to_json(Difference const& difference, Vocabulary const& vocabulary) {
  return {{"turn", difference.turn + 1},
          {"token", difference.position + 1},
          {"plain", vocabulary.name(difference.plain)},
          {"other", vocabulary.name(difference.copy)},
          {"margin_in_plain_pass", difference.in_plain_pass.plain - difference.in_plain_pass.copy},
          {"margin_in_drafted_pass", difference.in_copy_pass.copy - difference.in_copy_pass.plain}};
}

Json to_json(Sample const& sample, Vocabulary const& vocabulary) {
  Run const& run = sample.run;
  return {{"repetition", sample.repetition + 1},
          {"conversation", sample.conversation->name},
          {"group", name(sample.conversation->group)},
          {"way", sample.way},
          {"tokens", run.tokens()},
          {"complete", std::ranges::all_of(run.turns, &TurnResult::complete)},
          {"passes", run.total(&TurnResult::passes)},
          {"drafted", run.total(&TurnResult::drafted)},
          {"accepted", run.total(&TurnResult::accepted)},
          {"prefill_seconds", run.total(&TurnResult::prefill)},
          {"generation_seconds", run.total(&TurnResult::generation)},
          {"processor_seconds", run.total(&TurnResult::processor)},
          {"forward_seconds", run.total(&TurnResult::forward)},
          {"difference", sample.difference ? to_json(*sample.difference, vocabulary) : Json()}};
}

Json to_json(copyspec::PassCost const& cost) {
  Json curve = Json::array();
  for (std::size_t rows = 1; rows <= copyspec::PassCost::most_rows; ++rows)
    if (cost.observed(rows) > 0) curve.push_back({{"rows", rows}, {"relative", cost(rows)}});
  return {{"one_row_seconds", cost.seconds(1)}, {"curve", curve}};
}

Json run(Options const& options, std::string const& weights, std::vector<Conversation> const& conversations,
         Progress& progress) {
  std::filesystem::path const file =
      weights == "f32" ? f32_copy(options.model, options.engine.threads, progress) : options.model;
  Engine const engine(file, options.engine, progress);
  Vocabulary const vocabulary(engine.model());
  ChatFormat const format(engine.model(), vocabulary);
  copyspec::adapters::LlamaCpp llama(engine.context());
  MeasuredModel model(llama, [&] { llama_synchronize(&engine.context()); });
  Decoder<copyspec::adapters::LlamaCpp> const decoder{
      .model = &model,
      .prompt = std::bind_front(&ChatFormat::prompt, &format),
      .options = {.max_new_tokens = options.max_tokens, .stop = {.tokens = vocabulary.ends(), .sequences = {}}}};
  LlamaLoop loop(engine.context(), format, decoder.options);
  copyspec::PassCost cost;
  std::vector<Sample> const samples = measure(options, decoder, loop, conversations, cost, progress);
  Json result{{"model", engine.description()},
              {"threads", options.engine.threads},
              {"n_batch", llama_n_batch(&engine.context())},
              {"n_ubatch", llama_n_ubatch(&engine.context())},
              {"n_ctx", llama_n_ctx(&engine.context())},
              {"max_tokens", options.max_tokens},
              {"greedy", greedy_times(engine)},
              {"pass_cost", to_json(cost)},
              {"runs", Json::array()}};
  for (Sample const& sample : samples) result["runs"].push_back(to_json(sample, vocabulary));
  return result;
}

std::vector<Conversation> read_conversations(Options const& options) {
  if (options.files.empty()) return built_in_conversations(options.only);
  std::vector<Conversation> conversations;
  for (std::string const& file : options.files)
    conversations.push_back(own_conversation(file, split_turns(read_text(file))));
  return conversations;
}

void write(Json const& result, std::string const& out) {
  std::ofstream file(out);
  file << result.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  if (!file.flush()) copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{}: cannot be written", out));
}

void run(Options const& options) {
  Progress progress;
  std::vector<Conversation> const conversations = read_conversations(options);
  Json result = Json::array();
  for (std::string const& weights : options.weights) {
    result.push_back(run(options, weights, conversations, progress));
    write(result, options.out);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.engine.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  CLI::App app("Decoding with the proposers of this library and with those of llama.cpp, in turn",
               "copyspec-peers-engine");
  app.add_option("--model", options.model, "The model, a GGUF file")->required()->type_name("FILE");
  app.add_option("--weights", options.weights, "Those of the file, an F32 copy next to it, or one after the other")
      ->check(CLI::IsMember({"file", "f32"}));
  CLI::Option* const only = app.add_option("--only", options.only, "Only these built-in conversations of the example");
  app.add_option("--file", options.files, "Conversations instead, turns apart by lines that are ---")
      ->type_name("FILE")
      ->excludes(only);
  app.add_option("--max-tokens", options.max_tokens, "Longest answer")->capture_default_str();
  app.add_option("--repetitions", options.repetitions, "How often everything is decoded")->capture_default_str();
  app.add_option("--threads", options.engine.threads, "Threads of llama.cpp")->capture_default_str();
  app.add_option("--out", options.out, "Receives all runs, as JSON")->required()->type_name("FILE");
  CLI11_PARSE(app, argc, argv);
  silence_engine_log();
  try {
    run(options);
  } catch (std::exception const& failure) {
    fmt::print(stderr, "copyspec-peers-engine: {}\n", failure.what());
    return 2;
  }
}
