// SPDX-License-Identifier: MIT
#include <copyspec/decode/composer.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/cost/pass_report.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/decode/output_delta.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/draft/best_draft.hpp>
#include <copyspec/draft/first_draft.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/logprobs.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <copyspec/verify/verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/copy_settings.hpp"
#include "support/hostile_proposer.hpp"
#include "support/plain_decoder.hpp"
#include "support/random.hpp"
#include "support/sampled_turn.hpp"
#include "support/thrown.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"
#include "support/watched_model.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::LogprobsView;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::PenaltyOptions;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Sequence;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::StopDecision;
using copyspec::StopRules;
using copyspec::Token;
using copyspec::TokenLogprob;
using copyspec::TreeSpace;
using copyspec::Verdict;
using copyspec_test::any_copy_options;
using copyspec_test::any_model;
using copyspec_test::any_tokens;
using copyspec_test::copy;
using copyspec_test::decode_plainly;
using copyspec_test::HostileProposer;
using copyspec_test::id;
using copyspec_test::Interrupted;
using copyspec_test::no_limit;
using copyspec_test::Plain;
using copyspec_test::Random;
using copyspec_test::Refused;
using copyspec_test::Tokens;
using copyspec_test::Toy;
using copyspec_test::ToyLanguage;
using copyspec_test::WatchedModel;

namespace {

using Competing = copyspec::BestDraft<MixingProposer, HostileProposer, CopyProposer>;
using Ordered = copyspec::FirstDraft<HostileProposer, CopyProposer, MixingProposer>;

class AnyProposer {
 public:
  template <class P>
  AnyProposer(P proposer) : proposer_(std::move(proposer)) {}

  // Of a draft, a token says where it is from.
  static Source source_of(Token token) {
    return copyspec::draft_sources[static_cast<std::uint32_t>(token) % copyspec::draft_sources.size()];
  }

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    if (interrupt && interrupt()) throw Interrupted{};
    return with_sources(std::visit([&](auto& proposer) { return proposer.propose(context, space); }, proposer_), space);
  }
  Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    if (interrupt && interrupt()) throw Interrupted{};
    Draft const draft = std::visit(
        [&]<class P>(P& proposer) {
          if constexpr (copyspec::TreeProposer<P>) return proposer.propose_tree(context, space);
          Draft const chain = proposer.propose(context, space.tokens);
          for (std::size_t i = 0; i < chain.length; ++i) space.parents[i] = static_cast<std::int32_t>(i) - 1;
          return chain;
        },
        proposer_);
    return with_sources(draft, space.tokens);
  }
  void truncate(std::size_t length) {
    std::visit([&](auto& proposer) { proposer.truncate(length); }, proposer_);
  }
  void reserve(std::size_t length) {
    if (auto* const proposer = std::get_if<CopyProposer>(&proposer_)) proposer->reserve(length);
    if (auto* const proposer = std::get_if<MixingProposer>(&proposer_)) proposer->reserve(length);
  }
  void on_pass(PassReport report) {
    // Not what the clock says, so that a trial can be run again.
    report.seconds = 1 + 0.05 * static_cast<double>(report.rows);
    std::visit(
        [&](auto& proposer) {
          if constexpr (requires { proposer.on_pass(report); }) proposer.on_pass(report);
        },
        proposer_);
  }

  std::function<bool()> interrupt;

 private:
  Draft with_sources(Draft draft, std::span<Token const> tokens) {
    sources_.clear();
    for (Token const token : tokens.first(draft.length)) sources_.push_back(source_of(token));
    draft.sources = sources_;
    return draft;
  }

  std::vector<Source> sources_;
  std::variant<NoProposer, CopyProposer, MixingProposer, HostileProposer, Competing, Ordered> proposer_;
};

