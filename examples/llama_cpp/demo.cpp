// SPDX-License-Identifier: MIT
#include "demo.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <iterator>
#include <limits>

#include "copyspec/core/error.hpp"
#include "numbers.hpp"
#include "output_file.hpp"

namespace copyspec_llama {
namespace {

// Whether a pipe or a file was given as standard input, rather than a terminal or nothing.
bool has_piped_input() {
  struct stat status {};
  return fstat(STDIN_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode));
}

// Not by fmt, which throws when there is no standard error.
int fail(std::string const& program, std::string const& message, int status) {
  std::string const error = take_engine_error();
  std::string const line = fmt::format("{}: {}{}\n", program, shortened(message, 1000),
                                       error.empty() ? "" : fmt::format(" (llama.cpp: {})", error));
  std::fputs(line.c_str(), stderr);
  return status;
}

}  // namespace

void add_demo_options(CLI::App& app, DemoOptions& options, std::string const& engine) {
  // Engines count in 32 bits.
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  auto const add_count = [&app](std::string const& names, std::size_t& value, std::string const& description) {
    add_number(app, names, std::size_t{1}, most, value, description);
  };
  auto const add_list = [&app](std::string const& names, auto& values, std::string const& type,
                               std::string const& description) {
    return app.add_option(names, values, description)->type_name(type)->expected(1)->take_all();
  };

  app.add_option("-m,--model,model", options.model, "The model, a GGUF file")->required()->type_name("FILE");
  CLI::Option* const prompt =
      add_list("-p,--prompt", options.prompts, "TEXT", "What the user says; given again, the next turn");
  CLI::Option* const file = add_list("-f,--file", options.files, "FILE",
                                     "A conversation, its turns apart by lines that are ---; may be given again");
  add_list("--only", options.only, "NAME", "Only the built-in prompt of this name; may be given again")
      ->excludes(prompt)
      ->excludes(file);
  prompt->excludes(file);

  add_list("--reference", options.references, "FILE",
           "A text that the answers will probably resemble, to be copied from; may be given again");
  app.add_option(
         "--pass-costs", options.pass_costs,
         fmt::format("What passes of this model cost on this machine, so that drafts have the right length from "
                     "the first on: read if the file is there, written at the end; refused if it is of another "
                     "model, processor, {} or number of threads",
                     engine))
      ->type_name("FILE");
  add_count("-n,--max-tokens", options.max_tokens, "Cut answers after so many tokens");
  add_count("-r,--repetitions", options.repetitions, "Decode everything so many times");
  copyspec::SamplingOptions& sampling = options.sampling;
  add_number(app, "--temperature", 0.0F, 1000.0F, sampling.temperature, "Draw tokens at this temperature; 0 is greedy");
  add_number(
      app, "--top-k", std::size_t{0}, most,
      [&sampling](std::size_t count) { sampling.top_k = static_cast<decltype(sampling.top_k)>(count); },
      "Draw from so many of the likeliest tokens; 0 is all")
      ->default_str(fmt::format("{}", sampling.top_k));
  add_number(app, "--top-p", 0.0F, 1.0F, sampling.top_p, "Draw from the likeliest tokens with this much probability");
  add_number(app, "--min-p", 0.0F, 1.0F, sampling.min_p, "Draw from tokens with this share of the likeliest one's");
  app.add_option_function<std::string>(
         "--seed", [&options](std::string const& text) { options.seed = parse_seed("--seed", text); },
         "The same seed draws the same tokens, however they are drafted; -1 is a random one, which is shown")
      ->type_name("N")
      ->default_str("-1");
  add_number(
      app, "--logprobs", std::size_t{0}, most, [&sampling](std::size_t count) { sampling.logprobs = count; },
      "Show the log-probability of each token, and so many of the likeliest ones");
  add_count("-t,--threads", options.engine.threads, fmt::format("Threads of {}", engine));
  add_count("--context", options.engine.context,
            "Most tokens of a conversation, as far as the model was trained for them");
  add_count("--batch", options.engine.batch, "Most tokens of a pass");
  app.add_option("--json", options.json, "Write the results there as well")->type_name("FILE");
}

