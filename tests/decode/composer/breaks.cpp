// SPDX-License-Identifier: MIT
// Sequences that pause, lose their cache, move, fork, go on and end, in any order and also in callbacks, while hooks of
// some of them throw and the engine fails: each stream is that of plain decoding.
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence_status.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/plain_turn.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::LogitsView;
using copyspec::MixingProposer;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::StopDecision;
using copyspec::Token;
using copyspec::TreeSegment;
using copyspec::TreeSpace;
using copyspec_test::any_model;
using copyspec_test::any_tokens;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::PlainTurn;
using copyspec_test::PlainTurnOptions;
using copyspec_test::Random;
using copyspec_test::Refused;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::ToyModelOptions;

namespace {

// Throws now and then: which call it was, the caller cannot know.
struct Chance {
  Random* random = nullptr;
  std::size_t in_ten_thousand = 0;
  bool armed = true;
  bool in_pass = false;
  [[nodiscard]] bool hits() const { return armed && in_ten_thousand > 0 && random->below(10000) < in_ten_thousand; }
};

class FailingModel : public Toy {
 public:
  FailingModel(ToyModelOptions const& options, Chance const& chance) : Toy(options), chance_(&chance) {}

  LogitsView<float> forward(std::span<Segment const> batch) { return run(batch); }
  LogitsView<float> forward(std::span<TreeSegment const> batch) { return run(batch); }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    if (length > 0 && chance_->hits()) throw Refused{};
    return Toy::truncate(sequence, length);
  }
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    if (chance_->hits()) throw Refused{};
    return Toy::keep(sequence, length, path);
  }
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    if (chance_->hits()) throw Refused{};
    return Toy::fork(from, to, length);
  }
  std::size_t shift(SequenceId sequence, std::size_t first, std::size_t count) {
    if (chance_->hits()) throw Refused{};
    return Toy::shift(sequence, first, count);
  }

 private:
  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> batch) {
    auto const rows = Toy::forward(batch);
    if (chance_->hits()) throw Refused{};
    return rows;
  }

  Chance const* chance_;
};

class FailingProposer {
 public:
  template <class P>
  FailingProposer(P proposer, Chance const& chance) : proposer_(std::move(proposer)), chance_(&chance) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    maybe_throw();
    return std::visit([&](auto& proposer) { return proposer.propose(context, space); }, proposer_);
  }
  Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    maybe_throw();
    if (auto* const mixing = std::get_if<MixingProposer>(&proposer_)) return mixing->propose_tree(context, space);
    Draft const chain = propose(context, space.tokens);
    for (std::size_t i = 0; i < chain.length; ++i) space.parents[i] = static_cast<std::int32_t>(i) - 1;
    return chain;
  }
  void truncate(std::size_t length) {
    std::visit([&](auto& proposer) { proposer.truncate(length); }, proposer_);
  }
  void reserve(std::size_t length) {
    // Memory that runs out in a pass fails the sequence.
    if (!chance_->in_pass) maybe_throw();
    std::visit([&](auto& proposer) { proposer.reserve(length); }, proposer_);
    if (!chance_->in_pass) maybe_throw();
  }
  void set_references(std::span<std::vector<Token> const> texts) {
    if (!texts.empty()) maybe_throw();
    if (auto* const mixing = std::get_if<MixingProposer>(&proposer_)) mixing->set_references(texts);
  }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    maybe_throw();
    if (auto* const mixing = std::get_if<MixingProposer>(&proposer_)) mixing->on_turn_begin(context, prompt);
    maybe_throw();
  }
  void on_pass(PassReport report) {
    // Not what the clock says, so that a script can be run again.
    report.seconds = 1 + 0.05 * static_cast<double>(report.rows);
    if (auto* const mixing = std::get_if<MixingProposer>(&proposer_)) mixing->on_pass(report);
  }

 private:
  void maybe_throw() const {
    if (chance_->hits()) throw Interrupted{};
  }

  std::variant<CopyProposer, MixingProposer> proposer_;
  Chance const* chance_;
};

struct Failures {
  std::size_t engine = 0;   // in ten thousand
  std::size_t callers = 0;  // a proposer or the callback of output
  bool requests = false;    // hooks and predicates of some turns
};

class Script {
 public:
  Script(std::uint64_t seed, Failures const& failures)
      : random_(seed),
        toy_(model_for(random_)),
        failures_(failures),
        engine_{.random = &random_, .in_ten_thousand = failures.engine},
        callers_{.random = &random_, .in_ten_thousand = failures.callers},
        model_(toy_, engine_),
        composer_(std::in_place, model_, proposer_for(), SamplingVerifier()) {}

