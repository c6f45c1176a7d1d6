// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "assert.hpp"
#include "draft.hpp"
#include "draft_length.hpp"
#include "draft_model.hpp"
#include "draft_record.hpp"
#include "error.hpp"
#include "guess.hpp"
#include "model.hpp"
#include "model_record.hpp"
#include "pass_cost.hpp"
#include "pass_share.hpp"
#include "pass_times.hpp"
#include "sampling_options.hpp"
#include "token.hpp"
#include "token_cost.hpp"

namespace copyspec::inline v0 {

/// Settings of a `ModelProposer`. There is nothing to tune: what passes cost is learnt unless it is known.
struct ModelProposerOptions {
  PassCost pass_cost = {};        ///< What a pass of the model that is drafted for costs.
  PassCost draft_pass_cost = {};  ///< What a pass of the draft model costs, in its own passes of one token.
  /// What a pass of one token of the draft model costs, in passes of one row of the other; learnt if not given.
  std::optional<double> draft_cost = std::nullopt;
  /// So many tokens are drafted, whatever they cost and are worth, as most implementations do; zero: as many as pay.
  std::size_t fixed_length = 0;
};

/// Has a draft model guess where that pays more than what `Copying` proposes, or than nothing: a `DraftProposer`.
///
/// A draft begins as `Copying` has it, with the chance of each token. At the first place where the draft model is
/// likely to do better, and by so much that it pays for its pass, it is asked what it would say behind the tokens
/// before; its token takes the place of the copied one; and if `Copying` can go on behind it (`propose_behind`, as
/// `MixingProposer` can), it does, until the model is asked again. So a draft is copied, guessed, or both in turn, and
/// may be empty. What it pays is
///
///     value(survival * chance of the model) - value(survival * chance of the copy)  -  cost of a pass of the draft
///     model
///
/// where the chances are learnt (`ModelRecord`), and the value of a token that is right so likely is what it and all
/// behind it are worth: what is usually copied behind one, or as many further guesses as pay, each less its own cost. A
/// token is worth what one took lately (`TokenCost`) in steps that began alike, with a copy that was surer than the
/// draft model or without. In the end `draft_length`
/// cuts the draft where its passes cost least. What the draft model has not read yet is read once the gains that were
/// passed up for it, and those that turns usually have ahead, come to the cost of reading it: so little more than twice
/// what was best is lost by it, however long the context is (ski rental; Karlin et al., "Competitive snoopy caching",
/// 1988).
///
/// The draft model says what it would say itself: its greatest logit, or under `draw_as` what the noise of the sequence
/// draws from its rows, which is what the other model draws whenever both rows are alike.
///
/// Copies share the draft model, what was learnt, and what passes cost. Those that a composer announces are drafted for
/// in the same passes of the draft model. With `NoProposer` for `Copying`, the draft model drafts alone.
///
/// Cost: that of `Copying`, and of the draft model's passes, whose time is not counted as the other model's; O(`row`)
/// for each of its rows. Allocates when made or copied, in `reserve`, and as rows and vocabularies grow. Threads: one
/// call at a time, all copies together. The draft model is borrowed and must outlive all copies.
template <Model M, DraftProposer Copying = NoProposer, class Clock = std::chrono::steady_clock>
class ModelProposer {
 public:
  explicit ModelProposer(M& model, Copying copying = Copying(), ModelProposerOptions options = {})
      : shared_(std::make_shared<Shared>(model, std::move(options))),
        own_(std::make_unique<Own>(shared_, std::move(copying))) {}

  ModelProposer(ModelProposer const& other)
      : shared_(other.shared_), own_(std::make_unique<Own>(shared_, other.own_->copying)) {}
  ModelProposer& operator=(ModelProposer const& other) {
    if (this != &other) *this = ModelProposer(other);
    return *this;
  }
  ModelProposer(ModelProposer&&) noexcept = default;
  ModelProposer& operator=(ModelProposer&&) noexcept = default;
  ~ModelProposer() = default;