// Whatever can be asked for, with hooks that depend on the tokens before.
SamplingOptions any_sampling(Random& random, std::size_t vocabulary) {
  SamplingOptions options;
  options.temperature = random.any_of({0.0F, 0.5F, 1.0F, 1.0F, 3.0F});
  options.temperature_first = random.one_in(2);
  options.top_k = random.any_of<std::ptrdiff_t>({0, -1, 1, 3, 20});
  options.typical_p = random.any_of({1.0F, 1.0F, 0.7F});
  options.top_p = random.any_of({1.0F, 0.9F, 0.5F});
  options.min_p = random.any_of({0.0F, 0.0F, 0.05F});
  options.seed = random.below(1U << 30);
  if (random.one_in(2)) options.penalties.repetition = 1.5F;
  if (random.one_in(3)) options.penalties.frequency = 0.3F;
  if (random.one_in(3)) options.penalties.presence = -0.4F;
  options.penalties.window = random.any_of<std::size_t>({0, 1, 5, 64, PenaltyOptions::all_tokens});
  if (random.one_in(3)) options.dry = {.multiplier = 0.8F, .window = random.between(0, 40), .breakers = {1}};
  if (random.one_in(3)) options.logit_bias = {{0, -2.5F}, {static_cast<Token>(vocabulary - 1), 3}};
  if (random.one_in(2)) options.logprobs = random.below(vocabulary + 1);
  auto const forbidden = [](std::span<Token const> before, std::size_t token) {
    return (token + before.size() * 7 + static_cast<std::size_t>(before.back())) % 4 == 0;
  };
  auto const mask = [forbidden](std::span<Token const> before, std::span<float> row) {
    for (std::size_t token = 0; token < row.size(); ++token)
      if (forbidden(before, token)) row[token] = -std::numeric_limits<float>::infinity();
  };
  RowHooks hooks;
  if (random.one_in(4)) hooks.edit = mask;
  if (random.one_in(3)) {
    auto const allows = [forbidden](std::span<Token const> before, Token token) {
      return !forbidden(before, static_cast<std::size_t>(token));
    };
    hooks.allows = allows;
    if (random.one_in(2)) hooks.mask = mask;
    if (random.one_in(2))
      hooks.allowed_draft = [allows](std::span<Token const> context, std::span<Token const> draft) {
        std::size_t allowed = 0;
        while (allowed < draft.size() && allows({context.data(), context.size() + allowed}, draft[allowed])) ++allowed;
        return allowed;
      };
  }
  options.hooks = copyspec_test::each_turn(hooks);
  return options;
}

// What is done to a composer, and how often in ten thousand.
struct TrialOptions {
  std::size_t sequences = 1;
  std::size_t turns = 2;
  std::size_t model_fails = 0;      // the model throws, in the middle of a pass
  std::size_t keep_fails = 0;       // the model throws when it is to keep a path
  std::size_t callbacks_throw = 0;  // the proposer, the verifier, the stop predicate or on_tokens throws
  std::size_t edits = 0;            // a sequence is cut back or removed
  bool sampled = false;
};

// One composer, several conversations, random everything; each must say what plain decoding says of it alone.
class Trial {
 public:
  Trial(std::uint64_t seed, TrialOptions const& options, std::function<AnyProposer(Trial&)> const& make_proposer)
      : random(seed), toy(any_model(random)), model(toy), options_(options) {
    if (options_.sampled) toy.sampling = any_sampling(random, toy.vocabulary);
    bool const by_default = toy.sampling && random.one_in(2);
    model.fails = [this](std::size_t) { return random_throw(options_.model_fails); };
    model.keep_fails = [this] { return random_throw(options_.keep_fails); };
    AnyProposer proposer = make_proposer(*this);
    proposer.interrupt = [this] { return random_throw(options_.callbacks_throw); };
    SamplingVerifier sampling(by_default ? *toy.sampling : SamplingOptions{.temperature = 0});
    composer_.emplace(model, std::move(proposer), Verifier{this, std::move(sampling)});
    if (!by_default) turn_sampling_ = toy.sampling;
    for (std::size_t i = 0; i < options_.sequences; ++i) talks_.push_back(Talk(id(i), options_.turns));
  }

  Random random;
  ToyLanguage toy;
  WatchedModel model;
  std::string proposer_wrong;
  std::size_t tokens_checked = 0;
  std::size_t tokens_copied = 0;

  // What went wrong, or nothing.
  [[nodiscard]] std::string run() {
    std::size_t steps = 0;
    for (bool busy = true; busy && wrong_.empty();) {
      busy = false;
      for (Talk& talk : talks_) {
        act(talk);
        busy = busy || talk.turns > 0 || talk.open;
      }
      step();
      if (++steps > 200000) return "it never ends";
    }
    if (wrong_.empty() && !may_throw()) check_totals();
    composer_.reset();
    for (Talk const& talk : talks_) expect(model.held(talk.id).empty(), "what was fed must be released at the end");
    return wrong_;
  }

