// SPDX-License-Identifier: MIT
// Replays recorded answers through the library's own decoding loop and says what a drafting policy would have saved.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"
#include "policy.hpp"
#include "replay_report.hpp"
#include "replay_trace.hpp"
#include "simulated_draft_model.hpp"
#include "trace.hpp"

namespace {

using namespace copyspec::bench;

constexpr char const* description = R"(What would copying have saved on recorded answers?

Each trace is replayed as a model whose greedy output is the recording, through the same decoding loop as any model,
so the counts are exact and need no weights. A trace has one conversation a line:
  {"id": "...", "category": "...", "turns": [{"prompt": [token, ...], "answer": [token, ...]}, ...]}

Speed-up is tokens / cost, where a pass over the newest token and d draft tokens costs 1 + J + A d passes without a draft,
or 1 if there are none, and one of the draft model over d tokens C (1 + A (d - 1)), those of prompts not counted.
That counts neither the time drafts take ("propose", measured here) nor anything else around a pass.)";

constexpr char const* footer =
    "Exit status: 1 if a replay differs from its recording, which is a bug; 2 if the arguments or a trace cannot be "
    "used.";

enum class Format { table, json };

constexpr std::array format_names{
    std::pair<std::string_view, Format>{"table", Format::table},
    std::pair<std::string_view, Format>{"json", Format::json},
};

struct Arguments {
  std::vector<std::string> traces;
  Policy policy = Policy::mixing;
  PolicySettings settings;
  double marginal_cost = 0.06;
  ReplayOptions replay;
  bool learn_cost = false;
  PassTimeSettings pass_time;
  std::optional<double> draft_chance;
  std::uint64_t draft_seed = 1;
  bool history = false;
  std::string references;
  std::size_t history_bytes = std::size_t{64} << 20;
  Format format = Format::table;
};

// An option that takes the name of one of `names` and passes what it stands for to `set`.
template <class Names, class Set>
void add_choice(CLI::App& app, std::string const& option, Names const& names, Set set, std::string const& help) {
  std::vector<std::string> words;
  words.reserve(names.size());
  for (auto const& [word, value] : names) words.emplace_back(word);
  auto const choose = [&names, set](std::string const& given) {
    for (auto const& [word, value] : names)
      if (word == given) set(value);
  };
  app.add_option_function<std::string>(option, choose, help)
      ->check(CLI::IsMember(words).description(""))
      ->type_name(fmt::format("{}", fmt::join(words, "|")));
}

void add_length(CLI::App& app, std::string const& option, std::optional<std::size_t>& length, std::size_t least,
                std::string const& help) {
  // Longer than any trace has use for, and short enough to begin with.
  constexpr std::size_t most = 1'000'000;
  app.add_option(option, length, help)->check(CLI::Range(least, most).description(""))->type_name("N");
}

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--trace", arguments.traces, "Traces to replay; needed")->type_name("FILE");
  add_choice(
      app, "--policy", policy_names, [&](Policy policy) { arguments.policy = policy; },
      "default: MixingProposer, told A and nothing else, beside the draft model if\n"
      "there is one; published: the paper's rule; copy: CopyProposer with its\n"
      "own settings; draft: the draft model alone; published-draft: the paper's\n"
      "rule, and the draft model where that has no draft; plain: no drafts");
  add_length(app, "--match-length", arguments.settings.match_length, 1,
             "Tokens that must have been seen before;\nby default, like the next two, as the policy has it");
  add_length(app, "--draft-length", arguments.settings.draft_length, 0, "Most tokens drafted a pass");
  add_choice(
      app, "--occurrence", occurrence_names,
      [&](copyspec::Occurrence occurrence) { arguments.settings.occurrence = occurrence; },
      "Which earlier occurrence is copied");
  app.add_flag("--history", arguments.history,
               "The conversations of a trace share a history of answers, in order;\nof the policy default");
  app.add_option("--history-bytes", arguments.history_bytes, "Memory of that history (default 64 MiB)")->type_name("N");
  app.add_option(
         "--reference", arguments.references,
         "Texts that answers may be copied from besides, one conversation\na line: {\"id\": \"...\", \"references\": "
         "[[token, ...], ...]};\nof one trace and the policy default")
      ->type_name("FILE");
  app.add_option("--marginal-cost", arguments.marginal_cost,
                 "A: what a draft token adds to a pass (default 0.06,\n"
                 "about that of 8B parameters on one GPU)")
      ->type_name("A");
  app.add_flag("--learn-cost", arguments.learn_cost,
               "The policy default is not told A, but learns what passes cost from\nmodelled times, on a clock that "
               "stands still otherwise; not with a draft\nmodel. The options --time- belong to it");
  app.add_option("--second-row", arguments.pass_time.second_row,
                 "What the second row of a pass adds besides A (default 0)")
      ->type_name("J");
  app.add_option("--time-noise", arguments.pass_time.noise,
                 "Passes take longer by an exponential share with this mean (default 0)")
      ->type_name("S");
  app.add_option("--time-outliers", arguments.pass_time.outliers,
                 "The share of passes that take thirty times as long (default 0)")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->type_name("P");
  app.add_option("--time-seed", arguments.pass_time.seed, "Chooses these (default 1)")->type_name("N");
  app.add_option("--tree", arguments.replay.max_branches,
                 "Branches a draft may have, leaves beyond one (default 0:\ndrafts are chains); of the policy default")
      ->check(CLI::Range(std::size_t{0}, copyspec::max_draft_tokens).description(""))
      ->type_name("N");
  app.add_flag(
      "--checkpoints", arguments.replay.checkpoints,
      "The model cannot be cut back, as recurrent ones: it makes a checkpoint\nbefore a draft, goes back to it "
      "after a rejected one, and is fed again\nwhat was accepted. A token fed again costs A, making a "
      "checkpoint nothing");
  app.add_option("--draft-chance", arguments.draft_chance,
                 "There is a draft model, which at each position has this chance to be\nright, whatever the text: a "
                 "simulation")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->type_name("P");
  app.add_option("--draft-cost", arguments.settings.draft_cost,
                 "C: what a pass of the draft model costs, in passes (default 0.15)")
      ->type_name("C");
  app.add_option("--draft-seed", arguments.draft_seed, "Chooses where it is right (default 1)")->type_name("N");
  app.add_option("--draft-tokens", arguments.settings.draft_tokens,
                 "Tokens that it drafts (default 5); of the policies draft and published-draft")
      ->check(CLI::Range(std::size_t{1}, copyspec::max_draft_tokens).description(""))
      ->type_name("N");
  add_choice(
      app, "--format", format_names, [&](Format format) { arguments.format = format; }, "Default: table");
}

