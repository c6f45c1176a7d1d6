// SPDX-License-Identifier: MIT
//
// The loop of an engine with continuous batching, over `DecodeBatch`: requests join and leave while others run, long
// prompts are fed in chunks, a pass that fails is tried again without drafts, and rows get the price that they cost.

#include <fmt/core.h>

#include <algorithm>
#include <copyspec/decode.hpp>
#include <copyspec/mix.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify.hpp>
#include <cstddef>
#include <map>
#include <new>
#include <span>
#include <utility>
#include <vector>

using copyspec::SequenceId;
using copyspec::Token;
using Tokens = std::vector<Token>;

// Your network and its KV cache.
struct Network : copyspec::testing::ToyModel<float> {
  using ToyModel::ToyModel;
  // Feeds one token after those in the cache. Returns the logits after it, or nothing if they are not needed.
  std::span<float const> feed(SequenceId sequence, Token token, bool needed) {
    copyspec::Segment const segment{.sequence = sequence, .tokens = {&token, 1}, .rows = needed ? 1U : 0U};
    auto const rows = forward(std::span(&segment, 1));
    return needed ? rows.row(0) : std::span<float const>();
  }
};

// Your engine. This one feeds 16 tokens a pass, and every fifth pass with drafts is too large for it.
struct Engine {
  static constexpr copyspec::EngineLimits limits{.vocabulary_size = 16, .max_tokens = 16, .context_limit = 200};

  // Feeds the segments. Returns the rows of all segments, one after the other, in the order of the segments.
  copyspec::LogitsView<float> feed(std::span<copyspec::Segment const> segments) {
    logits.clear();
    std::size_t rows = 0;
    for (copyspec::Segment const& segment : segments) {
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        bool const needed = i + segment.rows >= segment.tokens.size();  // the last `rows` tokens have one each
        auto const row = network.feed(segment.sequence, segment.tokens[i], needed);
        logits.insert(logits.end(), row.begin(), row.end());
        if (needed) ++rows;
      }
    }
    seconds += 0.02 + 0.0002 * static_cast<double>(rows);
    if (rows > segments.size() && ++passes_with_drafts % 5 == 0) throw std::bad_alloc();
    std::size_t const stride = limits.vocabulary_size;  // from one row to the next
    return {logits.data(), rows, limits.vocabulary_size, stride};
  }

  // Forgets all but the first `length` tokens. Returns how many are still held.
  std::size_t truncate(SequenceId sequence, std::size_t length) { return network.truncate(sequence, length); }

  Network network{{.vocabulary = limits.vocabulary_size, .order = 2}};
  std::vector<float> logits;
  double seconds = 0.0;  // a clock that is the same on every machine; yours is std::chrono::steady_clock
  std::size_t passes_with_drafts = 0;
};

struct Request {
  Tokens prompt;
  copyspec::GenerateOptions options;
  Tokens follow_up = {};  // replaces the answer, and the end of the prompt, in a second turn
  Tokens shown = {};      // of the newest turn
};

using Batch = copyspec::DecodeBatch<copyspec::MixingProposer, copyspec::GreedyVerifier>;

// The engine forgets rejected drafts. It may hold less than it was asked to keep; what it lost is fed again.
void forget(Engine& engine, Batch& batch) {
  while (auto const due = batch.next_truncation())
    batch.truncated(due->sequence, engine.truncate(due->sequence, due->length));
}

// One pass over all sequences that run.
void pass(Engine& engine, Batch& batch) {
  double const start = engine.seconds;
  forget(engine, batch);
  copyspec::PassPlan const plan = batch.plan();
  if (plan.segments.empty()) return;
  copyspec::LogitsView<float> rows;
  try {
    rows = engine.feed(plan.segments);
  } catch (std::bad_alloc const&) {
    // All sequences are as they were. If this pass had drafts, the next has none. If not, this engine gives up.
    if (!batch.fail()) throw;
    return;
  }
  batch.commit(rows);
  forget(engine, batch);
  batch.report(engine.seconds - start);  // so that drafts are as long as pays
}

void serve(Engine& engine, Batch& batch, std::vector<Request>& requests) {
  std::vector<SequenceId> free = {SequenceId{0}, SequenceId{1}, SequenceId{2}};
  std::map<SequenceId, Request*> served;
  std::vector<SequenceId> ended;
  for (std::size_t next = 0; next < requests.size() || !served.empty();) {
    while (!free.empty() && next < requests.size()) {  // one joins
      Request& request = requests[next++];
      try {
        batch.begin(free.back(), request.prompt, request.options);
      } catch (copyspec::Error const& error) {  // the request is at fault; nothing has changed
        fmt::print("refused: {}\n", error.what());
        continue;
      }
      served[free.back()] = &request;
      free.pop_back();
    }
    pass(engine, batch);
    ended.clear();
    batch.emit([&](copyspec::OutputDelta const& delta) {  // stream these tokens
      Tokens& shown = served.at(delta.sequence)->shown;
      shown.insert(shown.end(), delta.tokens.begin(), delta.tokens.end());
      if (delta.status != copyspec::SequenceStatus::running) ended.push_back(delta.sequence);
    });
    for (SequenceId const id : ended) {
      Request& request = *served.at(id);
      if (!request.follow_up.empty()) {  // the answer is taken back, and what precedes it is edited
        batch.truncate(id, request.prompt.size() / 2);
        request.prompt.resize(request.prompt.size() / 2);
        request.prompt.insert(request.prompt.end(), request.follow_up.begin(), request.follow_up.end());
        batch.begin(id, std::exchange(request.follow_up, {}), request.options);
        request.shown.clear();
      } else {  // it leaves
        batch.remove(id);
        engine.truncate(id, 0);
        served.erase(id);
        free.push_back(id);
      }
    }
  }
}

int main() {
  Engine engine;
  copyspec::MixingProposer const proposer;
  Batch batch(Engine::limits, proposer, copyspec::GreedyVerifier());
  std::vector<Request> requests = {{Tokens(250, 1), {}}};  // too long
  for (Token i = 0; i < 8; ++i)
    requests.push_back(
        {Tokens(static_cast<std::size_t>(1 + 9 * i), i), {.max_new_tokens = 90, .stop = {.tokens = {i}}}});
  requests.back().follow_up = {3, 1, 4};
  serve(engine, batch, requests);

  // Each request was answered as if it had been alone, without drafts.
  bool identical = true;
  for (Request const& request : std::span(requests).subspan(1)) {
    copyspec::testing::ToyModel<float> other({.vocabulary = 16, .order = 2, .context_limit = 200});
    copyspec::Composer alone(other, copyspec::NoProposer(), copyspec::GreedyVerifier());
    alone.generate(request.prompt, request.options);
    identical = identical && std::ranges::equal(request.shown, alone.sequence(SequenceId{0}).released());
  }
  bool const learnt = proposer.pass_cost()(8) < copyspec::PassCost()(8);
  fmt::print("identical: {}, failed passes: {}, cost learnt: {}\n", identical, engine.passes_with_drafts / 5, learnt);
  return identical && learnt && engine.passes_with_drafts >= 5 ? 0 : 1;
}