  // What went wrong, or nothing.
  [[nodiscard]] std::string run() {
    for (int step = 0; step < 120 && wrong_.empty(); ++step) {
      if (random_.one_in(3)) act();
      pass();
    }
    // To the end, without more of anything.
    engine_.armed = callers_.armed = acts_ = false;
    for (auto& [sequence, talk] : talks_)
      if (composer_->sequence(sequence).running()) composer_->resume(sequence);
    for (int step = 0; wrong_.empty() && step_composer();)
      if (++step > 100000) return "it never ends";
    for (auto& [sequence, talk] : talks_) expect(!talk.turn || talk.ended, "every turn ends");
    std::vector<SequenceId> ids;
    for (auto& [sequence, talk] : talks_) ids.push_back(sequence);
    composer_.reset();
    for (SequenceId const sequence : ids) expect(model_.held(sequence).empty(), "the engine is left empty");
    return wrong_;
  }

  std::size_t tokens_checked = 0;
  std::map<SequenceStatus, std::size_t> ends;

 private:
  struct Talk {
    Tokens context;  // before the turn, or of an edited sequence
    std::shared_ptr<PlainTurn> turn;
    Tokens shown;
    bool ended = false;  // the last delta has come
  };

  static ToyModelOptions model_for(Random& random) {
    ToyModelOptions options = any_model(random);
    options.context_limit = random.any_of<std::size_t>({20, 60, 150, 400});
    options.vocabulary = random.between(3, 20);
    options.order = random.between(1, 3);
    options.placeholders = random.one_in(4);
    return options;
  }

  FailingProposer proposer_for() {
    if (random_.one_in(3)) return {CopyProposer({.match_length = random_.between(1, 3)}), callers_};
    return {MixingProposer({.pass_cost = PassCost::marginal(random_.any_of({0.0, 0.02, 0.2}))}), callers_};
  }

  void expect(bool condition, char const* what) {
    if (!condition && wrong_.empty()) wrong_ = what;
  }

  // A request of which every rule is a function of the tokens, or throws at one place.
  PlainTurnOptions any_turn(std::size_t answer) {
    PlainTurnOptions turn;
    GenerateOptions& generate = turn.generate;
    generate.max_new_tokens = random_.any_of<std::size_t>({0, 1, 3, 10, 40, 1000});
    generate.min_new_tokens = random_.any_of<std::size_t>({0, 0, 0, 2, 7, 1000});
    generate.may_continue = random_.one_in(2);
    if (random_.one_in(2)) generate.stop.tokens = any_tokens(random_, toy_.vocabulary, random_.below(2));
    for (std::size_t i = random_.below(3); i > 0; --i)
      generate.stop.sequences.push_back(any_tokens(random_, toy_.vocabulary, random_.between(1, 3)));
    if (random_.one_in(4)) generate.max_draft_length = random_.below(5);
    if (random_.one_in(4)) generate.references = {any_tokens(random_, toy_.vocabulary, 20)};
    SamplingOptions& sampling = turn.sampling;
    sampling.temperature = random_.any_of({0.0F, 0.0F, 0.7F, 1.5F});
    if (random_.one_in(3)) sampling.penalties = {.repetition = 1.4F, .frequency = 0.5F, .window = 30};
    if (random_.one_in(2)) sampling.penalties.scope = copyspec::PenaltyScope::generated;
    if (random_.one_in(2)) sampling.seed = random_.below(1000);
    std::size_t const bomb = failures_.requests && random_.one_in(3) ? answer + random_.below(12) : ~std::size_t{0};
    if (random_.one_in(3) || bomb != ~std::size_t{0}) {
      // An automaton over the answer, as a grammar is: it excludes some tokens by all before them.
      std::size_t const modulus = random_.between(3, 6);
      sampling.hooks = [=](std::size_t begins) {
        RowHooks hooks;
        auto const state = std::make_shared<std::pair<std::size_t, std::size_t>>(begins, 0);
        hooks.edit = [=](std::span<Token const> before, std::span<float> row) {
          if (before.size() == bomb) throw Interrupted{};
          if (before.size() < state->first) *state = {begins, 0};
          for (; state->first < before.size(); ++state->first)
            state->second = (state->second * 5 + static_cast<std::size_t>(before[state->first]) + 1) % modulus;
          for (std::size_t token = state->second; token < row.size(); token += modulus)
            row[token] = -std::numeric_limits<float>::infinity();
        };
        return hooks;
      };
    }
    std::size_t const stop_bomb = failures_.requests && random_.one_in(4) ? random_.between(1, 12) : 0;
    std::size_t const sum = random_.between(5, 60);
    bool const holds = random_.one_in(2);
    if (random_.one_in(2) || stop_bomb > 0)
      turn.stop = [=](std::span<Token const> generated) -> StopDecision {
        if (generated.size() == stop_bomb) throw Interrupted{};
        std::size_t total = 0;
        for (Token const token : generated) total += static_cast<std::size_t>(token);
        return {.stop = total % (sum + 1) == sum, .held = holds ? total % 4 : 0};
      };
    return turn;
  }

