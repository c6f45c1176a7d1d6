// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/draft/best_draft.hpp>
#include <copyspec/draft/first_draft.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/sampling_verifier.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/allocation_counter.hpp"

namespace {

using copyspec::Composer;
using copyspec::CopyOptions;
using copyspec::CopyProposer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::LogprobsView;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::Occurrence;
using copyspec::OutputDelta;
using copyspec::PassCost;
using copyspec::PassReport;
using copyspec::PenaltyOptions;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::Sequence;
using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::StopDecision;
using copyspec::StopRules;
using copyspec::Token;
using copyspec::TokenLogprob;
using copyspec::TreeSegment;
using copyspec::TreeSpace;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::testing::ToyModelOptions;

using Toy = copyspec::testing::ToyModel<float>;
using Tokens = std::vector<Token>;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

SequenceId id(std::size_t number) {
  return SequenceId{static_cast<std::int32_t>(number)};
}

Tokens copy(std::span<Token const> tokens) {
  return {tokens.begin(), tokens.end()};
}

std::string text(std::span<Token const> tokens) {
  std::string text;
  for (Token const token : tokens) text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
  std::size_t between(std::size_t first, std::size_t last) { return first + below(last - first + 1); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class T>
  T any_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// A toy model, and how it is decoded.
struct Language : ToyModelOptions {
  Language(ToyModelOptions const& options) : ToyModelOptions(options) {}

  std::optional<SamplingOptions> sampling;  // greedily without
};

// What a turn must say.
struct Plain {
  Tokens tokens;
  std::vector<TokenLogprob> logprobs;
  SequenceStatus status = SequenceStatus::length;
  std::size_t shown = 0;  // tokens before the stop
};

// How many tokens at the end of `said` are a stop.
std::size_t stop_length(StopRules const& rules, Tokens const& said) {
  std::size_t length = 0;
  for (Token const token : rules.tokens) length = std::max<std::size_t>(length, said.back() == token ? 1 : 0);
  for (Tokens const& stop : rules.sequences)
    if (!stop.empty() && stop.size() <= said.size() && std::equal(stop.rbegin(), stop.rend(), said.rbegin()))
      length = std::max(length, stop.size());
  return length;
}

// One token a pass: what everything is held against.
Plain decode_plainly(Language options, Tokens const& context, std::size_t budget, StopRules const& rules = {}) {
  Plain plain;
  options.max_tokens = options.context_limit;
  Toy model(options);
  SamplingVerifier sampler;
  sampler.begin_turn(options.sampling, options.vocabulary, budget == no_limit ? 0 : budget);
  Tokens said = context;
  for (Tokens pending = context; plain.tokens.size() < budget;) {
    Segment const segment{.tokens = pending, .rows = 1};
    auto const rows = model.forward({&segment, 1});
    auto const row = rows.row(0);
    if (options.sampling) {
      Verdict const verdict = sampler.verify(rows, said, said.size());
      if (verdict.status == VerdictStatus::invalid_row) {
        plain.status = SequenceStatus::invalid_row;
        plain.shown = plain.tokens.size();
        break;
      }
      pending = {verdict.next};
    } else {
      pending = {static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin())};
    }
    said.push_back(pending.back());
    plain.tokens.push_back(pending.back());
    plain.shown = plain.tokens.size() - stop_length(rules, plain.tokens);
    if (plain.shown < plain.tokens.size())
      plain.status = SequenceStatus::stopped;
    else if (context.size() + plain.tokens.size() == options.context_limit)
      plain.status = SequenceStatus::context_full;
    else
      continue;
    break;
  }
  for (std::size_t i = 0; i < sampler.logprobs().size(); ++i)
    std::ranges::copy(sampler.logprobs()[i], std::back_inserter(plain.logprobs));
  return plain;
}

// What only the tests throw.
struct Refused {
  std::size_t call = 0;
};
struct Interrupted {};

// A toy model that is watched: it knows what it was fed, complains about calls that no caller may make, and throws
// where it is told to. Its rows lie apart, with NaN between them, and a pass without rows returns an empty view.
class WatchedModel {
 public:
  explicit WatchedModel(ToyModelOptions const& options) : toy_(options) {}

  std::function<bool(std::size_t call)> fails = [](std::size_t) { return false; };
  std::function<bool()> keep_fails = [] { return false; };
  std::size_t fed = 0;      // tokens, in passes that did not fail
  std::size_t passes = 0;   // that did not fail
  std::size_t drafted = 0;  // rows beyond one a segment, in passes that did not fail
  std::size_t trees = 0;    // in passes that did not fail
  std::size_t nodes = 0;    // that were kept
  std::string wrong;        // a precondition that a caller broke
  struct Share {
    SequenceId sequence;
    Tokens tokens;
    std::size_t rows;
    std::vector<std::int32_t> parents;  // as they were fed
  };
  std::vector<Share> newest;  // the newest pass that did not fail

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const { return toy_.max_branches(); }
  [[nodiscard]] std::span<Token const> held(SequenceId sequence) const { return toy_.held(sequence); }
  // What is held for certain, before the nodes of a tree of which no path was kept.
  [[nodiscard]] std::span<Token const> settled(SequenceId sequence) const {
    auto const tree = before_tree_.find(sequence);
    return tree == before_tree_.end() ? held(sequence) : held(sequence).first(tree->second);
  }

  LogitsView<float> forward(std::span<Segment const> batch) { return run(batch); }
  LogitsView<float> forward(std::span<TreeSegment const> batch) { return run(batch); }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    return cut(sequence, length, [&] { return toy_.truncate(sequence, length); });
  }

  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    if (!before_tree_.contains(sequence)) wrong = "a path kept of no tree";
    if (std::ranges::find(newest, sequence, &Share::sequence) == newest.end()) wrong = "a path kept too late";
    if (keep_fails()) throw Refused{calls_};
    nodes += path.size();
    return cut(sequence, length + path.size(), [&] { return toy_.keep(sequence, length, path); });
  }

  // What was lost behind `length` is not missed any more.
  void forgive(SequenceId sequence, std::size_t length) { lost_[sequence] = std::min(lost_[sequence], length); }