  /// What copies.
  [[nodiscard]] Copying const& copying() const noexcept { return own_->copying; }

  /// The draft model, and what its passes cost.
  [[nodiscard]] DraftModel<M, Clock> const& draft_model() const noexcept { return *shared_->model; }

  /// What a pass of the other model costs, as far as it is known.
  [[nodiscard]] PassCost const& pass_cost() const noexcept { return shared_->share.pass_cost(); }

  /// What a pass of one token of the draft model costs, in passes of one row of the other, as far as it is known.
  [[nodiscard]] double draft_cost() const noexcept { return shared_->unit(); }

  /// Raises an `Error` unless the draft model has a vocabulary of this size. That tokens mean the same is the caller's
  /// to know.
  void check_vocabulary(std::size_t size) const {
    if (std::size_t const own = shared_->model->vocabulary_size(); own != size)
      raise("the draft model has a vocabulary of " + std::to_string(own) + " tokens, and the model one of " +
            std::to_string(size) + ": they need the same");
  }

  /// How tokens of this turn are drawn. `independently`: with noise of its own, and the rows are kept in
  /// `Draft::drawn_from`, as a `RejectionVerifier` needs it.
  void draw_as(SamplingOptions const& options, bool independently) { own_->guesser.draw_as(options, independently); }

  void reserve(std::size_t length) {
    if constexpr (requires { own_->copying.reserve(length); }) own_->copying.reserve(length);
    own_->request.reserve(length);
    own_->withdraw();
  }

  void truncate(std::size_t length) {
    own_->withdraw();
    if (length < own_->length) own_->length = unknown;
    own_->copying.truncate(length);
    own_->request.truncate(length);
  }

  void announce(std::span<Token const> context, std::size_t room) { own_->announce(context, room); }

  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) {
    Own& own = *own_;
    if (!own.announced || own.context.data() != context.data() || own.context.size() != context.size())
      own.announce(context, space.size());
    if (!own.drafted) shared_->draft();
    return own.deliver(space);
  }

  void drafted(std::size_t length) { own_->feed(length); }

  void refer_to(std::span<std::vector<Token> const> texts) {
    if constexpr (requires { own_->copying.refer_to(texts); }) own_->copying.refer_to(texts);
  }

  void end_turn(std::span<Token const> context, std::size_t answer) {
    own_->withdraw();
    own_->learn_from(context);
    own_->length = unknown;
    shared_->gain_of_turns += (std::exchange(own_->gain_of_turn, 0.0) - shared_->gain_of_turns) / 8;
    if constexpr (requires { own_->copying.end_turn(context, answer); }) own_->copying.end_turn(context, answer);
  }

  /// The time that the draft model took is not the pass's.
  void observe_pass(PassReport report) {
    report.seconds -= std::chrono::duration<double>(std::exchange(shared_->time, {})).count();
    shared_->share.observe(report);
    if constexpr (requires { own_->copying.observe_pass(report); }) own_->copying.observe_pass(report);
  }

 private:
  static constexpr std::size_t unknown = ~std::size_t{0};
  using Request = typename DraftModel<M, Clock>::Request;

  struct Own;

  // What copies share.
  struct Shared {
    std::shared_ptr<DraftModel<M, Clock>> model;
    PassShare share;
    std::optional<double> fixed_unit;
    std::size_t fixed_length;
    ModelRecord record;
    DraftRecord copied;  // of copies that tell no chances
    std::vector<Own*> announced;
    std::vector<Request*> requests;
    typename Clock::duration time{};  // of the draft model, in this pass
    bool answered = false;            // whether the announced were drafted for
    // By whether copying is surer than the draft model from the start.
    std::array<TokenCost, 2> token_costs{};
    double gain_of_turns = 0;  // that the draft model usually has in a turn, or would have
    double tokens_gained = 1;  // by a right guess: itself, and what is copied behind it