int run_demo(CLI::App& app, int argc, char** argv, DemoOptions& options, std::function<void()> const& check,
             std::function<void()> const& run) {
  silence_engine_log();
  try {
    app.parse(argc, argv);
    check();
    if (app.count("--seed") == 0) options.seed = parse_seed("--seed", "-1");
    options.sampling.seed = options.seed;
  } catch (CLI::CallForHelp const& help) {
    return app.exit(help);
  } catch (CLI::ParseError const& error) {
    return fail(app.get_name(), error.what(), 2);
  }
  try {
    run();
  } catch (std::exception const& error) {
    return fail(app.get_name(), error.what(), 1);
  }
  return 0;
}

void require_different(std::span<std::pair<char const*, std::filesystem::path> const> outputs) {
  for (auto const& [option, file] : outputs)
    for (auto const& [other, same] : outputs)
      if (other != option && !file.empty() && file.lexically_normal() == same.lexically_normal())
        throw CLI::ValidationError(option, fmt::format("this is the file of {}", other));
}

std::vector<Conversation> conversations(DemoOptions const& options, Progress& progress) {
  if (!options.prompts.empty()) return {own_conversation("prompt", options.prompts)};
  std::vector<Conversation> conversations;
  for (std::filesystem::path const& file : options.files)
    conversations.push_back(own_conversation(file.filename().string(), split_turns(read_text(file))));
  if (!conversations.empty()) return conversations;
  if (options.only.empty() && has_piped_input()) {
    progress.begin("reading prompts from standard input");
    std::string const text{std::istreambuf_iterator<char>(std::cin), {}};
    if (!text.empty()) return {own_conversation("standard input", split_turns(text))};
  }
  return built_in_conversations(options.only);
}

std::vector<std::vector<copyspec::Token>> read_references(DemoOptions const& options, Vocabulary const& vocabulary) {
  std::vector<std::vector<copyspec::Token>> references;
  for (std::filesystem::path const& text : options.references)
    references.push_back(vocabulary.tokens(read_text(text), false, ControlNames::text));
  return references;
}

copyspec::PassCost read_pass_costs(std::filesystem::path const& file, copyspec::PassCostKey const& key) {
  if (!std::filesystem::exists(file)) return {};
  try {
    return copyspec::PassCostFile::load(file.string(), key);
  } catch (copyspec::Error const& error) {
    copyspec::raise_error(error.code(),
                          fmt::format("{}; name another file, or remove this one to learn anew", error.what()));
  }
}

void require_room(std::span<Conversation const> conversations, ChatFormat const& format, std::size_t limit) {
  for (Conversation const& conversation : conversations) {
    std::size_t const length = format.prompt(conversation, 0, {}).size();
    if (length >= limit)
      copyspec::raise_error(
          copyspec::ErrorCode::file,
          fmt::format("{}: the prompt has {} tokens, which leaves no room for an answer in a context of {}",
                      conversation.name, length, limit));
  }
}

void write_results(DemoOptions const& options, Setup const& setup, Measurement const& measurement,
                   Vocabulary const& vocabulary, copyspec::PassCostKey const& key) {
  fmt::print("\n{}", text_report(setup, measurement.results, vocabulary));
  if (!options.json.empty()) write_text(options.json, json_report(setup, measurement.results, vocabulary));
  // What was measured cannot be had again; the next run learns again what is not saved.
  if (std::fflush(stdout) != 0)
    copyspec::raise_error(copyspec::ErrorCode::file, "cannot write the results to standard output");
  if (!options.pass_costs.empty() && measurement.costs.copying.seconds(1) > 0)
    copyspec::PassCostFile::save(options.pass_costs.string(), key, measurement.costs.copying);
}

}  // namespace copyspec_llama