 private:
  static std::span<std::int32_t const> parents_of(Segment const&) { return {}; }
  static std::span<std::int32_t const> parents_of(TreeSegment const& segment) { return segment.parents; }

  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> batch) {
    check(batch);
    if (fails(++calls_)) {
      feed_part(batch);
      throw Refused{calls_};
    }
    newest.clear();
    ++passes;
    for (AnySegment const& segment : batch) {
      std::span<std::int32_t const> const parents = parents_of(segment);
      newest.push_back({segment.sequence, copy(segment.tokens), segment.rows, {parents.begin(), parents.end()}});
      fed += segment.tokens.size();
      drafted += segment.rows > 1 ? segment.rows - 1 : 0;
      note_tree(segment.sequence, segment.tokens.size(), parents.size());
      if (!parents.empty()) ++trees;
    }
    auto const rows = toy_.forward(batch);
    if (rows.rows() == 0) return {};
    std::size_t const stride = vocabulary_size() + 3;
    rows_.assign(rows.rows() * stride, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t row = 0; row < rows.rows(); ++row)
      std::ranges::copy(rows.row(row), rows_.begin() + static_cast<std::ptrdiff_t>(row * stride));
    return {rows_.data(), rows.rows(), vocabulary_size(), stride};
  }

  void note_tree(SequenceId sequence, std::size_t tokens, std::size_t nodes_fed) {
    if (nodes_fed > 0) before_tree_[sequence] = held(sequence).size() + tokens - nodes_fed;
  }

  template <class Cut>
  std::size_t cut(SequenceId sequence, std::size_t length, Cut&& cut) {
    std::ranges::fill(rows_, std::numeric_limits<float>::quiet_NaN());
    std::size_t const before = toy_.held(sequence).size();
    std::size_t const after = cut();
    before_tree_.erase(sequence);
    std::size_t& lost = lost_[sequence];
    lost = std::min(lost, length);
    if (after < std::min(length, before)) lost = std::max(lost, std::min(length, before));
    return after;
  }

  template <class AnySegment>
  void check(std::span<AnySegment const> batch) {
    std::size_t total = 0;
    std::set<SequenceId> sequences;
    if (batch.empty()) wrong = "a pass with nothing in it";
    for (AnySegment const& segment : batch) {
      if (before_tree_.contains(segment.sequence)) wrong = "a sequence fed behind a tree";
      std::size_t const before = held(segment.sequence).size();
      total += segment.tokens.size();
      if (!sequences.insert(segment.sequence).second) wrong = "two segments of one sequence";
      if (segment.tokens.empty()) wrong = "an empty segment";
      if (segment.rows > segment.tokens.size()) wrong = "more rows than tokens";
      if (before + segment.tokens.size() > context_limit()) wrong = "more than the context holds";
      if (before < lost_[segment.sequence] && segment.rows > 1) wrong = "a draft behind tokens that are fed again";
      for (Token const token : segment.tokens)
        if (token < 0 || static_cast<std::size_t>(token) >= vocabulary_size()) wrong = "a token not in the vocabulary";
    }
    if (total > max_tokens()) wrong = "more tokens than a pass takes";
  }

  // Leaves behind what an engine may that failed in the middle of a pass.
  template <class AnySegment>
  void feed_part(std::span<AnySegment const> batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::span<Token const> const tokens = batch[i].tokens;
      std::size_t const count = std::min(tokens.size(), (calls_ * 7 + i * 3) % (tokens.size() + 2));
      std::size_t const nodes_whole = parents_of(batch[i]).size();
      std::size_t const nodes_part = count - std::min(count, tokens.size() - nodes_whole);
      TreeSegment const part{.sequence = batch[i].sequence,
                             .tokens = tokens.first(count),
                             .rows = nodes_part > 0 ? nodes_part + 1 : 0,
                             .parents = parents_of(batch[i]).first(nodes_part)};
      if (count == 0) continue;
      note_tree(part.sequence, count, nodes_part);
      toy_.forward({&part, 1});
    }
  }

  Toy toy_;
  std::vector<float> rows_;
  std::map<SequenceId, std::size_t> lost_;
  std::map<SequenceId, std::size_t> before_tree_;
  std::size_t calls_ = 0;
};

// Drafts that no sane proposer makes, each kind at random or one of them always, and knows the law of its calls.
class HostileProposer {
 public:
  // Where there are branches to be had, `tree` is a tree with something right in it, and the others are chains.
  enum Kind : std::size_t {
    random_tokens,
    unknown_tokens,
    negative_tokens,
    constant,
    right,
    right_then_wrong,
    tree,
    mixed
  };

  HostileProposer(Kind kind, Language const& options, std::string& wrong)
      : kind_(kind), options_(options), random_(options.seed), wrong_(&wrong) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    see(context, space);
    return chain(any_kind(), space);
  }

  Draft propose_tree(std::span<Token const> context, TreeSpace space) {
    if (space.tokens.size() != space.parents.size() || space.max_branches == 0) *wrong_ = "no room for a tree";
    see(context, space.tokens);
    std::ranges::fill(space.parents, -9);
    Kind const kind = any_kind();
    if (kind == tree) return any_tree(space);
    Draft const draft = chain(kind, space.tokens);
    for (std::size_t i = 0; i < draft.length; ++i) space.parents[i] = static_cast<std::int32_t>(i) - 1;
    return draft;
  }

  void truncate(std::size_t length) { seen_.resize(std::min(seen_.size(), length)); }

 private:
  void see(std::span<Token const> context, std::span<Token> space) {
    if (context.size() < seen_.size() || !std::equal(seen_.begin(), seen_.end(), context.begin()))
      *wrong_ = "a proposer's context changed without a word";
    seen_ = copy(context);
    std::ranges::fill(space, -7);
  }

  Kind any_kind() { return kind_ == mixed ? static_cast<Kind>(random_.below(mixed)) : kind_; }

  // In any order that parents before children allow, with any number of the branches and now and then a token that
  // there is not. What is right may be anywhere in it.
  Draft any_tree(TreeSpace space) {
    std::size_t const wanted = random_.below(std::min<std::size_t>(space.tokens.size(), 24) + 1);
    Tokens const plain = decode_plainly(options_, seen_, wanted).tokens;
    std::vector<std::size_t> agreeing(wanted, 0);  // nodes up to this one, if all are right
    std::size_t branches = 0;
    std::size_t length = 0;
    for (; length < wanted; ++length) {
      auto const node = static_cast<std::int32_t>(length);
      std::int32_t& parent = space.parents[length];
      parent = random_.one_in(2) ? node - 1 : static_cast<std::int32_t>(random_.below(length + 1)) - 1;
      if (copyspec::begins_branch(space.parents, length)) {
        if (branches == space.max_branches) break;
        ++branches;
      }
      bool const follows = parent < 0 || agreeing[static_cast<std::size_t>(parent)] > 0;
      std::size_t const depth = parent < 0 ? 0 : agreeing[static_cast<std::size_t>(parent)];
      auto token = static_cast<Token>(random_.below(options_.vocabulary));
      if (random_.one_in(40)) token = random_.any_of({-1, static_cast<Token>(options_.vocabulary)});
      if (follows && depth < plain.size() && !random_.one_in(3)) token = plain[depth];
      space.tokens[length] = token;
      if (follows && depth < plain.size() && token == plain[depth]) agreeing[length] = depth + 1;
    }
    return {length};
  }

  Draft chain(Kind kind, std::span<Token> space) {
    auto const vocabulary = static_cast<Token>(options_.vocabulary);
    switch (kind) {
      case random_tokens:
        for (Token& token : space) token = static_cast<Token>(random_.below(options_.vocabulary));
        return {random_.below(space.size() + 1)};
      case unknown_tokens:
        for (Token& token : space)
          token = random_.any_of({0, vocabulary - 1, vocabulary, std::numeric_limits<Token>::max()});
        break;
      case negative_tokens:
        for (Token& token : space) token = random_.any_of({0, 0, 0, -1, std::numeric_limits<Token>::min()});
        break;
      case constant:
        for (Token& token : space) token = 0;
        break;
      default: {
        Tokens const tokens = decode_plainly(options_, seen_, space.size()).tokens;
        std::size_t const length = std::min(tokens.size(), space.size());
        std::copy_n(tokens.begin(), length, space.begin());
        if (kind == right || length == 0) return {length};
        Token& wrong = space[random_.below(length)];
        wrong = (wrong + 1) % vocabulary;
        return {length};
      }
    }
    return {space.size()};
  }

  Kind kind_;
  Language options_;
  Random random_;
  std::string* wrong_;
  Tokens seen_;
};

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