  StopDecision stop(SequenceId sequence, std::span<Token const> generated) {
    auto const& rule = talks_.at(sequence).turn->options().stop;
    return rule ? rule(generated) : StopDecision{};
  }

  bool step_composer() {
    callers_.in_pass = true;
    return composer_->step(
        [this](OutputDelta const& delta) {
          callers_.in_pass = false;
          take(delta);
        },
        [this](SequenceId sequence, std::span<Token const> generated) { return stop(sequence, generated); });
  }

  SequenceId any_id() { return id(random_.below(6)); }

  // One call, of any kind that is allowed now. What throws must have changed nothing.
  void act() {
    callers_.in_pass = false;
    SequenceId const sequence = any_id();
    bool const known = talks_.contains(sequence);
    expect(composer_->contains(sequence) == known, "what is there");
    try {
      if (!known) {
        begin(sequence);
        return;
      }
      Talk& talk = talks_.at(sequence);
      Sequence const& state = composer_->sequence(sequence);
      bool const running = state.running();
      switch (random_.below(9)) {
        case 0:
          if (running) composer_->pause(sequence);
          break;
        case 1:
          composer_->resume(sequence);
          break;
        case 2:
          composer_->preempt(sequence);
          break;
        case 3:
          move(sequence);
          break;
        case 4:
          fork(sequence);
          break;
        case 5:
          if (running || state.status() == SequenceStatus::length) extend(sequence, talk);
          break;
        case 6:
          truncate(sequence, talk);
          break;
        case 7:
          if (running) break;
          if (random_.one_in(2)) shift(sequence, talk);
          begin(sequence);
          break;
        default:
          if (random_.one_in(2)) break;
          composer_->remove(sequence);
          talks_.erase(sequence);
      }
    } catch (Interrupted const&) {
      expect(failures_.callers > 0, "a caller's exception from nowhere");
    } catch (Refused const&) {
      expect(failures_.engine > 0, "an engine's exception from nowhere");
    }
    if (talks_.contains(sequence)) check(sequence);
  }

  void begin(SequenceId sequence) {
    Talk before = talks_.contains(sequence) ? talks_.at(sequence) : Talk{};
    Tokens context = before.turn ? before.turn->context() : before.context;
    if (before.turn) context = Tokens(copyspec_test::copy(composer_->sequence(sequence).context()));
    if (context.size() >= toy_.context_limit) return;
    std::size_t const room = toy_.context_limit - 1 - context.size();
    std::size_t const least = context.empty() ? 1 : 0;
    Tokens prompt = any_tokens(random_, toy_.vocabulary, random_.between(least, std::min<std::size_t>(room, 30)));
    if (toy_.placeholders)
      for (Token& token : prompt)
        if (random_.one_in(4)) token = -1 - static_cast<Token>(random_.below(3));
    context.insert(context.end(), prompt.begin(), prompt.end());
    PlainTurnOptions options = any_turn(context.size());
    GenerateOptions generate = options.generate;
    generate.sampling = options.sampling;
    composer_->begin(sequence, prompt, generate);
    // A seed that was not named is reported.
    expect(!options.sampling.seed || options.sampling.seed == composer_->sampling(sequence).seed, "the seed named");
    options.sampling.seed = composer_->sampling(sequence).seed;
    talks_[sequence] = {
        .context = {}, .turn = std::make_shared<PlainTurn>(toy_, context, options), .shown = {}, .ended = false};
    check(sequence);
  }

  void move(SequenceId from) {
    SequenceId const to = any_id();
    if (talks_.contains(to)) return;
    composer_->move(from, to);
    talks_[to] = talks_.at(from);
    talks_.erase(from);
    expect(!composer_->contains(from), "what has moved is gone");
    check(to);
  }

  void fork(SequenceId from) {
    SequenceId const to = any_id();
    if (talks_.contains(to)) return;
    std::optional<std::uint64_t> const seed =
        random_.one_in(2) ? std::optional<std::uint64_t>(random_.below(9)) : std::nullopt;
    composer_->fork(from, to, seed);
    Talk copy = talks_.at(from);
    if (copy.turn) {
      copy.turn = std::make_shared<PlainTurn>(*copy.turn);
      copy.turn->generate(composer_->sequence(to).generated().size());
      copy.turn->reseed(*composer_->sampling(to).seed);
    }
    talks_[to] = copy;
    check(to);
  }

