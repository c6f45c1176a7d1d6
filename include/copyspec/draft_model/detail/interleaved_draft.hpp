// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/acceptance_tracker.hpp"
#include "../../cost/draft_length.hpp"
#include "../../cost/pass_cost.hpp"
#include "../../detail/stopwatch.hpp"
#include "../../draft/proposer.hpp"
#include "../../model/model.hpp"
#include "draft_model_calibration.hpp"
#include "draft_model_gain.hpp"
#include "draft_model_runner.hpp"
#include "draft_sampler.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

template <Model M, DraftProposer Copying, class Clock>
struct InterleavedDraft;

/// What the drafts of `ModelProposer`s that are copies of one another share: the draft model, what was learnt, and
/// which of them are drafted for in the next passes of the draft model. Threads: one call at a time.
template <Model M, DraftProposer Copying, class Clock>
struct InterleavedDraftGroup {
  std::shared_ptr<DraftModelRunner<M, Clock>> model;
  DraftModelGain gain;
  std::size_t fixed_length;
  AcceptanceTracker copied;  // of copies that tell no probabilities
  std::vector<InterleavedDraft<M, Copying, Clock>*> announced;
  std::vector<typename DraftModelRunner<M, Clock>::Slot*> requests;
  typename Clock::duration time{};  // of the draft model, in this pass
  bool answered = false;            // whether the announced were drafted for
  double gain_of_turns = 0;         // that the draft model usually has in a turn, or would have

  InterleavedDraftGroup(M& draft_model, PassCost pass_cost, PassCost draft_pass_cost, std::optional<double> draft_cost,
                        std::size_t its_fixed_length)
      : model(std::make_shared<DraftModelRunner<M, Clock>>(draft_model, std::move(draft_pass_cost))),
        gain(std::move(pass_cost), model->share(), draft_cost),
        fixed_length(std::min(its_fixed_length, max_draft_tokens)) {}

  // Drafts for all that are announced.
  void draft() {
    timed<Clock>(time, [&] {
      requests.clear();
      for (InterleavedDraft<M, Copying, Clock>* const own : announced) {
        own->ask();
        requests.push_back(&own->request);
      }
      model->answer(requests, [&](std::size_t index, auto row) { announced[index]->take(row); });
      for (InterleavedDraft<M, Copying, Clock>* const own : announced) own->end();
      answered = true;
    });
  }
};

/// The draft of one sequence as a `ModelProposer` makes it: of copied tokens and guesses in turn. It is announced, asks
/// the draft model as often as that pays, takes its answers, and is delivered; what was said is learnt from when the
/// next one is announced. Its address stays. Threads: one call at a time, all that share a draft model together.
template <Model M, DraftProposer Copying, class Clock>
struct InterleavedDraft {
  static constexpr std::size_t unknown = ~std::size_t{0};
  // A gain is that of several tokens. A step that passes it up says some of them, and the next passes up the rest
  // again.
  static constexpr double overlap = 1.5;

  std::shared_ptr<InterleavedDraftGroup<M, Copying, Clock>> shared;
  Copying copying;
  typename DraftModelRunner<M, Clock>::Slot request;
  DraftSampler guesser;
  bool announced = false;
  bool drafted = false;  // for the context that was announced
  std::span<Token const> context;
  std::size_t room = 0;
  std::array<Token, max_draft_tokens> tokens{};  // the draft, as far as it goes
  std::array<float, max_draft_tokens> probabilities{};
  std::array<Source, max_draft_tokens> sources{};
  std::size_t size = 0;
  std::size_t decided = 0;  // of its first tokens, whether to ask the model
  bool copying_is_surer = false;
  double paid = 0;          // for the draft model in this step
  double gain_of_turn = 0;  // that the draft model has, or would have
  double passed_up = 0;     // gains, because the draft model is too far behind
  // The rows of tokens that were drawn independently.
  std::vector<float> rows;
  std::array<std::span<float const>, max_draft_tokens> drawn_from{};
  std::size_t drawn = 0;  // tokens as far as the last of them
  // What is learnt from: the copied draft if it tells no probabilities, and what the model was asked.
  std::array<Token, max_draft_tokens> copied{};
  std::size_t copied_size = 0;
  struct Asked {
    std::size_t place;
    DraftModelSample sample;
    Token token;
  };
  std::array<Asked, max_draft_tokens> asked{};
  std::size_t asked_size = 0;
  std::size_t length = unknown;  // of the context drafted for, if what follows cannot be told from a prompt
  std::size_t fed = 0;           // of the draft