CopyOptions any_copy_options(Random& random) {
  return {.match_length = random.between(1, 8),
          .draft_length = random.between(1, 20),
          .occurrence = random.any_of({Occurrence::oldest, Occurrence::newest}),
          .extend_loops = random.one_in(2)};
}

ToyModelOptions any_model(Random& random) {
  ToyModelOptions options;
  options.vocabulary = random.between(2, random.any_of<std::size_t>({3, 8, 64}));
  options.order = random.between(1, 5);
  options.seed = random.below(1U << 30);
  options.max_tokens = random.any_of<std::size_t>({1, 2, 3, 7, 16, 512});
  options.context_limit = random.any_of<std::size_t>({2, 3, 10, 40, 150, 4096});
  options.checkpoint_interval = random.any_of<std::size_t>({1, 1, 1, 2, 4, 16});
  options.max_branches = random.any_of<std::size_t>({0, 0, 1, 2, 5, 30});
  return options;
}

// Whatever can be asked for, with hooks that depend on the tokens before.
SamplingOptions any_sampling(Random& random, std::size_t vocabulary) {
  SamplingOptions options;
  options.temperature = random.any_of({0.0F, 0.5F, 1.0F, 1.0F, 3.0F});
  options.temperature_first = random.one_in(2);
  options.top_k = random.any_of<std::size_t>({0, 0, 1, 3, 20});
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
  if (random.one_in(4)) options.hooks.edit = mask;
  if (random.one_in(3)) {
    auto const allows = [forbidden](std::span<Token const> before, Token token) {
      return !forbidden(before, static_cast<std::size_t>(token));
    };
    options.hooks.allows = allows;
    if (random.one_in(2)) options.hooks.mask = mask;
    if (random.one_in(2))
      options.hooks.allowed_draft = [allows](std::span<Token const> context, std::span<Token const> draft) {
        std::size_t allowed = 0;
        while (allowed < draft.size() && allows({context.data(), context.size() + allowed}, draft[allowed])) ++allowed;
        return allowed;
      };
  }
  return options;
}

Tokens any_tokens(Random& random, std::size_t vocabulary, std::size_t length) {
  Tokens tokens(length);
  for (Token& token : tokens) token = static_cast<Token>(random.below(vocabulary));
  return tokens;
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
  Language toy;
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
      if (trial->random_throw(trial->options_.callbacks_throw)) throw Interrupted{};
      Verdict const verdict =
          trial->toy.sampling ? sampling.verify(rows, tokens, length) : GreedyVerifier().verify(rows, tokens, length);
      if (trial->random_throw(trial->options_.callbacks_throw)) throw Interrupted{};
      return verdict;
    }
    void begin_turn(std::optional<SamplingOptions> const& options, std::size_t vocabulary, std::size_t budget) {
      sampling.begin_turn(options, vocabulary, budget);
    }
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
    if (random_throw(options_.callbacks_throw)) throw Interrupted{};
    return {};
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
    expect(sequence.released().size() <= talk.expected.shown, "no part of a stop is released");
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

namespace {

constexpr auto show_nothing = [](OutputDelta const&) {};

HostileProposer always_right(ToyModelOptions const& options) {
  static std::string unheeded;
  return {HostileProposer::right, options, unheeded};
}

Composer<WatchedModel, HostileProposer, GreedyVerifier> drafting_right(WatchedModel& model,
                                                                       ToyModelOptions const& options) {
  return Composer<WatchedModel, HostileProposer, GreedyVerifier>(model, always_right(options));
}

Tokens const some_prompt{3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

}  // namespace

TEST_CASE("a second turn goes on from prompt, answer and prompt of the first") {
  ToyModelOptions const options;
  Toy model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  Tokens context;
  for (int turn = 0; turn < 5; ++turn) {
    context.insert(context.end(), some_prompt.begin(), some_prompt.end());
    Tokens const expected = decode_plainly(options, context, 30).tokens;
    CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 30})) == text(expected));
    context.insert(context.end(), expected.begin(), expected.end());
    CHECK(text(composer.sequence(id(0)).context()) == text(context));
  }
}

TEST_CASE("an empty prompt goes on where the last turn ended") {
  ToyModelOptions const options;
  Toy model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  composer.generate(some_prompt, {.max_new_tokens = 20});
  composer.generate({}, {.max_new_tokens = 20});
  Tokens context = some_prompt;
  Tokens const expected = decode_plainly(options, context, 40).tokens;
  CHECK(text(composer.sequence(id(0)).context().subspan(some_prompt.size())) == text(expected));
}

TEST_CASE("a composer with nothing to do does nothing") {
  WatchedModel model({});
  Composer composer(model, NoProposer(), GreedyVerifier());
  int emissions = 0;
  auto const count = [&](OutputDelta const&) { ++emissions; };
  CHECK_FALSE(composer.step(count));
  composer.run(count);
  composer.remove(id(3));
  composer.begin(id(3), some_prompt, {.max_new_tokens = 4});
  composer.run(count);
  int const before = emissions;
  std::size_t const passes = model.passes;
  CHECK_FALSE(composer.step(count));
  CHECK(emissions == before);
  CHECK(model.passes == passes);
}

TEST_CASE("an id that was removed begins afresh") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(1), Tokens{7, 7, 7, 7, 7, 7}, {.max_new_tokens = 9});
  composer.step(show_nothing);
  composer.remove(id(1));
  CHECK(model.held(id(1)).empty());
  composer.begin(id(1), some_prompt, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, some_prompt, 9).tokens));
  CHECK(composer.sequence(id(1)).counters().generated == 9);
}

TEST_CASE("a prompt can be edited by cutting it back") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(1), some_prompt, {.max_new_tokens = 9});
  composer.step(show_nothing);
  composer.truncate(id(1), 4);
  CHECK(text(model.held(id(1))) == "3 1 4 1");
  CHECK_FALSE(composer.step(show_nothing));
  composer.begin(id(1), Tokens{8, 8}, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, {3, 1, 4, 1, 8, 8}, 9).tokens));
}

TEST_CASE("a composer releases in the model what it fed, and nothing else") {
  WatchedModel model({});
  Segment const foreign{.sequence = id(5), .tokens = some_prompt, .rows = 0};
  model.forward({&foreign, 1});
  {
    Composer composer(model, NoProposer(), GreedyVerifier());
    for (std::size_t i = 0; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = i});
    composer.step(show_nothing);
    CHECK(model.held(id(1)).size() == some_prompt.size());
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(model.held(id(i)).empty());
  CHECK(model.held(id(5)).size() == some_prompt.size());
}

TEST_CASE("what a model holds under an id that is new to the composer is forgotten") {
  ToyModelOptions const options{.order = 5};
  WatchedModel model(options);
  Tokens const foreign{7, 7, 7};
  Segment const segment{.sequence = id(1), .tokens = foreign, .rows = 0};
  model.forward({&segment, 1});
  auto composer = drafting_right(model, options);
  composer.begin(id(1), Tokens{3, 1}, {.max_new_tokens = 9});
  composer.run();
  CHECK(text(composer.sequence(id(1)).generated()) == text(decode_plainly(options, {3, 1}, 9).tokens));
}