 private:
  struct Talk {
    Talk(SequenceId talk_id, std::size_t turns_to_come) : id(talk_id), turns(turns_to_come) {}
    SequenceId id;
    std::size_t turns;   // still to come
    bool known = false;  // to the composer
    bool open = false;   // begun, and the last emission has not come
    Tokens context;      // when the turn began
    Plain expected;
    Tokens shown;
    std::vector<Source> shown_sources;
    std::vector<Source> sources;
    std::vector<TokenLogprob> logprobs;
    std::size_t predicate_saw = 0;
    std::size_t generated_before = 0;
    std::size_t budget = 0;
    std::size_t max_draft = 0;
  };

  struct Verifier {
    Trial* trial;
    SamplingVerifier sampling;

    Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) {
      trial->fail_now_and_then();
      Verdict const verdict =
          trial->toy.sampling ? sampling.verify(rows, tokens, length) : GreedyVerifier().verify(rows, tokens, length);
      trial->fail_now_and_then();
      return verdict;
    }
    void begin_turn(copyspec::SamplingTurn const& turn) { sampling.begin_turn(turn); }
    void on_fork(std::optional<std::uint64_t> seed) { sampling.on_fork(seed); }
    [[nodiscard]] LogprobsView logprobs() const { return sampling.logprobs(); }
    [[nodiscard]] SamplingOptions const& options() const { return sampling.options(); }
    [[nodiscard]] std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) const {
      return sampling.allowed_draft(context, draft);
    }
  };

  using TestedComposer = Composer<WatchedModel, AnyProposer, Verifier>;

  bool random_throw(std::size_t chance) { return chance > 0 && random.below(10000) < chance; }
  [[nodiscard]] bool may_throw() const {
    return options_.model_fails + options_.keep_fails + options_.callbacks_throw > 0;
  }

  void expect(bool condition, char const* what) {
    if (!condition && wrong_.empty()) wrong_ = what;
  }

  // Begins, edits or leaves alone.
  void act(Talk& talk) {
    if (talk.known && random_throw(options_.edits)) {
      take_tokens(talk);
      talk.open = false;
      talk.sources.clear();
      if (random.one_in(4)) {
        add_counters(talk);
        composer_->remove(talk.id);
        composer_->remove(talk.id);
        expect(model.held(talk.id).empty(), "what was fed must be released by a removal");
        talk.known = false;
        talk.context.clear();
      } else {
        std::size_t const length = random.below(talk.context.size() + 1);
        composer_->truncate(talk.id, length);
        model.forgive(talk.id, length);
        talk.context.resize(length);
        expect(composer_->sequence(talk.id).status() == SequenceStatus::idle, "a cut ends the turn");
      }
    }
    if (!talk.open && talk.turns > 0 && random.one_in(3)) begin(talk);
  }

  void begin(Talk& talk) {
    if (talk.context.size() + 1 >= toy.context_limit) {
      talk.turns = 0;
      return;
    }
    --talk.turns;
    std::size_t const room = toy.context_limit - 1 - talk.context.size();
    std::size_t const least = talk.context.empty() ? 1 : 0;
    talk.budget = random.any_of<std::size_t>({0, 1, 2, 5, 20, 60, no_limit});
    if (talk.budget == no_limit && toy.context_limit > 200) talk.budget = 100;
    Tokens const prompt = any_tokens(random, toy.vocabulary, random.between(least, std::min<std::size_t>(room, 40)));
    talk.context.insert(talk.context.end(), prompt.begin(), prompt.end());
    GenerateOptions turn{.max_new_tokens = talk.budget, .stop = any_stop(talk), .sampling = turn_sampling_};
    if (random.one_in(4)) turn.max_draft_length = random.below(6);
    talk.max_draft = turn.max_draft_length;
    talk.expected = decode_plainly(toy, talk.context, talk.budget, turn.stop);
    talk.shown.clear();
    talk.shown_sources.clear();
    talk.sources.clear();
    talk.logprobs.clear();
    talk.predicate_saw = 0;
    talk.open = talk.known = true;
    composer_->begin(talk.id, prompt, turn);
    expect(std::ranges::equal(composer_->sequence(talk.id).context(), talk.context), "the context after begin");
    check(talk);
  }

  // Stops that will be met: pieces of what plain decoding would say.
  StopRules any_stop(Talk const& talk) {
    StopRules rules;
    if (random.one_in(2)) return rules;
    Tokens const said = decode_plainly(toy, talk.context, std::min<std::size_t>(talk.budget, 40)).tokens;
    if (said.empty()) return rules;
    for (std::size_t i = random.below(3); i > 0; --i) {
      auto const first = said.begin() + static_cast<std::ptrdiff_t>(random.below(said.size()));
      auto const length = static_cast<std::ptrdiff_t>(random.between(1, 6));
      rules.sequences.emplace_back(first, first + std::min(length, said.end() - first));
      // One that is only nearly met.
      if (random.one_in(3)) rules.sequences.back().push_back(static_cast<Token>(random.below(toy.vocabulary)));
    }
    if (random.one_in(3)) rules.tokens.push_back(said[random.below(said.size())]);
    if (random.one_in(8)) rules.sequences.emplace_back();
    return rules;
  }

  void step() {
    for (Talk& talk : talks_)
      if (talk.known) talk.generated_before = composer_->sequence(talk.id).length();
    std::size_t const passes = model.passes;
    try {
      bool const more = composer_->step(
          [this](OutputDelta const& emission) { take(emission); },
          [this](SequenceId sequence, std::span<Token const> generated) { return see(sequence, generated); });
      bool running = false;
      for (Talk const& talk : talks_) {
        bool const runs = talk.known && composer_->sequence(talk.id).running();
        // What has ended is cut back before it is fed again, if it could not be at its end.
        expect(!talk.known || !composer_->sequence(talk.id).needs_truncate() || (options_.keep_fails > 0 && !runs),
               "after a pass the model is cut back");
        running = running || runs;
        expect(runs == talk.open, "after a pass the last emission has come of what is not running");
      }
      expect(more == running, "a step says whether any is running");
    } catch (Refused const&) {
      expect(options_.model_fails + options_.keep_fails > 0, "an exception from nowhere");
    } catch (Interrupted const&) {
      expect(options_.callbacks_throw > 0, "an exception from nowhere");
    }
    for (Talk& talk : talks_) {
      if (!talk.known) continue;
      if (model.passes > passes) check_sources(talk);
      check(talk);
    }
    expect(model.wrong.empty(), model.wrong.c_str());
    expect(proposer_wrong.empty(), proposer_wrong.c_str());
  }

  void take(OutputDelta const& emission) {
    if (random_throw(options_.callbacks_throw)) throw Interrupted{};
    Talk& talk = talks_[static_cast<std::size_t>(emission.sequence)];
    expect(talk.open, "an emission after the last");
    expect(emission.tokens.size() == emission.sources.size(), "a source for each token");
    expect(!emission.tokens.empty() || emission.status != SequenceStatus::running, "an emission of nothing");
    talk.shown.insert(talk.shown.end(), emission.tokens.begin(), emission.tokens.end());
    talk.shown_sources.insert(talk.shown_sources.end(), emission.sources.begin(), emission.sources.end());
    expect(emission.logprobs.size() == (toy.sampling && toy.sampling->logprobs ? emission.tokens.size() : 0),
           "log-probabilities of each token, if they were asked for");
    for (std::size_t i = 0; i < emission.logprobs.size(); ++i)
      std::ranges::copy(emission.logprobs[i], std::back_inserter(talk.logprobs));
    if (emission.status == SequenceStatus::running) return;
    talk.open = false;
    Sequence const& sequence = composer_->sequence(talk.id);
    expect((emission.error != nullptr) == (emission.status == SequenceStatus::failed), "an exception if it failed");
    if (emission.status == SequenceStatus::failed) {
      expect(failures_ > 0, "a failure from nowhere");
      expect(std::ranges::equal(talk.shown, sequence.released()), "all emissions together are what was released");
      take_tokens(talk);
      return;
    }
    expect(emission.status == talk.expected.status, "the status at the end");
    expect(std::ranges::equal(sequence.generated(), talk.expected.tokens), "what was generated");
    expect(sequence.released().size() == talk.expected.shown, "what was released at the end");
    expect(std::ranges::equal(talk.shown, sequence.released()), "all emissions together are what was released");
    std::span<Source const> const sources = sequence.sources();
    expect(std::ranges::equal(talk.shown_sources, sources.first(talk.shown.size())), "the sources that were emitted");
    expect(talk.logprobs.size() <= talk.expected.logprobs.size() &&
               std::equal(talk.logprobs.begin(), talk.logprobs.end(), talk.expected.logprobs.begin(),
                          [](TokenLogprob const& a, TokenLogprob const& b) {
                            return a.token == b.token && a.logprob == b.logprob;
                          }),
           "the log-probabilities of plain decoding");
    expect(talk.predicate_saw == talk.expected.tokens.size(), "the predicate sees every token");
    tokens_checked += talk.expected.tokens.size();
    tokens_copied += sources.size() - static_cast<std::size_t>(std::ranges::count(sources, Source::model));
    take_tokens(talk);
  }

  StopDecision see(SequenceId sequence, std::span<Token const> generated) {
    Talk& talk = talks_[static_cast<std::size_t>(sequence)];
    if (may_throw())
      expect(generated.size() <= talk.predicate_saw + 1, "the predicate misses no token");
    else
      expect(generated.size() == talk.predicate_saw + 1, "the predicate sees each token once");
    expect(generated.size() <= talk.expected.tokens.size() &&
               std::equal(generated.begin(), generated.end(), talk.expected.tokens.begin()),
           "the predicate sees what plain decoding says");
    talk.predicate_saw = generated.size();
    fail_now_and_then();
    return {};
  }

  // Of one sequence, in its verifier or stop rule.
  void fail_now_and_then() {
    if (!random_throw(options_.callbacks_throw)) return;
    ++failures_;
    throw Interrupted{};
  }

  // What must hold between any two calls.
  void check(Talk const& talk) {
    Sequence const& sequence = composer_->sequence(talk.id);
    expect(sequence.cached() <= sequence.length() && sequence.length() <= toy.context_limit, "lengths within limits");
    std::span<Token const> const held = model.held(talk.id);
    if (!sequence.needs_truncate()) expect(held.size() == sequence.cached(), "the model holds as much as is said");
    expect(held.size() >= sequence.cached(), "the model holds what is said");
    std::span<Token const> const settled = model.settled(talk.id);
    auto const same = static_cast<std::ptrdiff_t>(std::min(settled.size(), sequence.cached()));
    expect(std::equal(settled.begin(), settled.begin() + same, sequence.context().begin()),
           "the model holds the context");
    if (!talk.open && !sequence.running()) return;
    std::span<Token const> const generated = sequence.generated();
    Tokens const& expected = talk.expected.tokens;
    expect(generated.size() <= expected.size() && std::equal(generated.begin(), generated.end(), expected.begin()),
           "what plain decoding says, so far");
    expect(sequence.status() == SequenceStatus::failed || sequence.released().size() <= talk.expected.shown,
           "no part of a stop is released");
    expect(sequence.released().size() >= talk.shown.size(), "what was shown is not taken back");
  }

  // Only the accepted part of a draft was copied.
  void check_sources(Talk& talk) {
    Sequence const& sequence = composer_->sequence(talk.id);
    if (sequence.length() > talk.generated_before) {
      auto const share = std::ranges::find(model.newest, talk.id, &WatchedModel::Share::sequence);
      expect(share != model.newest.end() && share->rows > 0, "a token without a row");
      if (share == model.newest.end() || share->rows == 0) return;
      std::span<Token const> const draft = std::span<Token const>(share->tokens).last(share->rows - 1);
      expect(draft.size() <= talk.max_draft, "no longer a draft than allowed");
      std::span<Token const> const said = sequence.context().subspan(talk.generated_before);
      std::size_t at = 0;  // how many nodes to leave behind: up to the newest of the path
      for (Token const token : said) {
        std::size_t node = at;
        auto const follows = [&] {
          return share->parents.empty() ? node == at : share->parents[node] == static_cast<std::int32_t>(at) - 1;
        };
        while (node < draft.size() && !(follows() && draft[node] == token)) ++node;
        talk.sources.push_back(node < draft.size() ? AnyProposer::source_of(token) : Source::model);
        at = node + 1;
      }
    }
    expect(std::ranges::equal(sequence.sources(), talk.sources), "where each token came from");
  }

  // What was said so far becomes context.
  void take_tokens(Talk& talk) { talk.context = copy(composer_->sequence(talk.id).context()); }

  void add_counters(Talk const& talk) {
    SequenceCounters const& counters = composer_->sequence(talk.id).counters();
    removed_.tokens_fed += counters.tokens_fed;
    removed_.drafted += counters.drafted;
  }

  void check_totals() {
    for (Talk const& talk : talks_)
      if (talk.known) add_counters(talk);
    expect(removed_.tokens_fed == model.fed, "the tokens fed are counted");
    expect(removed_.drafted == model.drafted, "the tokens drafted are counted");
  }

  TrialOptions options_;
  std::optional<SamplingOptions> turn_sampling_;
  std::optional<TestedComposer> composer_;
  std::vector<Talk> talks_;
  SequenceCounters removed_;
  std::size_t failures_ = 0;  // thrown, and not yet met at the end of a turn
  std::string wrong_;
};