    Shared(M& draft_model, ModelProposerOptions options)
        : model(std::make_shared<DraftModel<M, Clock>>(draft_model, std::move(options.draft_pass_cost))),
          share(std::move(options.pass_cost)),
          fixed_unit(options.draft_cost),
          fixed_length(std::min(options.fixed_length, longest_chain)) {}

    [[nodiscard]] double unit() const noexcept {
      constexpr double prior = 0.4;
      if (fixed_unit) return *fixed_unit;
      double const own = model->share().pass_cost().seconds(1);
      double const other = share.pass_cost().seconds(1);
      return own > 0 && other > 0 ? own / other : prior;
    }

    // Of feeding the draft model so many tokens.
    [[nodiscard]] double draft_cost(std::size_t tokens_fed) const noexcept {
      return unit() * model->share()(tokens_fed);
    }

    void observe_copied_behind(std::span<float const> copied_chances) noexcept {
      tokens_gained += (expected_tokens(copied_chances) - tokens_gained) / 64;
    }

    void draft() {
      timed<Clock>(time, [&] {
        requests.clear();
        for (Own* const own : announced) {
          own->ask();
          requests.push_back(&own->request);
        }
        model->answer(requests, [&](std::size_t index, auto row) { announced[index]->take(row); });
        for (Own* const own : announced) own->end();
        answered = true;
      });
    }
  };

  // What a sequence has of its own, at an address that stays.
  struct Own {
    std::shared_ptr<Shared> shared;
    Copying copying;
    Request request;
    Guesser guesser;
    bool announced = false;
    bool drafted = false;  // for the context that was announced
    std::span<Token const> context;
    std::size_t room = 0;
    std::array<Token, longest_chain> tokens{};  // the draft, as far as it goes
    std::array<float, longest_chain> chances{};
    std::array<Source, longest_chain> sources{};
    std::size_t size = 0;
    std::size_t decided = 0;  // of its first tokens, whether to ask the model
    bool copying_is_surer = false;
    double paid = 0;          // for the draft model in this step
    double gain_of_turn = 0;  // that the draft model has, or would have
    double passed_up = 0;     // gains, because the draft model is too far behind
    // The rows of tokens that were drawn independently.
    std::vector<float> rows;
    std::array<std::span<float const>, longest_chain> drawn_from{};
    std::size_t drawn = 0;  // tokens as far as the last of them
    // What is learnt from: the copied draft if it tells no chances, and what the model was asked.
    std::array<Token, longest_chain> copied{};
    std::size_t copied_size = 0;
    struct Asked {
      std::size_t place;
      ModelRecord::Evidence evidence;
      Token token;
    };
    std::array<Asked, longest_chain> asked{};
    std::size_t asked_size = 0;
    std::size_t length = unknown;  // of the context drafted for, if what follows cannot be told from a prompt
    std::size_t fed = 0;           // of the draft

    Own(std::shared_ptr<Shared> others, Copying its_copying)
        : shared(std::move(others)), copying(std::move(its_copying)), request(shared->model) {}
    Own(Own const&) = delete;
    Own& operator=(Own const&) = delete;
    ~Own() { withdraw(); }

    void withdraw() noexcept {
      if (announced) std::erase(shared->announced, this);
      announced = false;
      drafted = false;
    }

    void announce(std::span<Token const> its_context, std::size_t its_room) {
      learn_from(its_context);
      length = unknown;  // until there is a draft, should one throw
      withdraw();
      if (std::exchange(shared->answered, false)) {
        for (Own* const other : shared->announced) other->announced = false;
        shared->announced.clear();
        shared->time = {};
      }
      context = its_context;
      room = std::min(its_room, longest_chain);
      size = decided = asked_size = copied_size = drawn = 0;
      paid = 0;
      if (shared->fixed_length == 0) copy_on();
      copying_is_surer = size > 0 && chances[0] >= shared->record.expected(chances[0]);
      shared->announced.push_back(this);
      announced = true;
    }

