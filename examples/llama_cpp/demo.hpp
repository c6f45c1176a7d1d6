// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chat_format.hpp"
#include "conversation.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/cost/pass_cost_file.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "engine.hpp"
#include "measure.hpp"
#include "report.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// What is decoded, and how, whichever the engine.
struct DemoOptions {
  std::filesystem::path model;
  std::vector<std::string> prompts;
  std::vector<std::filesystem::path> files;
  std::vector<std::string> only;
  std::filesystem::path json;
  std::vector<std::filesystem::path> references;
  std::filesystem::path pass_costs;
  EngineOptions engine;
  std::size_t repetitions = 1;
  std::size_t max_tokens = 400;
  copyspec::SamplingOptions sampling{.temperature = 0};
  std::uint64_t seed = 0;
};

/// What a program says below its options.
inline constexpr char const* demo_footer =
    "Prompts come from --prompt, from --file or from standard input in the form of a file; without any, from the "
    "built-in set. Names of control tokens in them are text.\n"
    "Outputs are tried before anything is decoded, and the results are written before the others.\n"
    "Exit status: 0 if everything was measured, 1 if something cannot be used, 2 for wrong arguments.";

/// Adds their options to those of a program. `engine` is what help calls the engine.
void add_demo_options(CLI::App& app, DemoOptions& options, std::string const& engine);

/// Throws `CLI::ValidationError` if two outputs, each with its option, are one file.
void require_different(std::span<std::pair<char const*, std::filesystem::path> const> outputs);

/// Parses the arguments of a program, draws a seed if none was given, and calls `check()`, which may throw
/// `CLI::ParseError`, and then `run()`. Returns its exit status, as `demo_footer` says it. An error is one line,
/// whatever its message looks like.
[[nodiscard]] int run_demo(CLI::App& app, int argc, char** argv, DemoOptions& options,
                           std::function<void()> const& check, std::function<void()> const& run);

/// The conversations that are asked for. Throws `copyspec::Error` if one cannot be read or is empty.
[[nodiscard]] std::vector<Conversation> conversations(DemoOptions const& options, Progress& progress);

/// The texts of the references, as tokens. Throws `copyspec::Error` if one cannot be read.
[[nodiscard]] std::vector<std::vector<copyspec::Token>> read_references(DemoOptions const& options,
                                                                        Vocabulary const& vocabulary);

/// What earlier runs learnt of passes, if there is such a file. Throws `copyspec::Error` if it is of another key.
[[nodiscard]] copyspec::PassCost read_pass_costs(std::filesystem::path const& file, copyspec::PassCostKey const& key);

/// Throws `copyspec::Error` that names the conversation if a first prompt leaves no room in a context of `limit`
/// tokens.
void require_room(std::span<Conversation const> conversations, ChatFormat const& format, std::size_t limit);

/// Prints the report, and writes what else was asked for: JSON, and what passes cost, under `key`. Throws
/// `copyspec::Error` if one cannot be written.
void write_results(DemoOptions const& options, Setup const& setup, Measurement const& measurement,
                   Vocabulary const& vocabulary, copyspec::PassCostKey const& key);

}  // namespace copyspec_llama