using Kind = HostileProposer::Kind;

AnyProposer make_copying(Trial& trial) {
  return CopyProposer(any_copy_options(trial.random));
}

// Copies of it, one a sequence, learn together.
AnyProposer make_mixing(Trial& trial) {
  PassCost const cost = trial.random.one_in(2) ? PassCost() : PassCost::marginal(trial.random.any_of({0.0, 0.02, 0.2}));
  return MixingProposer({.pass_cost = cost, .draft_length = trial.random.between(1, 64)});
}

AnyProposer make_any(Trial& trial) {
  if (trial.random.one_in(2)) return make_copying(trial);
  return HostileProposer(static_cast<Kind>(trial.random.below(Kind::mixed + 1)), trial.toy, trial.proposer_wrong);
}

AnyProposer make_competing(Trial& trial) {
  return Competing(
      PassCost::marginal(trial.random.any_of({0.0, 0.02, 0.2})), MixingProposer(),
      HostileProposer(static_cast<Kind>(trial.random.below(Kind::mixed + 1)), trial.toy, trial.proposer_wrong),
      CopyProposer(any_copy_options(trial.random)));
}

AnyProposer make_ordered(Trial& trial) {
  return Ordered(
      HostileProposer(static_cast<Kind>(trial.random.below(Kind::mixed + 1)), trial.toy, trial.proposer_wrong),
      CopyProposer(any_copy_options(trial.random)), MixingProposer());
}