// What CLI11 would say less clearly: a required option before an unknown one, a range with all 309 digits.
void check(Arguments const& arguments) {
  if (arguments.traces.empty()) throw CLI::RequiredError("--trace");
  if (!std::isfinite(arguments.marginal_cost) || arguments.marginal_cost < 0)
    throw CLI::ValidationError("--marginal-cost", "must be a number and not negative");
  if (!std::isfinite(arguments.settings.draft_cost) || arguments.settings.draft_cost < 0)
    throw CLI::ValidationError("--draft-cost", "must be a number and not negative");
  PassTimeSettings const unset;
  PassTimeSettings const& time = arguments.pass_time;
  if (arguments.learn_cost && (arguments.policy != Policy::mixing || arguments.draft_chance))
    throw CLI::ValidationError("--learn-cost", "only the policy default learns costs here, without a draft model");
  if (!arguments.learn_cost &&
      (time.noise != unset.noise || time.outliers != unset.outliers || time.seed != unset.seed))
    throw CLI::ValidationError("--learn-cost", "--time-noise, --time-outliers and --time-seed need it");
  if (time.second_row != unset.second_row && arguments.draft_chance)
    throw CLI::ValidationError("--second-row", "not with a draft model");
  for (auto const& [name, value] : {std::pair("--second-row", time.second_row), std::pair("--time-noise", time.noise)})
    if (!std::isfinite(value) || value < 0) throw CLI::ValidationError(name, "must be a number and not negative");
  bool const drafts = arguments.policy == Policy::draft || arguments.policy == Policy::published_draft;
  if (drafts && !arguments.draft_chance)
    throw CLI::ValidationError("--policy", "draft and published-draft need a --draft-chance");
  if (!drafts && arguments.policy != Policy::mixing && arguments.draft_chance)
    throw CLI::ValidationError("--draft-chance", "this policy asks no draft model");
  if (arguments.draft_chance && arguments.replay.max_branches > 0)
    throw CLI::ValidationError("--tree", "with a draft model drafts are chains");
  bool const copies = arguments.policy == Policy::published || arguments.policy == Policy::copy ||
                      arguments.policy == Policy::published_draft;
  if (!copies && arguments.settings.match_length)
    throw CLI::ValidationError("--match-length", "only the policies published, copy and published-draft have one");
  if (!copies && arguments.settings.occurrence)
    throw CLI::ValidationError("--occurrence", "only the policies published, copy and published-draft choose one");
  if (arguments.policy != Policy::mixing && arguments.replay.max_branches > 0)
    throw CLI::ValidationError("--tree", "only the policy default drafts trees");
  if (arguments.replay.checkpoints && arguments.replay.max_branches > 0)
    throw CLI::ValidationError("--tree", "a model that cannot be cut back has no trees");
  if (arguments.policy != Policy::mixing && arguments.history)
    throw CLI::ValidationError("--history", "only the policy default copies from a history");
  if (!arguments.references.empty() && (arguments.policy != Policy::mixing || arguments.traces.size() != 1))
    throw CLI::ValidationError("--reference", "needs one trace and the policy default");
}