TEST_CASE("a pass without rows may return an empty view") {
  ToyModelOptions const options{.max_tokens = 3};
  WatchedModel model(options);
  Composer composer(model, NoProposer(), GreedyVerifier());
  CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 5})) ==
        text(decode_plainly(options, some_prompt, 5).tokens));
}

TEST_CASE("logits may be of another type") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2};
  copyspec::testing::ToyModel<double> model(options);
  Composer composer(model, CopyProposer(), GreedyVerifier());
  CHECK(text(composer.generate(some_prompt, {.max_new_tokens = 50})) ==
        text(decode_plainly(options, some_prompt, 50).tokens));
}

TEST_CASE("a request that cannot be served is refused in words and changes nothing") {
  ToyModelOptions const options{.vocabulary = 32, .context_limit = 40};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  Tokens const first(20, 1);
  composer.begin(id(2), first, {.max_new_tokens = 10});
  composer.run();
  Tokens const context = copy(composer.sequence(id(2)).context());
  Tokens const held = copy(model.held(id(2)));

  auto const refusal = [&](std::size_t sequence, Tokens const& prompt) -> std::string {
    try {
      composer.begin(id(sequence), prompt);
    } catch (copyspec::Error const& error) {
      return error.what();
    }
    return "it was served";
  };
  auto const names = [](std::string const& message, std::initializer_list<char const*> parts) {
    CAPTURE(message);
    CHECK(message.find('\n') == std::string::npos);
    for (char const* const part : parts) CHECK_MESSAGE(message.find(part) != std::string::npos, part);
  };
  names(refusal(4, {}), {"prompt", "empty"});
  names(refusal(4, Tokens(40, 1)), {"prompt", "40", "context limit"});
  names(refusal(2, Tokens(10, 1)), {"prompt", "10", "40", "30"});
  names(refusal(2, {1, 2, 32, 4}), {"token 2", "32", "vocabulary"});
  names(refusal(4, {1, -5}), {"token 1", "-5", "vocabulary"});

  CHECK(text(composer.sequence(id(2)).context()) == text(context));
  CHECK(composer.sequence(id(2)).status() == SequenceStatus::length);
  CHECK(text(model.held(id(2))) == text(held));
  bool told = false;
  CHECK_FALSE(composer.step([&](OutputDelta const&) { told = true; }));
  CHECK_FALSE(told);
  // The longest that fits.
  CHECK(refusal(4, Tokens(39, 1)) == "it was served");
  CHECK(refusal(2, Tokens(9, 1)) == "it was served");
  composer.run();
  CHECK(composer.sequence(id(2)).status() == SequenceStatus::context_full);
  CHECK(composer.sequence(id(4)).generated().size() == 1);
  names(refusal(4, {}), {"prompt of 0", "40"});
}

TEST_CASE("sampling that cannot be served is refused in words and changes nothing") {
  ToyModelOptions const options{.vocabulary = 32};
  Toy model(options);
  auto const refusal = [&](auto& composer, SamplingOptions const& sampling) -> std::string {
    try {
      composer.begin(id(4), Tokens{1, 2}, {.sampling = sampling});
    } catch (copyspec::Error const& error) {
      CHECK_FALSE(composer.step([](OutputDelta const&) {}));
      CHECK(model.held(id(4)).empty());
      return error.what();
    }
    return "it was served";
  };
  Composer greedy(model, NoProposer(), GreedyVerifier());
  CHECK(refusal(greedy, {}) == "sampling was asked for, and the verifier does not sample: use a SamplingVerifier");
  Composer sampling(model, NoProposer(), SamplingVerifier());
  CHECK(refusal(sampling, {.temperature = -1}).find("temperature is -1") != std::string::npos);
  CHECK(refusal(sampling, {.logit_bias = {{32, 1.0F}}}).find("token 32") != std::string::npos);
  CHECK(refusal(sampling, {.logprobs = 33}).find("vocabulary of 32") != std::string::npos);
  CHECK_THROWS_AS(SamplingVerifier({.top_p = 2}), copyspec::Error);
  CHECK(refusal(sampling, {.logprobs = 32}) == "it was served");
}

TEST_CASE("what a model throws comes through, and the sequences go on as if nothing had been") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2, .max_tokens = 8};
  Tokens const expected = decode_plainly(options, some_prompt, 40).tokens;
  for (std::size_t bad_call = 1; bad_call <= 16; ++bad_call) {
    CAPTURE(bad_call);
    WatchedModel model(options);
    // Twice in a row, so that the pass without drafts that follows a refused one fails as well.
    model.fails = [&](std::size_t call) { return call == bad_call || call == bad_call + 1; };
    Composer composer(model, CopyProposer({.match_length = 1}), GreedyVerifier());
    for (std::size_t i = 0; i < 2; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 40});
    std::size_t thrown = 0;
    for (bool more = true; more;) {
      SequenceCounters const before = composer.sequence(id(0)).counters();
      try {
        more = composer.step(show_nothing);
      } catch (Refused const& refused) {
        ++thrown;
        CHECK(refused.call >= bad_call);
        CHECK(refused.call <= bad_call + 1);
        CHECK(composer.sequence(id(0)).counters().tokens_fed == before.tokens_fed);
        CHECK(composer.sequence(id(0)).running());
      }
    }
    CHECK(thrown >= 1);
    CHECK(model.wrong == "");
    for (std::size_t i = 0; i < 2; ++i) CHECK(text(composer.sequence(id(i)).generated()) == text(expected));
  }
}

TEST_CASE("sequences go on after a model that failed could not be cut back at first") {
  struct StubbornModel : Toy {
    using Toy::Toy;
    std::size_t bad_forward = 0;
    std::size_t bad_truncate = 0;
    LogitsView<float> forward(std::span<Segment const> batch) {
      auto const rows = Toy::forward(batch);
      if (--bad_forward == 0) throw Refused{};
      return rows;
    }
    std::size_t truncate(SequenceId sequence, std::size_t length) {
      bool const has_failed = bad_forward == 0 || bad_forward > 100;
      if (has_failed && --bad_truncate == 0) throw Interrupted{};
      return Toy::truncate(sequence, length);
    }
  };
  ToyModelOptions const options{.order = 4};
  for (std::size_t bad_forward = 1; bad_forward <= 4; ++bad_forward) {
    for (std::size_t bad_truncate = 1; bad_truncate <= 8; ++bad_truncate) {
      CAPTURE(bad_forward);
      CAPTURE(bad_truncate);
      StubbornModel model(options);
      std::string wrong;
      Composer composer(model, HostileProposer(HostileProposer::right_then_wrong, options, wrong), GreedyVerifier());
      for (std::size_t i = 0; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 30});
      model.bad_forward = bad_forward;
      model.bad_truncate = bad_truncate;
      std::size_t thrown = 0;
      for (bool more = true; more;) {
        try {
          more = composer.step(show_nothing);
        } catch (Interrupted const&) {
          ++thrown;
        }
      }
      CHECK(thrown == 1);
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(text(composer.sequence(id(i)).generated()) == text(decode_plainly(options, some_prompt, 30).tokens));
    }
  }
}