// Runs trials and returns how many tokens were copied in all.
std::size_t run_trials(std::uint64_t count, TrialOptions const& options,
                       std::function<AnyProposer(Trial&)> const& make_proposer, std::size_t* nodes_kept = nullptr) {
  std::size_t copied = 0;
  std::size_t nodes = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    TrialOptions some = options;
    some.sequences = 1 + seed % options.sequences;
    Trial trial(seed, some, make_proposer);
    std::string const wrong = trial.run();
    CAPTURE(seed);
    REQUIRE(wrong == "");
    copied += trial.tokens_copied;
    nodes += trial.model.nodes;
  }
  if (nodes_kept != nullptr) *nodes_kept = nodes;
  return copied;
}

}  // namespace

TEST_CASE("copying says what plain decoding says, whatever its settings") {
  CHECK(run_trials(6000, {.turns = 3}, make_copying) > 5000);
}

TEST_CASE("mixing says what plain decoding says, of sequences that learn together") {
  CHECK(run_trials(2000, {.sequences = 4, .turns = 3}, make_mixing) > 2000);
}

TEST_CASE("mixing says what plain decoding says, whatever is cut back, refused or thrown") {
  run_trials(2000, {.sequences = 5, .turns = 4, .model_fails = 500, .callbacks_throw = 100, .edits = 500}, make_mixing);
}