  void extend(SequenceId sequence, Talk& talk) {
    std::size_t const more = random_.any_of<std::size_t>({0, 1, 5, 30});
    std::size_t const size = composer_->sequence(sequence).generated().size();
    composer_->extend(sequence, more);
    if (!talk.turn) return;
    talk.turn->generate(size);
    talk.turn->extend(more);
    if (more > 0) talk.ended = false;
  }

  void truncate(SequenceId sequence, Talk& talk) {
    Tokens const context = copyspec_test::copy(composer_->sequence(sequence).context());
    std::size_t const length = random_.below(context.size() + 1);
    composer_->truncate(sequence, length);
    talk = {.context = Tokens(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(length)),
            .turn = nullptr,
            .shown = {},
            .ended = true};
  }

  void shift(SequenceId sequence, Talk& talk) {
    Tokens context = copyspec_test::copy(composer_->sequence(sequence).context());
    std::size_t const first = random_.below(context.size() + 1);
    std::size_t const count = random_.below(context.size() - first + 1);
    composer_->shift(sequence, first, count);
    context.erase(context.begin() + static_cast<std::ptrdiff_t>(first),
                  context.begin() + static_cast<std::ptrdiff_t>(first + count));
    talk = {.context = context, .turn = nullptr, .shown = {}, .ended = true};
  }

  void pass() {
    try {
      step_composer();
    } catch (Interrupted const&) {
      expect(failures_.callers > 0, "a caller's exception from nowhere");
    } catch (Refused const&) {
      expect(failures_.engine > 0, "an engine's exception from nowhere");
    }
    for (auto const& [sequence, talk] : talks_) check(sequence);
  }

  void take(OutputDelta const& delta) {
    if (callers_.hits()) throw Interrupted{};
    Talk& talk = talks_.at(delta.sequence);
    expect(talk.turn && !talk.ended, "no delta after the last");
    if (!talk.turn) return;
    talk.shown.insert(talk.shown.end(), delta.tokens.begin(), delta.tokens.end());
    expect((delta.error != nullptr) == (delta.status == SequenceStatus::failed), "an exception if it failed");
    if (delta.status != SequenceStatus::running) {
      talk.ended = true;
      finish(delta, talk);
    }
    if (acts_ && random_.one_in(5)) act();
    if (acts_ && random_.one_in(5)) act();
  }

  void finish(OutputDelta const& delta, Talk& talk) {
    talk.turn->finish();
    std::span<Token const> const expected = talk.turn->released();
    expect(delta.status == talk.turn->status(), "the status of plain decoding");
    expect(std::ranges::equal(talk.shown, expected), "the stream of plain decoding");
    tokens_checked += talk.shown.size();
    ++ends[delta.status];
  }

  // What must hold between any two calls.
  void check(SequenceId sequence) {
    Talk const& talk = talks_.at(sequence);
    Sequence const& state = composer_->sequence(sequence);
    if (!talk.turn) {
      expect(std::ranges::equal(state.context(), talk.context), "the context after an edit");
      return;
    }
    std::size_t const size = state.generated().size();
    talk.turn->generate(size);
    Tokens const& expected = talk.turn->context();
    expect(state.length() <= expected.size() &&
               std::equal(state.context().begin(), state.context().end(), expected.begin()),
           "what plain decoding generates, so far");
    std::span<Token const> const held = model_.held(sequence);
    expect(held.size() >= state.cached(), "the engine holds what is counted on");
  }

  Random random_;
  ToyModelOptions toy_;
  Failures failures_;
  Chance engine_;
  Chance callers_;
  FailingModel model_;
  std::optional<Composer<FailingModel, FailingProposer, SamplingVerifier>> composer_;
  std::map<SequenceId, Talk> talks_;
  bool acts_ = true;
  std::string wrong_;
};

void run_scripts(std::uint64_t count, Failures const& failures) {
  std::size_t tokens = 0;
  std::map<SequenceStatus, std::size_t> ends;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    Script script(seed, failures);
    std::string const wrong = script.run();
    CAPTURE(seed);
    REQUIRE(wrong == "");
    tokens += script.tokens_checked;
    for (auto const& [status, ended] : script.ends) ends[status] += ended;
  }
  CHECK(tokens > 40 * count);
  for (SequenceStatus const status : {SequenceStatus::stopped, SequenceStatus::length, SequenceStatus::context_full})
    CHECK(ends[status] > count / 10);
  CHECK((ends[SequenceStatus::failed] > 0) == failures.requests);
}

}  // namespace

TEST_CASE("however sequences pause, lose their cache, move, fork and go on, each streams what it streams alone") {
  run_scripts(300, {});
}

TEST_CASE("a request that throws ends, and no other is harmed") {
  run_scripts(300, {.requests = true});
}

TEST_CASE("whatever fails, each sequence goes on as if nothing had been") {
  run_scripts(300, {.engine = 200, .callers = 200, .requests = true});
}