Report replayed(Trace const& trace, Arguments const& arguments) {
  PolicySettings given = arguments.settings;
  given.checkpoints = arguments.replay.checkpoints;
  if (arguments.history) given.history_bytes = arguments.history_bytes;
  std::optional<SimulatedDraftModel> draft_model;
  ReplayOptions how = arguments.replay;
  given.learn_cost = arguments.learn_cost;
  given.second_row = arguments.pass_time.second_row;
  if (arguments.learn_cost) {
    how.pass_time = arguments.pass_time;
    how.pass_time->marginal_cost = arguments.marginal_cost;
  }
  if (arguments.draft_chance) {
    draft_model.emplace(trace.numbering.size(),
                        DraftModelSettings{.right = *arguments.draft_chance, .seed = arguments.draft_seed});
    given.draft_model = how.draft_model = &*draft_model;
  }
  try {
    return with_proposer(arguments.policy, given, arguments.marginal_cost, [&](auto const& proposer) {
      Json shown = settings(proposer);
      if (arguments.replay.max_branches > 0) shown["tree"] = arguments.replay.max_branches;
      if (arguments.replay.checkpoints) shown["checkpoints"] = true;
      if (arguments.learn_cost)
        shown["learn_cost"] = {{"second_row", arguments.pass_time.second_row},
                               {"noise", arguments.pass_time.noise},
                               {"outliers", arguments.pass_time.outliers},
                               {"seed", arguments.pass_time.seed}};
      if (arguments.draft_chance) {
        shown["draft_chance"] = *arguments.draft_chance;
        shown["draft_seed"] = arguments.draft_seed;
        if (arguments.policy != Policy::mixing) shown["draft_tokens"] = given.draft_tokens;
      }
      return Report{.trace = trace.name,
                    .policy = arguments.policy,
                    .settings = std::move(shown),
                    .marginal_cost = arguments.marginal_cost,
                    .draft_cost = given.draft_cost,
                    .second_row = arguments.pass_time.second_row,
                    .turns = replay(trace, proposer, how)};
    });
  } catch (ReplayMismatch const& mismatch) {
    throw ReplayMismatch(trace.name + ": " + mismatch.what());
  }
}

std::string as_json(std::vector<Report> const& reports) {
  Json all = Json::array();
  for (Report const& report : reports) all.push_back(to_json(report));
  // The name of a file need not be UTF-8.
  return (all.size() == 1 ? all.front() : all).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_tables(std::vector<Report> const& reports) {
  std::string text;
  double sum = 0;
  std::size_t count = 0;
  for (Report const& report : reports) {
    text += to_table(report) + "\n";
    if (auto const speedup = report.total().speedup(report.marginal_cost, report.draft_cost, report.second_row)) {
      sum += *speedup;
      ++count;
    }
  }
  if (count > 1) text += fmt::format("mean speed-up of {} traces: {:.3f}\n", count, sum / static_cast<double>(count));
  return text;
}

void run(Arguments const& arguments) {
  std::vector<Trace> traces;
  traces.reserve(arguments.traces.size());
  for (std::string const& file : arguments.traces) traces.push_back(read_trace(file));
  if (!arguments.references.empty()) read_references(arguments.references, traces.front());
  std::vector<Report> reports;
  reports.reserve(traces.size());
  for (Trace const& trace : traces) reports.push_back(replayed(trace, arguments));
  fmt::print("{}", arguments.format == Format::json ? as_json(reports) : as_tables(reports));
  if (std::fflush(stdout) != 0) throw std::runtime_error("the output could not be written");
}

int report_failure(int status, std::exception const& failure) {
  fmt::print(stderr, "copyspec-replay: {}\n", failure.what());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(description, "copyspec-replay");
  app.footer(footer);
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
    check(arguments);
  } catch (CLI::ParseError const& failure) {
    return app.exit(failure) == 0 ? 0 : 2;
  }
  try {
    run(arguments);
  } catch (ReplayMismatch const& failure) {
    return report_failure(1, failure);
  } catch (copyspec::Error const& failure) {
    return report_failure(2, failure);
  } catch (std::exception const& failure) {
    return report_failure(1, failure);
  }
}
