// SPDX-License-Identifier: MIT
#include <copyspec/mix/mixing_proposer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/draft/best_draft.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bench/replay_model.hpp"
#include "support/copying_text.hpp"

using copyspec::BestDraft;
using copyspec::CopyProposer;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::bench::ReplayModel;

namespace {

constexpr std::size_t vocabulary = 2000;

// A file of some ten thousand tokens, and the same with one line changed.
struct File {
  Tokens before;
  Tokens after;
};

// Lines end with the same token and a third of their tokens are common ones. Every fifth line was there before.
File some_file() {
  Random random(4);
  std::vector<Tokens> lines;
  for (std::size_t size = 0; size < 10'000; size += lines.back().size()) {
    if (!lines.empty() && below(random, 5) == 0) {
      lines.push_back(Tokens(lines[below(random, lines.size())]));
      continue;
    }
    Tokens line;
    for (std::size_t i = 4 + below(random, 16); i > 0; --i)
      line.push_back(static_cast<Token>(below(random, 3) == 0 ? 10 + below(random, 20) : 100 + below(random, 1500)));
    line.push_back(5);
    lines.push_back(line);
  }
  File file;
  for (Tokens const& line : lines) file.before = file.before + line;
  lines[lines.size() * 2 / 3] = {1900, 1901, 1902, 1903, 5};
  for (Tokens const& line : lines) file.after = file.after + line;
  return file;
}

// Where the file that is given back comes from.
enum class Given { in_prompt, as_reference };

// How many times faster than plain decoding `proposer` gives the changed file back, if a draft token costs `row` of a
// pass.
template <class Proposer>
double times_plain(File const& file, Given given, double row, Proposer const& proposer) {
  Tokens const prompt = given == Given::in_prompt ? Tokens{1, 2, 3} + file.before + Tokens{4, 2, 3} : Tokens{1, 2, 3};
  Tokens const all = prompt + file.after;
  ReplayModel model(all, vocabulary);
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  copyspec::GenerateOptions options{.max_new_tokens = file.after.size()};
  if (given == Given::as_reference) options.references = {file.before};
  auto const answer = composer.generate(prompt, options);
  CHECK(std::ranges::equal(answer, file.after));
  auto const& counters = composer.sequence(SequenceId{0}).counters();
  return static_cast<double>(answer.size()) /
         (static_cast<double>(counters.decode_passes) + row * static_cast<double>(counters.drafted));
}

CopyProposer long_copies() {
  return CopyProposer({.match_length = 12, .draft_length = 512, .occurrence = copyspec::Occurrence::newest});
}

}  // namespace

TEST_CASE("a long file with one line changed is given back in few passes, whether it is a prompt or a reference") {
  File const file = some_file();
  struct Case {
    double row;
    double least;
  };
  for (Given const given : {Given::in_prompt, Given::as_reference}) {
    CAPTURE(static_cast<int>(given));
    for (Case const& of : {Case{0.005, 110}, Case{0.02, 40}, Case{0.06, 15}}) {
      CAPTURE(of.row);
      CHECK(times_plain(file, given, of.row, MixingProposer({.pass_cost = PassCost::marginal(of.row)})) > of.least);
    }
  }
}

TEST_CASE("beside a proposer of long copies, a long file is given back nearly as fast as by that alone") {
  File const file = some_file();
  for (double const row : {0.005, 0.02, 0.06}) {
    CAPTURE(row);
    PassCost const cost = PassCost::marginal(row);
    double const both =
        times_plain(file, Given::in_prompt, row, BestDraft(cost, MixingProposer({.pass_cost = cost}), long_copies()));
    double const alone = times_plain(file, Given::in_prompt, row, long_copies());
    CHECK(both > 0.97 * alone);
  }
}