TEST_CASE("drafts that compete change nothing of what is said, whatever is cut back, refused or thrown") {
  TrialOptions const troubled{.sequences = 5, .turns = 4, .model_fails = 500, .callbacks_throw = 100, .edits = 500};
  CHECK(run_trials(1000, {.sequences = 4, .turns = 3}, make_competing) > 1000);
  run_trials(1000, troubled, make_competing);
  CHECK(run_trials(1000, {.sequences = 4, .turns = 3}, make_ordered) > 1000);
  run_trials(1000, troubled, make_ordered);
}

TEST_CASE("no draft changes what is said, however wrong") {
  for (std::size_t kind = 0; kind <= Kind::mixed; ++kind) {
    CAPTURE(kind);
    auto const make = [kind](Trial& trial) {
      return AnyProposer(HostileProposer(static_cast<Kind>(kind), trial.toy, trial.proposer_wrong));
    };
    std::size_t const copied = run_trials(800, {}, make);
    if (kind == Kind::right) CHECK(copied > 1000);
  }
}

TEST_CASE("however tokens are drawn, drafts change nothing of what is said") {
  CHECK(run_trials(3000, {.sequences = 3, .turns = 3, .sampled = true}, make_any) > 3000);
  CHECK(run_trials(1000, {.sequences = 4, .turns = 3, .sampled = true}, make_mixing) > 300);
  run_trials(2000,
             {.sequences = 4, .turns = 4, .model_fails = 500, .callbacks_throw = 100, .edits = 500, .sampled = true},
             make_any);
}