    // Has the draft go on behind its first `size` tokens as what copies has it.
    void copy_on() {
      std::span<Token> const all = std::span(tokens).first(room);
      if constexpr (requires { copying.propose_behind(context, all, size); }) {
        add(copying.propose_behind(context, all, size));
      } else if (size == 0) {
        Draft draft = copying.propose(context, all);
        if (draft.chances.empty()) {
          copied_size = draft.length;
          std::copy_n(tokens.begin(), copied_size, copied.begin());
          shared->copied.chances(std::span(copied).first(copied_size), {}, std::span(chances).first(copied_size));
          draft.chances = std::span(chances).first(copied_size);
        }
        add(draft);
      }
    }

    void add(Draft const& draft) {
      COPYSPEC_ASSERT(size + draft.length <= room, "a draft fits into the space it was given");
      for (std::size_t i = 0; i < draft.length; ++i) {
        chances[size + i] = draft.chances[i];
        sources[size + i] =
            draft.sources.empty() ? Source::other : draft.sources[std::min(i, draft.sources.size() - 1)];
      }
      size += draft.length;
    }

    // Asks the draft model at the first place where that pays, if there is one.
    void ask() {
      std::size_t const longest = shared->model->context_limit();
      std::size_t const limit = context.size() > longest ? 0 : std::min(room, longest - context.size() + 1);
      if (shared->fixed_length > 0) {
        if (decided < std::min(shared->fixed_length, limit)) ask_at(decided);
        return;
      }
      double const worth = token_cost()(shared->share(1));
      std::span<float const> const chain = std::span<float const>(chances).first(size);
      float survival = 1;
      for (std::size_t i = 0; i < decided; ++i) survival *= chain[i];
      for (; decided < limit && decided <= size && survival > 0.02F; survival *= chain[decided++]) {
        bool const copies = decided < size;
        float const chance = copies ? chain[decided] : 0;
        float const expected = shared->record.expected(copies ? chance : -1);
        // Nearly always copying is surer, and then nothing more is to be known.
        if (copies && expected <= chance) continue;
        double const row = copies ? 0 : row_cost(decided);
        // Asked again and again, it reads what was said in between, two tokens or so; what is beyond is an investment.
        std::size_t const unfed = request.unfed(context, std::span<Token const>(tokens).first(decided));
        double const cost = shared->draft_cost(std::min(unfed, decided + 2));
        double const copied_behind = gained(chain.subspan(std::min(decided + 1, size)));
        auto const value = [&](double reach) {
          return worth * reach + std::max(worth * reach * (copied_behind - 1), guessed_behind(reach, limit, worth));
        };
        double const gain = value(static_cast<double>(survival * expected)) -
                            (copies ? value(static_cast<double>(survival * chance)) : 0) - row - cost;
        if (gain <= 0) {
          if (!copies) break;
          continue;
        }
        double const reading = shared->draft_cost(unfed) - cost;
        passed_up += gain;
        gain_of_turn += gain;
        if (passed_up + std::max(0.0, shared->gain_of_turns - gain_of_turn) < reading) break;
        ask_at(decided);
        return;
      }
      shared->record.forget_a_little();
    }

    // What a row costs in which the draft has a token at `place`.
    [[nodiscard]] double row_cost(std::size_t place) const noexcept {
      return shared->share(place + 2) - shared->share(place + 1);
    }

    // What is gained by guesses alone behind a token that is reached and right with the chance `reach`, as many as pay.
    // The model has read what is before them by then, so they are cheaper than the first.
    [[nodiscard]] double guessed_behind(double reach, std::size_t limit, double worth) const noexcept {
      auto const chance = static_cast<double>(shared->record.expected(-1));
      double const cost = shared->draft_cost(1);
      double gains = 0;
      for (std::size_t place = decided + 1; place < limit; ++place) {
        double const gain = (reach *= chance) * worth - row_cost(place) - cost;
        if (gain <= 0) break;
        gains += gain;
      }
      return gains;
    }

