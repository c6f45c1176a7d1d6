// SPDX-License-Identifier: MIT
// Drives the proposers of other projects and of this one through the same recorded answers, and writes what they
// drafted and how long it took.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../replay_trace.hpp"
#include "../stream.hpp"
#include "../trace.hpp"
#include "contenders.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "drive.hpp"
#include "peer.hpp"

namespace {

using namespace copyspec::bench;
using copyspec::Token;
using Json = nlohmann::ordered_json;

// Step times are taken of the default, and of what is best on average here.
constexpr double timed_cost = 0.02;
constexpr std::array<std::size_t, 3> long_contexts{10'000, 100'000, 1'000'000};

std::vector<Contender> all_contenders() {
  std::vector<Contender> all;
  for (auto const& some : {llama_contenders(), suffix_contenders(), own_contenders()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

// With the tokens as they were recorded: some peers hash them.
Trace read(std::string const& file) {
  Trace trace = read_trace(file);
  for (Conversation& conversation : trace.conversations)
    for (Token& token : conversation.tokens) token = trace.numbering.recorded(token);
  return trace;
}

std::int64_t median(std::vector<std::int64_t> times) {
  auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

// Replays all traces with each contender. `mean_speedups` receives, for each, the mean at `timed_cost` with nothing
// shared.
Json replayed(std::vector<Trace> const& traces, std::vector<Contender> const& contenders,
              std::vector<double>& mean_speedups) {
  Json cells = Json::array();
  mean_speedups.assign(contenders.size(), 0);
  for (Trace const& trace : traces)
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      Contender const& contender = contenders[i];
      if (i == 0 || contender.peer != contenders[i - 1].peer)
        fmt::print(stderr, "{}: {}\n", trace.name, contender.peer);
      for (Sharing const sharing : {Sharing::nothing, Sharing::history}) {
        if (sharing == Sharing::history && !contender.shares_history) continue;
        Tally tally;
        PeerTimes times;
        drive(*contender.make(sharing), trace.conversations, tally, times);
        if (sharing == Sharing::nothing)
          mean_speedups[i] += tally.speedup(timed_cost).value_or(1) / static_cast<double>(traces.size());
        cells.push_back({{"trace", trace.name},
                         {"peer", contender.peer},
                         {"setting", contender.setting},
                         {"default", contender.default_setting},
                         {"history", sharing == Sharing::history},
                         {"shares_history", contender.shares_history},
                         {"told", contender.told ? Json(*contender.told) : Json()},
                         {"tokens", tally.tokens},
                         {"passes", tally.passes},
                         {"drafted", tally.drafted},
                         {"accepted", tally.accepted}});
      }
    }
  return cells;
}

// The default of each peer, and its best setting if that is another.
std::vector<Contender const*> to_be_timed(std::vector<Contender> const& contenders,
                                          std::vector<double> const& mean_speedups) {
  std::map<std::string_view, std::size_t> best;
  std::vector<Contender const*> timed;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    Contender const& contender = contenders[i];
    if (contender.told && *contender.told != timed_cost) continue;
    if (contender.default_setting) timed.push_back(&contender);
    auto const found = best.try_emplace(contender.peer, i).first;
    if (mean_speedups[i] > mean_speedups[found->second]) found->second = i;
  }
  for (auto const& [peer, i] : best)
    if (!contenders[i].default_setting) timed.push_back(&contenders[i]);
  return timed;
}

// A prompt of `length` tokens, two thirds of them in copies, and an answer of the same kind.
Conversation made_up(std::size_t length) {
  constexpr std::size_t answer = 4096;
  Conversation conversation;
  std::mt19937_64 random(7);
  grow(conversation.tokens, copy_heavy, length + answer, random);
  conversation.turns = {{.prompt = 0, .answer = length, .end = length + answer}};
  return conversation;
}

Json timed(std::vector<Trace> const& traces, std::vector<Contender const*> const& contenders) {
  Json rows = Json::array();
  for (Contender const* contender : contenders) {
    fmt::print(stderr, "times: {}, {}\n", contender->peer, contender->setting);
    Json row{{"peer", contender->peer}, {"setting", contender->setting}, {"default", contender->default_setting}};
    Tally tally;
    PeerTimes natural;
    for (Trace const& trace : traces) drive(*contender->make(Sharing::nothing), trace.conversations, tally, natural);
    row["natural_step_ns"] = median(natural.steps);
    row["contexts"] = Json::array();
    for (std::size_t const length : long_contexts) {
      PeerTimes times;
      Conversation const conversation = made_up(length);
      drive(*contender->make(Sharing::nothing), std::span(&conversation, 1), tally, times);
      // What begin_turn leaves to do, the first step does.
      row["contexts"].push_back({{"tokens", length},
                                 {"ingest_ns", times.begin + times.steps.front()},
                                 {"step_ns", median({times.steps.begin() + 1, times.steps.end()})}});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void run(std::vector<std::string> const& files, std::string const& out) {
  std::vector<Trace> traces;
  for (std::string const& file : files) traces.push_back(read(file));
  std::vector<Contender> const contenders = all_contenders();
  std::vector<double> mean_speedups;
  Json result{{"costs", marginal_costs}, {"timed_cost", timed_cost}};
  result["cells"] = replayed(traces, contenders, mean_speedups);
  result["times"] = timed(traces, to_be_timed(contenders, mean_speedups));
  std::ofstream file(out);
  file << result.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  if (!file.flush()) copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{}: cannot be written", out));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> traces;
  std::string out;
  CLI::App app("Proposers of other projects and of this one on the same recorded answers", "copyspec-peers");
  app.add_option("--trace", traces, "Traces to replay, as copyspec-replay takes them")->required()->type_name("FILE");
  app.add_option("--out", out, "Receives the counts and times, as JSON")->required()->type_name("FILE");
  CLI11_PARSE(app, argc, argv);
  try {
    run(traces, out);
  } catch (std::exception const& failure) {
    fmt::print(stderr, "copyspec-peers: {}\n", failure.what());
    return 2;
  }
}