namespace {

AnyProposer make_trees(Trial& trial) {
  return HostileProposer(Kind::tree, trial.toy, trial.proposer_wrong);
}

}  // namespace

TEST_CASE("trees change nothing of what is said, of sequences that share the branches") {
  std::size_t nodes = 0;
  CHECK(run_trials(6000, {.sequences = 5, .turns = 3}, make_trees, &nodes) > 20000);
  CHECK(nodes > 10000);
}

TEST_CASE("trees change nothing of what is said, whatever is cut back, refused, thrown or not kept") {
  std::size_t nodes = 0;
  run_trials(6000, {.sequences = 4, .turns = 3, .model_fails = 700, .callbacks_throw = 150, .edits = 400}, make_trees,
             &nodes);
  CHECK(nodes > 3000);
  run_trials(3000, {.sequences = 4, .turns = 3, .keep_fails = 2000, .edits = 400}, make_trees);
  run_trials(3000,
             {.sequences = 4, .turns = 3, .model_fails = 500, .keep_fails = 1000, .callbacks_throw = 100, .edits = 300},
             make_trees);
}

TEST_CASE("however tokens are drawn, trees change nothing of what is said") {
  std::size_t nodes = 0;
  run_trials(2000,
             {.sequences = 4,
              .turns = 3,
              .model_fails = 300,
              .keep_fails = 300,
              .callbacks_throw = 100,
              .edits = 300,
              .sampled = true},
             make_trees, &nodes);
  CHECK(nodes > 500);
}

TEST_CASE("without drafts nothing is copied") {
  CHECK(run_trials(300, {.sequences = 3}, [](Trial&) { return AnyProposer(NoProposer()); }) == 0);
}

TEST_CASE("several sequences in one composer each say what they say alone") {
  run_trials(3000, {.sequences = 6, .turns = 3}, make_any);
}

TEST_CASE("a sequence can be cut back, removed and begun again while others run") {
  run_trials(3000, {.sequences = 4, .turns = 4, .edits = 600}, make_any);
}

TEST_CASE("a model that fails now and then changes nothing of what is said") {
  run_trials(3000, {.sequences = 4, .turns = 2, .model_fails = 1500}, make_any);
}

TEST_CASE("a proposer, verifier or callback that throws now and then changes nothing of what is said") {
  run_trials(3000, {.sequences = 4, .turns = 2, .callbacks_throw = 300}, make_any);
}

TEST_CASE("everything at once changes nothing of what is said") {
  run_trials(5000, {.sequences = 6, .turns = 4, .model_fails = 500, .callbacks_throw = 100, .edits = 300}, make_any);
}

TEST_CASE("references are for the turn that they are given with, and change nothing but the passes") {
  Toy model({.vocabulary = 300, .order = 3});
  Tokens const prompt = {7, 1, 8};
  Composer plain(model, NoProposer(), GreedyVerifier());
  Tokens const expected = [&] {
    auto const answer = plain.generate(prompt, {.max_new_tokens = 100});
    return Tokens(answer.begin(), answer.end());
  }();
  MixingProposer const proposer({.pass_cost = PassCost::marginal(0.01)});
  Composer composer(model, proposer, GreedyVerifier());
  SequenceId const id{1};
  auto const passes = [&](std::vector<Tokens> references) {
    std::size_t const before = composer.sequence(id).counters().decode_passes;
    composer.truncate(id, 0);
    composer.begin(id, prompt, {.max_new_tokens = 100, .references = std::move(references)});
    composer.run();
    CHECK(std::ranges::equal(composer.sequence(id).generated(), expected));
    return composer.sequence(id).counters().decode_passes - before;
  };
  composer.begin(id, prompt, {.max_new_tokens = 1});
  composer.run();
  CHECK(passes({}) == 100);
  CHECK(passes({expected}) < 20);
  CHECK(passes({}) == 100);
  CHECK(passes({Tokens{1, 2, 3}, expected}) < 20);
  // A token that the model does not know is no harm.
  CHECK(passes({Tokens(50, 5000), {}}) == 100);
}