TEST_CASE("a pass that is refused for its drafts is made again without them") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t call) { return call == 2; };
  auto composer = drafting_right(model, options);
  composer.begin(id(0), some_prompt, {.max_new_tokens = 5, .max_draft_length = 1});
  CHECK(composer.step(show_nothing));
  CHECK(composer.sequence(id(0)).generated().size() == 2);
  CHECK(composer.step(show_nothing));
  CHECK(model.passes == 2);
  CHECK(model.drafted == 1);
  CHECK(composer.sequence(id(0)).generated().size() == 3);
  CHECK_FALSE(composer.step(show_nothing));
  CHECK(text(composer.sequence(id(0)).generated()) == text(decode_plainly(options, some_prompt, 5).tokens));
}

TEST_CASE("a refused draft costs one pass and is not counted") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t call) { return call == 1; };
  auto composer = drafting_right(model, options);
  composer.begin(id(0), some_prompt, {.max_new_tokens = 20});
  CHECK(composer.step(show_nothing));
  SequenceCounters const& counters = composer.sequence(id(0)).counters();
  CHECK(counters.decode_passes == 1);
  CHECK(counters.draft_passes == 0);
  CHECK(counters.drafted == 0);
  CHECK(counters.tokens_fed == some_prompt.size());
  CHECK(counters.generated == 1);
}

namespace {

// An engine whose memory is for all sequences together.
class SmallModel {
 public:
  struct Full {};
  SmallModel(ToyModelOptions const& options, std::size_t capacity) : toy_(options), capacity_(capacity) {}
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < 8; ++i) total += toy_.held(id(i)).size();
    for (Segment const& segment : batch) total += segment.tokens.size();
    if (total > capacity_) throw Full{};
    return toy_.forward(batch);
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  Toy toy_;
  std::size_t capacity_;
};

template <class Proposer>
Tokens until_full(ToyModelOptions const& options, std::size_t capacity, Proposer proposer) {
  SmallModel model(options, capacity);
  Composer composer(model, std::move(proposer), GreedyVerifier());
  composer.begin(id(0), some_prompt);
  CHECK_THROWS_AS(composer.run(), SmallModel::Full);
  CHECK_THROWS_AS(composer.run(), SmallModel::Full);
  CHECK(composer.sequence(id(0)).running());
  return copy(composer.sequence(id(0)).generated());
}

}  // namespace

TEST_CASE("in an engine that runs full, copying gets exactly as far as plain decoding") {
  ToyModelOptions options{.vocabulary = 12, .order = 2};
  for (std::size_t capacity = 10; capacity < 60; ++capacity) {
    CAPTURE(capacity);
    options.seed = capacity;
    Tokens const plain = until_full(options, capacity, NoProposer());
    CHECK(plain.size() == capacity - some_prompt.size() + 1);
    REQUIRE(text(until_full(options, capacity, always_right(options))) == text(plain));
    REQUIRE(text(until_full(options, capacity, CopyProposer({.match_length = 1}))) == text(plain));
  }
}

namespace {

// A toy model that has lost its mind after so many tokens of a sequence.
class PoisonedModel {
 public:
  PoisonedModel(ToyModelOptions const& options, std::map<SequenceId, std::size_t> bad_after, bool nan)
      : toy_(options), bad_after_(std::move(bad_after)), nan_(nan) {}
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    auto const rows = toy_.forward(batch);
    rows_.assign(rows.data(), rows.data() + rows.rows() * rows.vocabulary());
    std::size_t row = 0;
    for (Segment const& segment : batch) {
      for (std::size_t i = 0; i < segment.rows; ++i, ++row) {
        auto const bad = bad_after_.find(segment.sequence);
        if (bad == bad_after_.end() || toy_.held(segment.sequence).size() - segment.rows + i + 1 != bad->second)
          continue;
        auto const values = std::span<float>(rows_).subspan(row * vocabulary_size(), vocabulary_size());
        if (nan_)
          values[values.size() / 2] = std::numeric_limits<float>::quiet_NaN();
        else
          std::ranges::fill(values, -std::numeric_limits<float>::infinity());
      }
    }
    return {rows_.data(), rows.rows(), rows.vocabulary()};
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  Toy toy_;
  std::map<SequenceId, std::size_t> bad_after_;
  bool nan_;
  std::vector<float> rows_;
};

}  // namespace

TEST_CASE("a row without a token ends its own sequence, with what was said before it") {
  ToyModelOptions const options{.vocabulary = 16, .order = 2};
  Tokens const expected = decode_plainly(options, some_prompt, 25).tokens;
  for (std::size_t good = 0; good < 25; ++good) {
    for (bool const nan : {false, true}) {
      CAPTURE(good);
      CAPTURE(nan);
      PoisonedModel model(options, {{id(1), some_prompt.size() + good}}, nan);
      Composer composer(model, always_right(options), GreedyVerifier());
      for (std::size_t i = 0; i < 3; ++i)
        composer.begin(id(i), some_prompt, {.max_new_tokens = 25, .max_draft_length = 2 + i});
      Tokens shown;
      SequenceStatus last = SequenceStatus::running;
      composer.run([&](OutputDelta const& emission) {
        if (emission.sequence != id(1)) return;
        shown.insert(shown.end(), emission.tokens.begin(), emission.tokens.end());
        last = emission.status;
      });
      Tokens const before(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(good));
      CHECK(text(composer.sequence(id(1)).generated()) == text(before));
      CHECK(composer.sequence(id(1)).status() == SequenceStatus::invalid_row);
      CHECK(text(shown) == text(before));
      CHECK(last == SequenceStatus::invalid_row);
      CHECK(text(composer.sequence(id(0)).generated()) == text(expected));
      CHECK(text(composer.sequence(id(2)).generated()) == text(expected));
    }
  }
}

TEST_CASE("the counters add up") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{
        .vocabulary = 16, .order = 2, .seed = seed, .max_tokens = random.any_of<std::size_t>({1, 4, 7, 100})};
    WatchedModel model(options);
    Composer composer(model, CopyProposer(any_copy_options(random)), GreedyVerifier());
    std::size_t const budget = random.between(1, 60);
    composer.generate(some_prompt, {.max_new_tokens = budget});
    SequenceCounters const& counters = composer.sequence(id(0)).counters();
    CHECK(counters.generated == budget);
    CHECK(counters.tokens_fed == model.fed);
    CHECK(counters.drafted == model.drafted);
    CHECK(counters.decode_passes + counters.prefill_passes == model.passes);
    // Every pass with rows adds one token of the model's own.
    CHECK(counters.generated == counters.decode_passes + counters.accepted);
    CHECK(counters.tokens_fed == some_prompt.size() + budget - 1 + counters.drafted - counters.accepted);
    CHECK(counters.accepted <= counters.drafted);
    CHECK(counters.draft_passes <= counters.decode_passes);
    CHECK(counters.draft_passes <= counters.drafted);
    CHECK((counters.draft_passes == 0) == (counters.drafted == 0));
    CHECK(counters.prefill_passes == (some_prompt.size() - 1) / options.max_tokens);
    auto const sources = composer.sequence(id(0)).sources();
    CHECK(sources.size() - static_cast<std::size_t>(std::ranges::count(sources, Source::model)) == counters.accepted);
    std::size_t drafted = 0;
    for (Source const source : copyspec::draft_sources) {
      drafted += counters.by_source[source].drafted;
      CHECK(counters.by_source[source].accepted == static_cast<std::size_t>(std::ranges::count(sources, source)));
    }
    CHECK(drafted == counters.drafted);
  }
}