    // What tokens have cost in steps like this one.
    [[nodiscard]] TokenCost& token_cost() noexcept { return shared->token_costs[copying_is_surer ? 1 : 0]; }

    // How many tokens a right one brings: itself, and what is copied behind it, which is what would be copied behind
    // the copied one, or as much as usual.
    [[nodiscard]] double gained(std::span<float const> behind) const noexcept {
      return std::max(expected_tokens(behind), shared->tokens_gained);
    }

    void ask_at(std::size_t place) {
      std::span<Token const> const before = std::span<Token const>(tokens).first(place);
      paid += shared->draft_cost(request.unfed(context, before));
      passed_up = 0;
      request.ask(context, before);
    }

    // The answer to what was asked.
    template <class Row>
    void take(Row row) {
      std::optional<Guess> const guess = guesser.guess(row, context.size() + decided);
      if (!guess) return;
      bool const copies = decided < size;
      Asked& it = asked[asked_size++];
      it = {.place = decided,
            .evidence = {.confidence = guess->confidence,
                         .copied = copies ? chances[decided] : -1,
                         .same = copies && tokens[decided] == guess->token},
            .token = guess->token};
      float const chance = shared->record.chance(it.evidence);
      std::size_t const place = decided++;
      if (guesser.independently()) keep_row(place);
      if (it.evidence.same) {
        chances[place] = chance;
      } else if (!copies || guesser.independently() || chance >= chances[place]) {
        tokens[place] = guess->token;
        chances[place] = chance;
        sources[place] = Source::draft_model;
        size = decided;
        if (shared->fixed_length == 0) {
          copy_on();
          shared->observe_copied_behind(std::span<float const>(chances).subspan(decided, size - decided));
        }
      }
      ask();
    }

    // Of a token that is drawn from it whatever follows, `Draft::drawn_from`.
    void keep_row(std::size_t place) {
      std::span<float const> const row = guesser.row();
      rows.resize(std::max(rows.size(), longest_chain * row.size()));
      std::span<float> const kept = std::span(rows).subspan(place * row.size(), row.size());
      std::ranges::copy(row, kept.begin());
      std::fill(drawn_from.begin() + static_cast<std::ptrdiff_t>(drawn),
                drawn_from.begin() + static_cast<std::ptrdiff_t>(place), std::span<float const>());
      drawn_from[place] = kept;
      drawn = place + 1;
    }

    void end() {
      fed = shared->fixed_length > 0 ? size : draft_length(std::span<float const>(chances).first(size), shared->share);
      // What was drawn does not decide whether it is fed.
      fed = std::max(fed, drawn);
      drafted = true;
      length = context.size();
    }

    [[nodiscard]] Draft deliver(std::span<Token> space) {
      feed(std::min(fed, space.size()));
      std::copy_n(tokens.begin(), fed, space.begin());
      return {.length = fed,
              .sources = std::span(sources).first(fed),
              .chances = std::span(chances).first(fed),
              .drawn_from = std::span(drawn_from).first(std::min(drawn, fed))};
    }

    void feed(std::size_t count) {
      fed = count;
      if constexpr (requires { copying.drafted(count); }) copying.drafted(count);
    }

    // What was said since the last draft. More than that could have made are a prompt.
    void learn_from(std::span<Token const> now) {
      if (length == unknown || now.size() <= length || now.size() > length + fed + 1) return;
      std::span<Token const> const said = now.subspan(length);
      std::size_t const right = std::min(said.size() - 1, size);
      for (Asked const& it : std::span(asked).first(asked_size))
        if (it.place <= right) shared->record.observe(it.evidence, it.token == said[it.place]);
      if (copied_size > 0) shared->copied.observe(std::span(copied).first(copied_size), {}, said);
      token_cost().observe(said.size(), shared->share(fed + 1) + paid);
    }
  };

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Own> own_;
};

}  // namespace copyspec::inline v0
