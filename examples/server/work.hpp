// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/decode/generate_options.hpp"
#include "copyspec/decode/sequence_counters.hpp"
#include "copyspec/decode/sequence_status.hpp"
#include "copyspec/verify/logprobs.hpp"

namespace copyspec_server {

using Clock = std::chrono::steady_clock;

/// How an answer ended.
struct Ending {
  copyspec::SequenceStatus status = copyspec::SequenceStatus::idle;
  /// Why it failed, for the client: then `status` means nothing. Empty if it did not fail.
  std::string error = {};
  int error_status = 500;         ///< The HTTP status to go with it.
  std::size_t cached_tokens = 0;  ///< Tokens of the prompt that the engine held already.
  copyspec::SequenceCounters counters = {};
};

/// New output of one answer.
struct Event {
  std::size_t answer = 0;  ///< Which answer of the request.
  std::string text = {};
  std::vector<copyspec::Token> tokens = {};
  std::vector<copyspec::Source> sources = {};                      ///< Of each token.
  std::vector<std::vector<copyspec::TokenLogprob>> logprobs = {};  ///< Of each token, if they were asked for.
  std::optional<Ending> ending = {};                               ///< In the last event of an answer.
};

/// Carries the events of one request from the engine to the client's connection. Threads: one that pushes, one that
/// takes. Never blocks the engine: what waits here is bounded by the tokens that a request may generate.
class Channel {
 public:
  void push(Event event) {
    {
      std::lock_guard const lock(mutex_);
      events_.push_back(std::move(event));
    }
    arrived_.notify_one();
  }

  /// The next event; nothing if there is none within `wait`.
  [[nodiscard]] std::optional<Event> take(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, wait, [this] { return !events_.empty(); })) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  /// Says that nobody will take events any more. The engine ends the answers in its next pass.
  void close() noexcept { closed_ = true; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Event> events_;
  std::atomic<bool> closed_ = false;
};

/// A prompt to be answered, once or several times.
struct Work {
  std::vector<copyspec::Token> prompt;
  copyspec::GenerateOptions options;  ///< Its sampling options have a seed.
  std::vector<std::string> stop;      ///< Strings that end an answer.
  std::size_t min_tokens = 0;         ///< No string ends it among the first so many tokens.
  std::size_t answers = 1;
  std::size_t first_answer = 0;  ///< The number of the first answer in the request.
  std::string tenant;            ///< Whose cache and history may be used.
  Clock::time_point deadline;
  std::shared_ptr<Channel> channel;
};

}  // namespace copyspec_server