  InterleavedDraft(std::shared_ptr<InterleavedDraftGroup<M, Copying, Clock>> others, Copying its_copying)
      : shared(std::move(others)), copying(std::move(its_copying)), request(shared->model) {}
  InterleavedDraft(InterleavedDraft const&) = delete;
  InterleavedDraft& operator=(InterleavedDraft const&) = delete;
  ~InterleavedDraft() { withdraw(); }

  void withdraw() noexcept {
    if (announced) std::erase(shared->announced, this);
    announced = false;
    drafted = false;
  }

  void prepare(std::span<Token const> its_context, std::size_t its_room) {
    learn_from(its_context);
    length = unknown;  // until there is a draft, should one throw
    withdraw();
    if (std::exchange(shared->answered, false)) {
      for (InterleavedDraft* const other : shared->announced) other->announced = false;
      shared->announced.clear();
      shared->time = {};
    }
    context = its_context;
    room = std::min(its_room, max_draft_tokens);
    size = decided = asked_size = copied_size = drawn = 0;
    paid = 0;
    if (shared->fixed_length == 0) copy_on();
    copying_is_surer = size > 0 && shared->gain.copying_is_surer(probabilities[0]);
    shared->announced.push_back(this);
    announced = true;
  }

  // Has the draft go on behind its first `size` tokens as what copies has it.
  void copy_on() {
    std::span<Token> const all = std::span(tokens).first(room);
    if constexpr (requires { copying.propose_after(context, all, size); }) {
      add(copying.propose_after(context, all, size));
    } else if (size == 0) {
      Draft draft = copying.propose(context, all);
      if (draft.probabilities.empty()) {
        copied_size = draft.length;
        std::copy_n(tokens.begin(), copied_size, copied.begin());
        shared->copied.probabilities(std::span(copied).first(copied_size), {},
                                     std::span(probabilities).first(copied_size));
        draft.probabilities = std::span(probabilities).first(copied_size);
      }
      add(draft);
    }
  }

  void add(Draft const& draft) {
    COPYSPEC_ASSERT(size + draft.length <= room, "a draft fits into the space it was given");
    for (std::size_t i = 0; i < draft.length; ++i) {
      probabilities[size + i] = draft.probabilities[i];
      sources[size + i] = draft.sources.empty() ? Source::other : draft.sources[std::min(i, draft.sources.size() - 1)];
    }
    size += draft.length;
  }

  // Asks the draft model at the first place where that pays, if there is one.
  void ask() {
    std::size_t const longest = shared->model->context_limit();
    std::size_t const limit = context.size() > longest ? 0 : std::min(room, longest - context.size() + 1);
    if (shared->fixed_length > 0) {
      if (decided < std::min(shared->fixed_length, limit)) ask_here(request.unfed(context, before()));
      return;
    }
    std::span<float const> const chain = std::span<float const>(probabilities).first(size);
    DraftModelGain const& gain = shared->gain;
    float survival = 1;
    for (std::size_t i = 0; i < decided; ++i) survival *= chain[i];
    for (; decided < limit && decided <= size && survival > 0.02F; survival *= chain[decided++]) {
      // Nearly always it is, and then nothing more is to be known.
      if (decided < size && gain.copying_is_surer(chain[decided])) continue;
      DraftModelGain::Place const place{.chain = chain,
                                        .place = decided,
                                        .survival = survival,
                                        .limit = limit,
                                        .unfed = request.unfed(context, before()),
                                        .copying_is_surer = copying_is_surer};
      double const gained = gain(place);
      if (gained <= 0) {
        if (decided == size) break;
        continue;
      }
      double const reading = gain.draft_cost(place.unfed) - gain.draft_cost(DraftModelGain::recent(place));
      passed_up += gained / overlap;
      gain_of_turn += gained / overlap;
      if (passed_up + std::max(0.0, shared->gain_of_turns - gain_of_turn) < reading) break;
      ask_here(place.unfed);
      return;
    }
    shared->gain.record().forget_a_little();
  }

