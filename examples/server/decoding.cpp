// SPDX-License-Identifier: MIT
#include "decoding.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <utility>

#include "copyspec/adapters/llama_cpp/error.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/detail/splitmix.hpp"

namespace copyspec_server {

using copyspec::OutputDelta;
using copyspec::PassPlan;
using copyspec::Sequence;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Token;

namespace {

copyspec::EngineLimits limits_of(copyspec::adapters::LlamaCpp const& model, std::size_t context_limit) {
  copyspec::EngineLimits limits = copyspec::limits_of(model);
  limits.context_limit = std::min(limits.context_limit, context_limit);
  return limits;
}

copyspec::MixingOptions drafting(copyspec::MixingOptions options) {
  options.draft_length = longest_draft;
  return options;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string message_of(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (std::exception const& exception) {
    return exception.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace

Decoding::Decoding(llama_context& context, copyspec_llama::Vocabulary const& vocabulary, DecodingOptions options,
                   Metrics& metrics)
    : model_(context),
      room_(llama_n_ctx(&context)),
      options_(std::move(options)),
      metrics_(&metrics),
      proposer_(drafting(options_.drafting)),
      batch_(limits_of(model_, options_.context_limit), proposer_, copyspec::SamplingVerifier()),
      text_([&vocabulary](Token token) { return vocabulary.text(token); }),
      slots_(llama_n_seq_max(&context)),
      answers_(slots_.count()) {}

void Decoding::warm_up(std::chrono::duration<double> time) {
  constexpr std::array<std::size_t, 6> counts{32, 1, 2, 4, 8, 16};
  constexpr int rounds = 4;
  constexpr auto id = SequenceId{0};
  std::vector<Token> const tokens(std::min({counts[0], model_.max_tokens(), room_}),
                                  static_cast<Token>(model_.vocabulary_size() / 2));
  Clock::time_point const begin = Clock::now();
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t const rows : counts) {
      if (rows > tokens.size()) continue;
      if (seconds_since(begin) > time.count()) return;
      copyspec::Segment const segment{.sequence = id, .tokens = std::span(tokens).first(rows), .rows = rows};
      Clock::time_point const fed = Clock::now();
      static_cast<void>(model_.forward({&segment, 1}));
      double const seconds = seconds_since(fed);
      model_.truncate(id, 0);
      // The first round makes what later ones find.
      if (round > 0) proposer_.on_pass({.rows = rows, .sequences = 1, .seconds = seconds});
    }
  }
}

template <class Visit>
void Decoding::for_each_answer(Visit&& visit) const {
  for (std::size_t i = 0; i < answers_.size(); ++i)
    if (answers_[i]) visit(SequenceId{static_cast<std::int32_t>(i)}, *answers_[i]);
}

std::size_t Decoding::tokens_held() const {
  std::size_t tokens = slots_.kept_tokens();
  for_each_answer([&](SequenceId id, Running const& answer) {
    std::size_t const cached = batch_.sequence(id).cached();
    tokens += cached - std::min(cached, answer.shared);
  });
  return tokens;
}

std::size_t Decoding::active() const {
  std::size_t count = 0;
  for_each_answer(
      [&](SequenceId id, Running const&) { count += batch_.sequence(id).running() && !batch_.paused(id) ? 1U : 0U; });
  return count;
}

bool Decoding::any_paused() const {
  bool paused = false;
  for_each_answer([&](SequenceId id, Running const&) { paused = paused || batch_.paused(id); });
  return paused;
}

bool Decoding::has_place(Work const& work) const {
  // What waits for room was there before.
  if (slots_.free() < work.answers || any_paused()) return false;
  // What ended answers left can be forgotten.
  std::size_t const taken = tokens_held() - slots_.kept_tokens();
  if (busy() && taken + work.prompt.size() + 32 * work.answers > room_) return false;
  Slots::Place const place = slots_.choose(work.prompt, work.tenant);
  if (!place.from || !answers_[static_cast<std::size_t>(*place.from)]) return true;
  // Once the other has read what both have, this need not.
  Sequence const& other = batch_.sequence(*place.from);
  return other.cached() >= place.shared || batch_.paused(*place.from);
}

void Decoding::add(SequenceId id, Running answer) {
  slots_.begin(id, answer.work->prompt, answer.work->tenant);
  answer.order = ++begun_;
  at(id) = std::move(answer);
  ++answers_running_;
}

void Decoding::begin(std::shared_ptr<Work const> const& work, Clock::time_point arrived) {
  Slots::Place const place = slots_.choose(work->prompt, work->tenant);
  try {
    begin_first(place, work, arrived);
    begin_others(place.id, work, arrived);
  } catch (std::exception const& error) {
    auto const* const refused = dynamic_cast<copyspec::Error const*>(&error);
    for (std::size_t i = 0; i < work->answers; ++i)
      work->channel->push({.answer = work->first_answer + i,
                           .ending = Ending{.error = error.what(), .error_status = refused != nullptr ? 400 : 500}});
  }
  metrics_->update([&](Counters& counters) { counters.queue_seconds += seconds_since(arrived); });
}

void Decoding::begin_first(Slots::Place const& place, std::shared_ptr<Work const> const& work,
                           Clock::time_point arrived) {
  copyspec::GenerateOptions options = work->options;
  if (place.from) {
    model_.truncate(place.id, 0);
    bool const answers = at(*place.from).has_value();
    std::size_t const held = answers ? batch_.sequence(*place.from).cached() : place.shared;
    options.cached_prefix = model_.fork(*place.from, place.id, std::min(place.shared, held));
  } else {
    options.cached_prefix = model_.truncate(place.id, place.shared);
  }
  std::size_t const cached = options.cached_prefix;
  try {
    text_.begin(place.id, {.stop = work->stop, .min_new_tokens = work->min_tokens});
    batch_.begin(place.id, work->prompt, std::move(options));
  } catch (...) {
    slots_.end(place.id, {});
    model_.truncate(place.id, 0);
    throw;
  }
  add(place.id, {.work = work,
                 .number = work->first_answer,
                 .arrived = arrived,
                 .cached = cached,
                 .shared = place.from ? cached : 0});
}

// More answers to the same prompt, which is read once.
void Decoding::begin_others(SequenceId first, std::shared_ptr<Work const> const& work, Clock::time_point arrived) {
  std::uint64_t const seed = work->options.sampling->seed.value_or(0);
  for (std::size_t i = 1; i < work->answers; ++i) {
    SequenceId const id = slots_.choose(std::span(work->prompt).first(1), work->tenant).id;
    model_.truncate(id, 0);
    slots_.end(id, {});
    try {
      text_.fork(first, id);
      batch_.fork(first, id, copyspec::detail::splitmix(seed + i));
    } catch (std::exception const& error) {
      work->channel->push(
          {.answer = work->first_answer + i, .ending = Ending{.error = error.what(), .error_status = 500}});
      continue;
    }
    add(id, {.work = work,
             .number = work->first_answer + i,
             .arrived = arrived,
             .cached = at(first)->cached,
             .shared = work->prompt.size()});
  }
}

void Decoding::settle() {
  while (auto const truncation = batch_.next_truncation())
    batch_.truncated(truncation->sequence, model_.truncate(truncation->sequence, truncation->length));
  while (auto const copy = batch_.next_copy()) batch_.copied(copy->to, model_.fork(copy->from, copy->to, copy->length));
}

// While answers are generated, a long prompt must not hold them up, nor their drafts the prompt: it is read as fast as
// without any.
Decoding::Budget Decoding::budget() const {
  std::size_t answering = 0, reading = 0;
  for_each_answer([&](SequenceId id, Running const&) {
    Sequence const& sequence = batch_.sequence(id);
    if (sequence.running() && !batch_.paused(id)) ++(sequence.pending() == 1 ? answering : reading);
  });
  std::size_t const most = model_.max_tokens();
  if (answering == 0 || reading == 0) return {.tokens = most};
  std::size_t const tokens = std::min(most, std::max(options_.mixed_pass, answering + 2 * reading));
  return {.tokens = tokens, .for_prompts = tokens};
}

bool Decoding::preempt_newest() {
  std::optional<SequenceId> newest;
  for_each_answer([&](SequenceId id, Running const& answer) {
    if (batch_.paused(id) || !batch_.sequence(id).running()) return;
    if (!newest || answer.order > at(*newest)->order) newest = id;
  });
  if (active() < 2) return false;
  model_.truncate(*newest, 0);
  batch_.preempt(*newest);
  at(*newest)->shared = 0;
  metrics_->update([](Counters& counters) { ++counters.preemptions; });
  return true;
}

// So that the next pass finds room for what it feeds.
void Decoding::make_room() {
  auto const wanted = [&] {
    std::size_t tokens = 0;
    for_each_answer([&](SequenceId id, Running const&) {
      Sequence const& sequence = batch_.sequence(id);
      if (sequence.running() && !batch_.paused(id)) tokens += sequence.pending() + longest_draft;
    });
    return std::min(tokens, budget().tokens);
  };
  while (tokens_held() + wanted() > room_) {
    if (auto const kept = slots_.evict())
      model_.truncate(*kept, 0);
    else if (!preempt_newest())
      return;
  }
}

// The oldest answer that waits goes on once there is room for it.
void Decoding::resume_waiting() {
  std::optional<SequenceId> oldest;
  for_each_answer([&](SequenceId id, Running const& answer) {
    if (batch_.paused(id) && (!oldest || answer.order < at(*oldest)->order)) oldest = id;
  });
  if (!oldest) return;
  std::size_t const taken = tokens_held() - slots_.kept_tokens();
  // What `make_room` wants for all of them, so that it does not have to wait again at once.
  std::size_t const wanted = batch_.sequence(*oldest).length() + longest_draft * (active() + 2);
  if (!batch_.running() || taken + wanted <= room_) batch_.resume(*oldest);
}

void Decoding::pass() {
  resume_waiting();
  settle();
  make_room();
  Clock::time_point const begin = Clock::now();
  Budget const most = budget();
  PassPlan const plan = batch_.plan(most.tokens, most.for_prompts);
  if (plan.segments.empty()) return emit();
  Clock::time_point const fed = Clock::now();
  copyspec::LogitsView<float> rows;
  try {
    rows = model_.forward(plan.segments);
  } catch (copyspec::adapters::LlamaCppError const& error) {
    return recover(error.what());
  }
  double const forward = seconds_since(fed);
  count(plan, forward);
  batch_.commit(rows, text_);
  settle();
  batch_.report(seconds_since(begin));
  count_verdicts();
  emit();
  metrics_->update(
      [&](Counters& counters) { counters.outside_seconds += seconds_since(last_pass_.value_or(begin)) - forward; });
  last_pass_ = busy() ? std::optional(Clock::now()) : std::nullopt;
}

// A pass that the engine refused is tried again without drafts; then with more room; then with fewer answers.
void Decoding::recover(std::string const& error) {
  metrics_->update([](Counters& counters) { ++counters.failed_passes; });
  if (batch_.fail()) return;
  settle();
  if (auto const kept = slots_.evict()) {
    model_.truncate(*kept, 0);
    return;
  }
  if (preempt_newest()) return;
  fail_all("the engine failed: " + error);
}

void Decoding::count(PassPlan const& plan, double seconds) {
  std::size_t rows = 0, tokens = 0;
  before_.clear();
  for (copyspec::Segment const& segment : plan.segments) {
    rows += segment.rows;
    tokens += segment.tokens.size();
    copyspec::SequenceCounters const& counters = batch_.sequence(segment.sequence).counters();
    before_.push_back({segment.sequence, counters.accepted, counters.draft_passes, counters.by_source});
  }
  metrics_->update([&](Counters& counters) {
    ++counters.passes;
    counters.rows += rows;
    counters.tokens_fed += tokens;
    counters.pass_seconds += seconds;
  });
}

void Decoding::count_verdicts() {
  metrics_->update([&](Counters& counters) {
    for (Before const& before : before_) {
      copyspec::SequenceCounters const& after = batch_.sequence(before.id).counters();
      counters.drafts += after.draft_passes - before.draft_passes;
      counters.by_source += after.by_source.since(before.by_source);
      for (std::size_t i = 0; i < after.accepted - before.accepted; ++i) ++counters.accepted_at[i];
    }
  });
}

void Decoding::emit() {
  std::vector<std::pair<SequenceId, Ending>> ended;
  auto const pass_on = [&](OutputDelta const& delta, std::string_view bytes) {
    Running& answer = *at(delta.sequence);
    if (!answer.has_output && !delta.tokens.empty()) {
      answer.has_output = true;
      metrics_->update([&](Counters& counters) {
        ++counters.first_tokens;
        counters.first_token_seconds += seconds_since(answer.arrived);
      });
    }
    bool const ends = delta.status != SequenceStatus::running;
    if (!bytes.empty() || !delta.tokens.empty()) {
      Event event{.answer = answer.number,
                  .text = std::string(bytes),
                  .tokens = {delta.tokens.begin(), delta.tokens.end()},
                  .sources = {delta.sources.begin(), delta.sources.end()}};
      for (std::size_t i = 0; i < delta.logprobs.size(); ++i)
        event.logprobs.emplace_back(delta.logprobs[i].begin(), delta.logprobs[i].end());
      metrics_->update([&](Counters& counters) { counters.generated_tokens += delta.tokens.size(); });
      answer.work->channel->push(std::move(event));
    }
    if (ends)
      ended.emplace_back(delta.sequence,
                         Ending{.status = delta.status, .error = delta.error ? message_of(delta.error) : ""});
  };
  batch_.emit(text_.on_text(pass_on));
  for (auto& [id, ending] : ended) end(id, std::move(ending));
}

void Decoding::end(SequenceId id, Ending ending) {
  Running const answer = std::move(*at(id));
  at(id).reset();
  --answers_running_;
  if (auto const truncation = batch_.truncation(id)) batch_.truncated(id, model_.truncate(id, truncation->length));
  Sequence const& sequence = batch_.sequence(id);
  ending.cached_tokens = answer.cached;
  ending.counters = sequence.counters();
  slots_.end(id, sequence.context().first(sequence.cached()));
  batch_.remove(id);
  text_.remove(id);
  metrics_->update([&](Counters& counters) {
    ++counters.answers;
    // All answers to a prompt read it once.
    if (answer.number != answer.work->first_answer) return;
    counters.prompt_tokens += answer.work->prompt.size();
    counters.cached_prompt_tokens += answer.cached;
  });
  answer.work->channel->push({.answer = answer.number, .ending = std::move(ending)});
}

void Decoding::drop_late() {
  std::vector<std::pair<SequenceId, Ending>> dropped;
  Clock::time_point const now = Clock::now();
  for_each_answer([&](SequenceId id, Running const& answer) {
    if (answer.work->channel->closed())
      dropped.emplace_back(id, Ending{.error = "the client has left", .error_status = 499});
    else if (now >= answer.work->deadline)
      dropped.emplace_back(id, Ending{.error = "the time for this request is over", .error_status = 504});
  });
  for (auto& [id, ending] : dropped) end(id, std::move(ending));
}

void Decoding::fail_all(std::string const& error, int status) {
  std::vector<SequenceId> ids;
  for_each_answer([&](SequenceId id, Running const&) { ids.push_back(id); });
  for (SequenceId const id : ids) end(id, {.error = error, .error_status = status});
}

void Decoding::abandon(std::string const& error) noexcept {
  for_each_answer([&](SequenceId, Running const& answer) {
    answer.work->channel->push({.answer = answer.number, .ending = Ending{.error = error}});
  });
}

}  // namespace copyspec_server