TEST_CASE("right drafts save the passes that they promise") {
  ToyModelOptions const options;
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.generate(some_prompt, {.max_new_tokens = 40, .max_draft_length = 4});
  CHECK(model.passes == 8);
  CHECK(composer.sequence(id(0)).counters().accepted == 32);
  CHECK(composer.sequence(id(0)).counters().draft_passes == 8);
}

TEST_CASE("a model with checkpoints is fed a bounded amount again for each draft that fails") {
  for (std::size_t const interval : {2U, 4U, 16U}) {
    CAPTURE(interval);
    ToyModelOptions const options{.order = 4, .checkpoint_interval = interval};
    WatchedModel model(options);
    std::string wrong;
    Composer composer(model, HostileProposer(HostileProposer::right_then_wrong, options, wrong), GreedyVerifier());
    composer.generate(some_prompt, {.max_new_tokens = 200, .max_draft_length = 6});
    CHECK(text(composer.sequence(id(0)).generated()) == text(decode_plainly(options, some_prompt, 200).tokens));
    SequenceCounters const& counters = composer.sequence(id(0)).counters();
    std::size_t const again = counters.tokens_fed - (some_prompt.size() + 199 + counters.drafted - counters.accepted);
    CHECK(again > 0);
    CHECK(again <= counters.draft_passes * (interval - 1));
    CHECK(counters.tokens_fed == model.fed);
    CHECK(model.wrong == "");
    // A pass that feeds again what was lost still says one token.
    CHECK(counters.decode_passes == counters.generated - counters.accepted);
    CHECK(counters.draft_passes >= counters.decode_passes / 2);
  }
}

TEST_CASE("every running sequence gets a token in every pass that has one for each") {
  for (std::size_t const max_tokens : {5U, 6U, 9U, 40U}) {
    CAPTURE(max_tokens);
    ToyModelOptions const options{.vocabulary = 8, .order = 2, .max_tokens = max_tokens};
    WatchedModel model(options);
    auto composer = drafting_right(model, options);
    for (std::size_t i = 0; i < 5; ++i) composer.begin(id(i), Tokens(1 + 20 * i, 1), {.max_new_tokens = 50 - 9 * i});
    for (bool more = true; more;) {
      std::size_t wanted = 0;
      std::vector<SequenceId> running;
      for (std::size_t i = 0; i < 5; ++i) {
        if (!composer.sequence(id(i)).running()) continue;
        running.push_back(id(i));
        wanted += composer.sequence(id(i)).pending();
      }
      more = composer.step(show_nothing);
      std::vector<SequenceId> served;
      std::size_t fed = 0;
      for (auto const& share : model.newest) {
        served.push_back(share.sequence);
        fed += share.tokens.size();
      }
      std::ranges::sort(served);
      CHECK(served == running);
      // And no room is left while there is something to feed.
      CHECK(fed >= std::min(wanted, max_tokens));
    }
    CHECK(model.wrong == "");
  }
}

TEST_CASE("sequences that wait for one token go before the chunks of prompts") {
  ToyModelOptions const options{.max_tokens = 8};
  WatchedModel model(options);
  auto composer = drafting_right(model, options);
  composer.begin(id(0), Tokens(100, 1), {.max_new_tokens = 9});
  composer.begin(id(1), Tokens(1, 1), {.max_new_tokens = 30, .max_draft_length = 3});
  for (int pass = 0; pass < 5; ++pass) {
    composer.step(show_nothing);
    REQUIRE(model.newest.size() == 2);
    CHECK(model.newest[0].sequence == id(1));
    CHECK(model.newest[0].tokens.size() == 4);
    CHECK(model.newest[1].sequence == id(0));
    CHECK(model.newest[1].tokens.size() == 4);
  }
}

TEST_CASE("nobody starves in passes that do not have a token for each") {
  for (std::size_t const max_tokens : {1U, 2U, 3U, 4U}) {
    for (std::size_t const prompts : {0U, 1U, 3U, 5U}) {
      CAPTURE(max_tokens);
      CAPTURE(prompts);
      ToyModelOptions const options{.vocabulary = 8, .order = 2, .max_tokens = max_tokens};
      WatchedModel model(options);
      auto composer = drafting_right(model, options);
      // Some are fed long prompts while the others already speak.
      for (std::size_t i = 0; i < 5; ++i)
        composer.begin(id(i), Tokens(5 - i <= prompts ? 30 : 1, 1), {.max_new_tokens = 20 + i});
      std::map<SequenceId, std::size_t> served;
      std::size_t const turn = (5 + max_tokens - 1) / max_tokens;
      for (std::size_t pass = 1; pass < 10000; ++pass) {
        std::vector<SequenceId> running;
        for (std::size_t i = 0; i < 5; ++i)
          if (composer.sequence(id(i)).running()) running.push_back(id(i));
        if (running.empty()) break;
        composer.step(show_nothing);
        for (auto const& share : model.newest) served[share.sequence] = pass;
        for (SequenceId const sequence : running) REQUIRE(pass - served[sequence] < turn);
      }
      for (std::size_t i = 0; i < 5; ++i) CHECK(composer.sequence(id(i)).generated().size() == 20 + i);
    }
  }
}

namespace {

// A toy model that counts its own allocations.
class CountedModel {
 public:
  explicit CountedModel(ToyModelOptions const& options) : toy_(options) {}
  std::size_t own_allocations = 0;
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    std::size_t const before = allocations();
    auto const rows = toy_.forward(batch);
    own_allocations += allocations() - before;
    return rows;
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    std::size_t const before = allocations();
    std::size_t const held = toy_.truncate(sequence, length);
    own_allocations += allocations() - before;
    return held;
  }

 private:
  Toy toy_;
};

}  // namespace

TEST_CASE("no pass allocates") {
  CountedModel model({.vocabulary = 8, .order = 2, .max_tokens = 16, .checkpoint_interval = 4});
  Composer composer(model, CopyProposer({.match_length = 2}), GreedyVerifier());
  GenerateOptions options{.max_new_tokens = 200};
  options.stop.sequences = {{1, 2, 3, 4, 5, 6, 7}, Tokens(30, 1)};
  for (int turn = 0; turn < 2; ++turn) {
    for (std::size_t i = 0; i < 4; ++i) composer.begin(id(i), Tokens(1 + 10 * i, static_cast<Token>(i)), options);
    std::size_t shown = 0;
    std::size_t const before = allocations() - model.own_allocations;
    composer.run([&](OutputDelta const& emission) { shown += emission.tokens.size(); });
    std::size_t const after = allocations() - model.own_allocations;
    CHECK(after == before);
    CHECK(shown > 0);
    CHECK(composer.sequence(id(3)).counters().accepted > 0);
  }
}

namespace {

// Every look at it is one tick later.
struct TickingClock {
  using duration = std::chrono::duration<std::int64_t>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<TickingClock>;
  static inline std::int64_t ticks = 0;
  static time_point now() { return time_point(duration(++ticks)); }
};

}  // namespace

