// SPDX-License-Identifier: MIT
#include "service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

#include "../llama_cpp/terminal.hpp"
#include "api_error.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/cost/pass_cost_file.hpp"

namespace copyspec_server {
namespace {

constexpr std::chrono::seconds most_warm_up(3);

}  // namespace

Service::Service(ServiceOptions options) : options_(std::move(options)), thread_([this] { run(); }) {}

Service::~Service() {
  stop(true);
  wait();
}

ServedModel const& Service::model() const {
  switch (state_.load()) {
    case State::ready:
      return *model_;
    case State::loading:
      throw ApiError::unavailable("the model is being loaded");
    case State::failed:
      throw ApiError::unavailable("the model could not be loaded");
    default:
      throw ApiError::unavailable("the server is being stopped");
  }
}

void Service::submit(std::vector<Work> work) {
  static_cast<void>(model());
  {
    std::lock_guard const lock(mutex_);
    if (state_ != State::ready) throw ApiError::unavailable("the server is being stopped");
    if (work.size() > options_.most_waiting)
      throw ApiError::bad_request(fmt::format("a request may have at most {} prompts here", options_.most_waiting),
                                  "prompt");
    if (queue_.size() + work.size() > options_.most_waiting)
      throw ApiError::unavailable("too many prompts wait already");
    Clock::time_point const now = Clock::now();
    for (Work& one : work) queue_.push_back({std::make_shared<Work const>(std::move(one)), now});
  }
  submitted_.notify_one();
}

void Service::stop(bool now) noexcept {
  {
    std::lock_guard const lock(mutex_);
    // In this order, as loading may end in between.
    for (State from : {State::loading, State::ready}) state_.compare_exchange_strong(from, State::stopping);
    if (now) stop_now_ = true;
  }
  submitted_.notify_one();
}

void Service::wait() {
  if (thread_.joinable()) thread_.join();
}

void Service::run() {
  try {
    load();
    serve();
    decoding_->fail_all("the server was stopped", 503);
    save_costs();
    state_ = State::stopped;
  } catch (std::exception const& error) {
    error_ = error.what();
    if (decoding_) decoding_->abandon("the server failed");
    if (std::string const logged = copyspec_llama::take_engine_error(); !logged.empty())
      error_ += "; llama.cpp: " + logged;
    state_ = State::failed;
  }
  refuse_waiting();
}

void Service::load() {
  copyspec_llama::Progress progress;
  model_ = std::make_unique<ServedModel>(options_, progress);
  copyspec::MixingOptions drafting;
  if (!options_.pass_costs.empty() && std::filesystem::exists(options_.pass_costs))
    drafting.pass_cost = copyspec::PassCostFile::load(
        options_.pass_costs.string(), model_->engine.pass_cost_key(model_->file, options_.engine.threads));
  decoding_ = std::make_unique<Decoding>(
      model_->engine.context(), model_->vocabulary,
      DecodingOptions{
          .context_limit = options_.context_limit, .mixed_pass = options_.mixed_pass, .drafting = std::move(drafting)},
      metrics_);
  if (decoding_->pass_cost().levels().empty()) decoding_->warm_up(most_warm_up);
  State loading = State::loading;
  state_.compare_exchange_strong(loading, State::ready);
}

void Service::save_costs() const {
  if (!options_.pass_costs.empty() && !decoding_->pass_cost().levels().empty())
    copyspec::PassCostFile::save(options_.pass_costs.string(),
                                 model_->engine.pass_cost_key(model_->file, options_.engine.threads),
                                 decoding_->pass_cost());
}

void Service::refuse_waiting() {
  std::lock_guard const lock(mutex_);
  for (Queued const& queued : queue_)
    for (std::size_t i = 0; i < queued.work->answers; ++i)
      queued.work->channel->push({.answer = queued.work->first_answer + i,
                                  .ending = Ending{.error = "the server was stopped", .error_status = 503}});
  queue_.clear();
}

// What waits too long, or for nobody, is answered so.
void Service::drop_waiting() {
  Clock::time_point const now = Clock::now();
  std::erase_if(queue_, [&](Queued const& queued) {
    if (!queued.work->channel->closed() && now < queued.work->deadline) return false;
    for (std::size_t i = 0; i < queued.work->answers; ++i)
      queued.work->channel->push(
          {.answer = queued.work->first_answer + i,
           .ending = Ending{.error = "the time for this request was over before it began", .error_status = 504}});
    return true;
  });
}

void Service::admit() {
  std::lock_guard const lock(mutex_);
  drop_waiting();
  while (!queue_.empty() && decoding_->has_place(*queue_.front().work)) {
    Queued const next = std::move(queue_.front());
    queue_.pop_front();
    decoding_->begin(next.work, next.arrived);
  }
  metrics_.update([&](Counters& counters) {
    counters.now = {
        .running = decoding_->answers(), .waiting = queue_.size(), .cache_tokens = decoding_->tokens_held()};
  });
}

// Returns whether there may ever be more.
bool Service::wait_for_work() {
  std::unique_lock lock(mutex_);
  // Deadlines of what waits are looked at in between.
  submitted_.wait_for(lock, std::chrono::milliseconds(500), [&] { return !queue_.empty() || state_ != State::ready; });
  return state_ == State::ready || !queue_.empty();
}

void Service::serve() {
  while (!stop_now_) {
    admit();
    if (!decoding_->busy()) {
      if (!wait_for_work()) return;
      continue;
    }
    decoding_->drop_late();
    if (!decoding_->busy()) continue;
    try {
      decoding_->pass();
    } catch (std::exception const& error) {
      decoding_->fail_all(std::string("the server failed: ") + error.what());
    }
  }
}

}  // namespace copyspec_server
