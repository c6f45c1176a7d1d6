// SPDX-License-Identifier: MIT
// Sequences that are paused, lose their cache, move to another id, go on after their budget, and are copied: a prompt
// is read once for eight samples. It checks itself against turns without a break.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

#include <copyspec/copyspec.hpp>
#include <copyspec/testing/toy_model.hpp>

using copyspec::GenerateOptions;
using copyspec::SequenceId;
using copyspec::Token;
using Tokens = std::vector<Token>;
using Model = copyspec::testing::ToyModel<float>;  // yours is a ForkingModel too, if it can copy its cache

constexpr SequenceId first{0}, second{1};
Tokens const prompt(1000, 7);

Tokens alone(GenerateOptions const& options) {
  Model model;
  copyspec::Composer composer(model, copyspec::NoProposer(), copyspec::SamplingVerifier());
  auto const answer = composer.generate(prompt, options);
  return {answer.begin(), answer.end()};
}

// One answer with every kind of break.
bool breaks() {
  GenerateOptions options{.max_new_tokens = 60, .sampling = copyspec::SamplingOptions{.seed = 1}};
  Tokens const expected = alone(options);
  Model model;
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::SamplingVerifier());
  Tokens shown;
  auto const show = [&](copyspec::OutputDelta const& delta) {
    shown.insert(shown.end(), delta.tokens.begin(), delta.tokens.end());
  };
  options.max_new_tokens = 40;  // at first
  options.may_continue = true;
  composer.begin(first, prompt, options);
  for (int i = 0; i < 5; ++i) composer.step(show);
  composer.pause(first);  // no pass feeds it
  composer.run(show);     // returns, as nothing else runs
  composer.resume(first);
  composer.step(show);
  composer.preempt(first);  // its cache is dropped, for others; after `resume` it is fed again
  composer.resume(first);
  composer.move(first, second);
  composer.run(show);
  composer.extend(second, 20);  // as if the budget had been 60
  composer.run(show);
  return shown == expected;
}

// Eight samples of one prompt, which is fed once.
bool samples() {
  Model model;
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::SamplingVerifier());
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 30});
  for (int i = 1; i < 8; ++i) composer.fork(SequenceId{0}, SequenceId{i});
  composer.run();
  std::size_t fed = 0;
  bool same = true;
  for (int i = 0; i < 8; ++i) {
    copyspec::SequenceCounters const& counters = composer.sequence(SequenceId{i}).counters();
    fed += counters.tokens_fed - (counters.generated - 1) - (counters.drafted - counters.accepted);
    // No seed was named, so each has a fresh one, which is reported: with it, the sample can be drawn again.
    Tokens const again = alone({.max_new_tokens = 30, .sampling = composer.sampling(SequenceId{i})});
    same = same && std::ranges::equal(composer.sequence(SequenceId{i}).generated(), again);
  }
  // The prompt once, and its newest token for each copy.
  fmt::print("prompt tokens fed for eight samples: {}\n", fed);
  return same && fed == prompt.size() + 7;
}

// A new sequence on tokens that the model already holds under its id; then some of them are dropped.
bool prefix() {
  Model model;
  for (std::size_t at = 0; at < prompt.size(); at += 500) {
    copyspec::Segment const part{.sequence = first, .tokens = std::span(prompt).subspan(at, 500), .rows = 0};
    model.forward(std::span(&part, 1));
  }
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  Tokens question = prompt;
  question.push_back(3);
  composer.begin(first, question, {.max_new_tokens = 10, .cached_prefix = prompt.size()});
  composer.run();
  bool const reused = composer.sequence(first).counters().tokens_fed < 100;
  composer.shift(first, 100, 500);  // the model forgets these, and moves what follows: not lossless
  composer.begin(first, {}, {.max_new_tokens = 10});
  composer.run();
  return reused && composer.sequence(first).length() == 1001 + 20 - 500;
}

// The same calls in a loop of your own. The engine does what the batch asks for.
bool own_loop() {
  Model engine;
  copyspec::DecodeBatch batch(copyspec::limits_of(engine), copyspec::MixingProposer(), copyspec::GreedyVerifier());
  auto const pass = [&] {
    while (auto const due = batch.next_truncation())
      batch.truncated(due->sequence, engine.truncate(due->sequence, due->length));
    while (auto const copy = batch.next_copy()) batch.copied(copy->to, engine.fork(copy->from, copy->to, copy->length));
    copyspec::PassPlan const plan = batch.plan();
    if (!plan.segments.empty()) batch.commit(engine.forward(plan.segments));
    batch.emit([](copyspec::OutputDelta const&) {});
  };
  batch.begin(first, prompt, {.max_new_tokens = 30});
  batch.fork(first, second);
  for (int i = 0; i < 4; ++i) pass();
  batch.preempt(second);
  engine.truncate(second, 0);
  while (batch.running()) pass();
  batch.resume(second);
  while (batch.running()) pass();
  return std::ranges::equal(batch.sequence(first).generated(), batch.sequence(second).generated());
}

// A turn that has some milliseconds. What was shown by then stands, and the next turn goes on from there.
bool deadline() {
  Model model;
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::SamplingVerifier());
  GenerateOptions const options{.max_new_tokens = 2000, .sampling = copyspec::SamplingOptions{.seed = 1}};
  composer.begin(first, prompt, options);
  auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  while (composer.step([](copyspec::OutputDelta const&) {}))
    if (std::chrono::steady_clock::now() >= end) composer.truncate(first, composer.sequence(first).length());
  auto const said = composer.sequence(first).generated();
  Tokens const expected = alone(options);
  return std::equal(said.begin(), said.end(), expected.begin());
}

// No pass feeds more rows than the engine has room for beside its other work, however long the drafts are.
bool row_budget() {
  Model engine;
  copyspec::DecodeBatch batch(copyspec::limits_of(engine), copyspec::MixingProposer(), copyspec::GreedyVerifier());
  batch.begin(first, prompt, {.max_new_tokens = 100});
  bool kept = true;
  for (std::size_t room = 1; batch.running(); room = room % 9 + 1) {
    while (auto const due = batch.next_truncation())
      batch.truncated(due->sequence, engine.truncate(due->sequence, due->length));
    copyspec::PassPlan const plan = batch.plan(room);
    std::size_t fed = 0;
    for (copyspec::Segment const& segment : plan.segments) fed += segment.tokens.size();
    kept = kept && fed <= room;
    if (!plan.segments.empty()) batch.commit(engine.forward(plan.segments));
    batch.emit([](copyspec::OutputDelta const&) {});
  }
  return kept && batch.sequence(first).generated().size() == 100;
}

int main() {
  bool const all[] = {breaks(), samples(), prefix(), own_loop(), deadline(), row_budget()};
  fmt::print("breaks: {}, samples: {}, prefix: {}, own loop: {}, deadline: {}, row budget: {}\n", all[0], all[1],
             all[2], all[3], all[4], all[5]);
  return std::ranges::all_of(all, [](bool good) { return good; }) ? 0 : 1;
}