TEST_CASE("times are read from the clock that was given, once before and once after each piece of work") {
  ToyModelOptions const options{.max_tokens = 4};
  WatchedModel model(options);
  TickingClock::ticks = 0;
  Composer<WatchedModel, HostileProposer, GreedyVerifier, TickingClock> composer(model, always_right(options));
  composer.begin(id(0), some_prompt, {.max_new_tokens = 12});
  composer.run();
  auto const& times = composer.times();
  SequenceCounters const& counters = composer.sequence(id(0)).counters();
  CHECK(times.forward.count() == static_cast<std::int64_t>(model.passes));
  CHECK(times.verify.count() == static_cast<std::int64_t>(counters.decode_passes));
  CHECK(times.propose.count() == static_cast<std::int64_t>(counters.draft_passes));
  CHECK(times.truncate.count() == 0);
  composer.truncate(id(0), 3);
  CHECK(times.truncate.count() == 1);
  CHECK(TickingClock::ticks == 2 * (times.forward + times.verify + times.propose + times.truncate).count());
}

TEST_CASE("the time of a pass that fails is counted as well") {
  ToyModelOptions const options;
  WatchedModel model(options);
  model.fails = [](std::size_t) { return true; };
  TickingClock::ticks = 0;
  Composer<WatchedModel, HostileProposer, GreedyVerifier, TickingClock> composer(model, always_right(options));
  composer.begin(id(0), some_prompt);
  CHECK_THROWS_AS(composer.run(), Refused);
  CHECK(composer.times().forward.count() == 2);
}

namespace {

// Stands still unless something works.
struct WorkClock {
  using duration = std::chrono::duration<std::int64_t, std::milli>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WorkClock>;
  static inline std::int64_t worked = 0;
  static inline std::size_t reads = 0;
  static time_point now() {
    ++reads;
    return time_point(duration(worked));
  }
};

struct WorkingModel : WatchedModel {
  using WatchedModel::WatchedModel;
  LogitsView<float> forward(std::span<Segment const> batch) {
    WorkClock::worked += 1000;
    return WatchedModel::forward(batch);
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    WorkClock::worked += 100;
    return WatchedModel::truncate(sequence, length);
  }
};

struct WorkingVerifier {
  static Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) {
    WorkClock::worked += 10;
    return GreedyVerifier().verify(rows, tokens, length);
  }
};

// What a composer told its proposer, and whether a copy was told.
struct Told {
  std::vector<PassReport> reports;
  bool copy = false;
};

class ObservingProposer {
 public:
  ObservingProposer(HostileProposer proposer, Told& told) : proposer_(std::move(proposer)), told_(&told) {}
  ObservingProposer(ObservingProposer const& other) : proposer_(other.proposer_), told_(other.told_), is_copy_(true) {}
  ObservingProposer(ObservingProposer&&) = default;
  ObservingProposer& operator=(ObservingProposer const&) = delete;
  ObservingProposer& operator=(ObservingProposer&&) = default;
  ~ObservingProposer() = default;

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    WorkClock::worked += 1;
    return proposer_.propose(context, space);
  }
  void truncate(std::size_t length) { proposer_.truncate(length); }
  void on_pass(PassReport const& report) {
    told_->reports.push_back(report);
    told_->copy = told_->copy || is_copy_;
  }

 private:
  HostileProposer proposer_;
  Told* told_;
  bool is_copy_ = false;
};

using ObservedComposer = Composer<WorkingModel, ObservingProposer, WorkingVerifier, WorkClock>;

// What is to be told of the newest pass, apart from the time.
std::optional<PassReport> expected_report(WatchedModel const& model) {
  PassReport report{.rows = 0, .sequences = model.newest.size(), .seconds = 0.0};
  for (auto const& share : model.newest) {
    if (share.rows != share.tokens.size()) return std::nullopt;
    report.rows += share.rows;
  }
  return report;
}

}  // namespace

TEST_CASE("a proposer that asks for it hears once of every pass that fed no part of a prompt, without callbacks") {
  std::size_t drafted = 0;
  std::size_t together = 0;
  std::size_t untold = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = 12,
                                  .order = 2,
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({1, 4, 9, 100}),
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 1, 4})};
    WorkingModel model(options);
    Told told;
    std::string wrong;
    ObservedComposer composer(
        model, ObservingProposer(HostileProposer(HostileProposer::right_then_wrong, options, wrong), told));
    for (std::size_t i = 0; i < 3; ++i)
      composer.begin(id(i), any_tokens(random, 12, random.any_of<std::size_t>({1, 2, 30})),
                     {.max_new_tokens = random.between(1, 40), .max_draft_length = random.below(7)});
    for (bool more = true; more;) {
      told.reports.clear();
      std::int64_t const before = WorkClock::worked;
      std::int64_t idle = 0;
      auto const waste = [&] {
        WorkClock::worked += 1'000'000;
        idle += 1'000'000;
      };
      more = composer.step([&](OutputDelta const&) { waste(); },
                           [&](SequenceId, std::span<Token const>) {
                             waste();
                             return StopDecision{};
                           });
      auto const expected = expected_report(model);
      REQUIRE(told.reports.size() == (expected ? 1 : 0));
      untold += expected ? 0U : 1U;
      if (!expected) continue;
      PassReport const& report = told.reports[0];
      CHECK(report.rows == expected->rows);
      CHECK(report.sequences == expected->sequences);
      CHECK(report.seconds == doctest::Approx(static_cast<double>(WorkClock::worked - before - idle) / 1000));
      drafted += report.rows > report.sequences ? 1 : 0;
      together += report.sequences > 1 ? 1 : 0;
    }
    CHECK_FALSE(told.copy);
  }
  CHECK(drafted > 100);
  CHECK(together > 100);
  CHECK(untold > 100);
}

TEST_CASE("a proposer does not hear of passes that fail, and not of the time that a refused draft took") {
  ToyModelOptions const options;
  WorkingModel model(options);
  Told told;
  ObservedComposer composer(model, ObservingProposer(always_right(options), told));
  composer.begin(id(0), Tokens{1}, {.max_new_tokens = 40, .max_draft_length = 3});
  model.fails = [](std::size_t call) { return call == 2 || call == 4 || call == 5; };
  composer.step(show_nothing);
  REQUIRE(told.reports.size() == 1);
  CHECK(told.reports[0].rows == 4);
  CHECK(told.reports[0].seconds == doctest::Approx(1.011));
  // Refused, and made again without a draft.
  composer.step(show_nothing);
  REQUIRE(told.reports.size() == 2);
  CHECK(told.reports[1].rows == 1);
  CHECK(told.reports[1].seconds == doctest::Approx(1.010));
  CHECK_THROWS_AS(composer.step(show_nothing), Refused);
  CHECK(told.reports.size() == 2);
  // What the callback throws comes after a pass that was made.
  CHECK_THROWS_AS(composer.step([](OutputDelta const&) { throw Interrupted{}; }), Interrupted);
  REQUIRE(told.reports.size() == 3);
  CHECK(told.reports[2].rows == 4);
  CHECK(told.reports[2].seconds == doctest::Approx(1.011));
}

TEST_CASE("a step in which nothing runs is no pass to hear of") {
  WorkingModel model{ToyModelOptions{}};
  Told told;
  ObservedComposer composer(model, ObservingProposer(always_right({}), told));
  CHECK_FALSE(composer.step(show_nothing));
  composer.begin(id(0), some_prompt, {.max_new_tokens = 1});
  composer.run();
  CHECK_FALSE(composer.step(show_nothing));
  CHECK(told.reports.empty());
}