  // For which the model has to be fed so many tokens.
  void ask_here(std::size_t unfed) {
    paid += shared->gain.draft_cost(unfed);
    passed_up = 0;
    request.ask(context, before());
  }

  // The draft as far as it is decided.
  [[nodiscard]] std::span<Token const> before() const noexcept { return std::span(tokens).first(decided); }

  // The answer to what was asked.
  template <class Row>
  void take(Row row) {
    std::optional<DraftToken> const guess = guesser.guess(row, context.size() + decided);
    if (!guess) return;
    bool const copies = decided < size;
    Asked& it = asked[asked_size++];
    it = {.place = decided,
          .sample = {.confidence = guess->confidence,
                     .copied = copies ? probabilities[decided] : -1,
                     .same = copies && tokens[decided] == guess->token},
          .token = guess->token};
    float const chance = shared->gain.record().chance(it.sample);
    std::size_t const place = decided++;
    if (guesser.independently()) keep_row(place);
    if (it.sample.same) {
      probabilities[place] = chance;
    } else if (!copies || guesser.independently() || chance >= probabilities[place]) {
      tokens[place] = guess->token;
      probabilities[place] = chance;
      sources[place] = Source::draft_model;
      size = decided;
      if (shared->fixed_length == 0) {
        copy_on();
        shared->gain.observe_copied_behind(std::span<float const>(probabilities).subspan(decided, size - decided));
      }
    }
    ask();
  }

  // Of a token that is drawn from it whatever follows, `Draft::drawn_from`.
  void keep_row(std::size_t place) {
    std::span<float const> const row = guesser.row();
    rows.resize(std::max(rows.size(), max_draft_tokens * row.size()));
    std::span<float> const kept = std::span(rows).subspan(place * row.size(), row.size());
    std::ranges::copy(row, kept.begin());
    std::fill(drawn_from.begin() + static_cast<std::ptrdiff_t>(drawn),
              drawn_from.begin() + static_cast<std::ptrdiff_t>(place), std::span<float const>());
    drawn_from[place] = kept;
    drawn = place + 1;
  }

  void end() {
    fed = shared->fixed_length > 0
              ? size
              : draft_length(std::span<float const>(probabilities).first(size), shared->gain.share());
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
            .probabilities = std::span(probabilities).first(fed),
            .drawn_from = std::span(drawn_from).first(std::min(drawn, fed))};
  }

  void feed(std::size_t count) {
    fed = count;
    if constexpr (requires { copying.on_draft_chosen(count); }) copying.on_draft_chosen(count);
  }

  // What was said since the last draft. More than that could have made are a prompt.
  void learn_from(std::span<Token const> now) {
    if (length == unknown || now.size() <= length || now.size() > length + fed + 1) return;
    std::span<Token const> const said = now.subspan(length);
    std::size_t const right = std::min(said.size() - 1, size);
    for (Asked const& it : std::span(asked).first(asked_size))
      if (it.place <= right) shared->gain.record().observe(it.sample, it.token == said[it.place]);
    if (copied_size > 0) shared->copied.observe(std::span(copied).first(copied_size), {}, said);
    shared->gain.observe_step(copying_is_surer, said.size(), shared->gain.share()(fed + 1) + paid);
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