TEST_CASE("hearing of passes reads the clock no more often") {
  ToyModelOptions const options;
  auto const reads = [&](auto proposer) {
    WorkingModel model(options);
    WorkClock::reads = 0;
    Composer<WorkingModel, decltype(proposer), WorkingVerifier, WorkClock> composer(model, std::move(proposer));
    composer.generate(some_prompt, {.max_new_tokens = 30, .max_draft_length = 4});
    return WorkClock::reads;
  };
  Told told;
  std::size_t const observed = reads(ObservingProposer(always_right(options), told));
  CHECK(told.reports.size() == 5);
  CHECK(observed == reads(always_right(options)));
}

namespace {

// What a proposer heard of the ends of turns.
struct Ended {
  Tokens context;
  std::size_t answer = 0;
};

class HearingProposer {
 public:
  HearingProposer(HostileProposer proposer, std::vector<Ended>& ended)
      : proposer_(std::move(proposer)), ended_(&ended) {}

  Draft propose(std::span<Token const> context, std::span<Token> space) { return proposer_.propose(context, space); }
  void truncate(std::size_t length) { proposer_.truncate(length); }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    ended_->push_back({copy(context), answer});
    if (throws) throw Interrupted{};
  }

  static inline bool throws = false;

 private:
  HostileProposer proposer_;
  std::vector<Ended>* ended_;
};

}  // namespace

TEST_CASE("a proposer that asks for it hears once of every turn that ended, however it did") {
  std::map<SequenceStatus, std::size_t> heard;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyModelOptions const options{.vocabulary = 12,
                                  .order = 2,
                                  .seed = seed,
                                  .max_tokens = random.any_of<std::size_t>({2, 9, 100}),
                                  .context_limit = 90,
                                  .checkpoint_interval = random.any_of<std::size_t>({1, 4})};
    PoisonedModel model(options, {{id(1), random.between(5, 60)}}, true);
    std::vector<Ended> ended;
    std::string wrong;
    Composer composer(model, HearingProposer(HostileProposer(HostileProposer::mixed, options, wrong), ended),
                      GreedyVerifier());
    std::vector<Tokens> said(3);
    std::vector<std::size_t> answers(3);
    for (int turn = 0; turn < 3; ++turn) {
      std::set<std::size_t> running;
      for (std::size_t i = 0; i < 3; ++i) {
        Tokens const prompt = any_tokens(random, 12, random.between(1, 12));
        if (said[i].size() + prompt.size() >= options.context_limit) continue;
        GenerateOptions turn_options{.max_new_tokens = random.any_of<std::size_t>({1, 15, 1000}),
                                     .max_draft_length = random.below(7)};
        if (random.one_in(2)) turn_options.stop.tokens = {static_cast<Token>(random.below(12))};
        answers[i] = said[i].size() + prompt.size();
        composer.begin(id(i), prompt, turn_options);
        running.insert(i);
      }
      CHECK(ended.empty());
      while (!running.empty()) {
        composer.step(show_nothing);
        // They are heard in any order, and each belongs to one that has just ended.
        for (auto const i : std::vector<std::size_t>(running.begin(), running.end())) {
          Sequence const& sequence = composer.sequence(id(i));
          if (sequence.running()) continue;
          auto const own = std::ranges::find_if(ended, [&](Ended const& one) {
            return one.answer == answers[i] && std::ranges::equal(one.context, sequence.context());
          });
          REQUIRE(own != ended.end());
          ended.erase(own);
          ++heard[sequence.status()];
          said[i] = copy(sequence.context());
          running.erase(i);
        }
        REQUIRE(ended.empty());
      }
      composer.step(show_nothing);
      CHECK(ended.empty());
    }
  }
  CHECK(heard[SequenceStatus::stopped] > 20);
  CHECK(heard[SequenceStatus::length] > 20);
  CHECK(heard[SequenceStatus::context_full] > 20);
  CHECK(heard[SequenceStatus::invalid_row] > 20);
}

TEST_CASE("a proposer does not hear of a turn that was cut back or removed, or that had no pass") {
  Toy model(ToyModelOptions{});
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right({}), ended), GreedyVerifier());
  for (std::size_t i = 0; i < 2; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 20, .max_draft_length = 2});
  composer.begin(id(2), some_prompt, {.max_new_tokens = 0});
  composer.step(show_nothing);
  composer.truncate(id(0), some_prompt.size() + 1);
  composer.remove(id(1));
  composer.run();
  CHECK(ended.empty());
  composer.begin(id(0), {}, {.max_new_tokens = 3});
  composer.run();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].answer == some_prompt.size() + 1);
  // Cutting back what has ended is no second end.
  composer.truncate(id(0), some_prompt.size());
  composer.run();
  CHECK(ended.size() == 1);
}

TEST_CASE("what a proposer throws at the end of a turn comes through, and it hears no second time") {
  ToyModelOptions const options;
  Tokens const expected = decode_plainly(options, some_prompt, 12).tokens;
  Toy model(options);
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right(options), ended), GreedyVerifier());
  // The first ends in the pass that throws, before the second and the third were judged in it.
  composer.begin(id(0), some_prompt, {.max_new_tokens = 4, .max_draft_length = 0});
  for (std::size_t i = 1; i < 3; ++i) composer.begin(id(i), some_prompt, {.max_new_tokens = 12, .max_draft_length = 0});
  for (int i = 0; i < 3; ++i) composer.step(show_nothing);
  HearingProposer::throws = true;
  CHECK_THROWS_AS(composer.step(show_nothing), Interrupted);
  HearingProposer::throws = false;
  REQUIRE(ended.size() == 1);
  CHECK(composer.sequence(id(0)).status() == SequenceStatus::length);
  CHECK(composer.sequence(id(0)).generated().size() == 4);
  CHECK(composer.sequence(id(1)).generated().size() == 3);
  std::map<SequenceId, std::size_t> last;
  composer.run([&](OutputDelta const& emission) {
    last[emission.sequence] += emission.status == SequenceStatus::running ? 0U : 1U;
  });
  CHECK(last == std::map<SequenceId, std::size_t>{{id(0), 1}, {id(1), 1}, {id(2), 1}});
  CHECK(ended.size() == 3);
  for (std::size_t i = 1; i < 3; ++i) CHECK(text(composer.sequence(id(i)).generated()) == text(expected));
  CHECK(std::ranges::equal(composer.sequence(id(0)).generated(), std::span(expected).first(4)));
}

TEST_CASE("what is thrown behind the end of another's turn does not end that turn again") {
  Toy model(ToyModelOptions{});
  std::vector<Ended> ended;
  Composer composer(model, HearingProposer(always_right({}), ended), GreedyVerifier());
  composer.begin(id(0), some_prompt, {.max_new_tokens = 1});
  composer.begin(id(1), some_prompt, {.max_new_tokens = 6});
  bool thrown = false;
  auto const throw_once = [&](SequenceId sequence, std::span<Token const>) {
    if (sequence == id(1) && !std::exchange(thrown, true)) throw Interrupted{};
    return StopDecision{};
  };
  CHECK_THROWS_AS(composer.step(show_nothing, throw_once), Interrupted);
  CHECK(ended.size() == 1);
  composer.run(show_nothing, throw_once);
  CHECK(ended.size() == 2);
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
