// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../llama_cpp/engine.hpp"
#include "../llama_cpp/terminal.hpp"
#include "../llama_cpp/vocabulary.hpp"
#include "chat_prompt.hpp"
#include "decoding.hpp"
#include "metrics.hpp"
#include "work.hpp"

namespace copyspec_server {

struct ServiceOptions {
  std::filesystem::path model = {};
  bool f32 = false;  ///< Whether an F32 copy is decoded in its place.
  copyspec_llama::EngineOptions engine = {};
  std::size_t context_limit = 0;  ///< Most tokens of a prompt with its answer.
  std::size_t mixed_pass = 63;
  std::size_t most_waiting = 128;         ///< Prompts; more are refused.
  std::filesystem::path pass_costs = {};  ///< Read and written, if named.
};

/// A loaded model with what is known of it. Threads: any number of calls.
struct ServedModel {
  ServedModel(ServiceOptions const& options, copyspec_llama::Progress& progress)
      : file(options.f32 ? copyspec_llama::f32_copy(options.model, options.engine.threads, progress) : options.model),
        engine(file, options.engine, progress),
        vocabulary(engine.model()),
        prompt(engine.model(), vocabulary),
        context_limit(options.context_limit),
        answers(options.engine.sequences) {}

  std::filesystem::path file;
  copyspec_llama::Engine engine;
  copyspec_llama::Vocabulary vocabulary;
  ChatPrompt prompt;
  std::size_t context_limit;
  std::size_t answers;  ///< Most at a time.
};

/// The thread that owns the engine: loads the model, and generates the answers to what is submitted. Threads: any
/// number of calls.
class Service {
 public:
  enum class State : std::uint8_t { loading, ready, stopping, stopped, failed };

  /// Starts to load. Nothing is thrown for a model that cannot be loaded: `state` and `error` tell.
  explicit Service(ServiceOptions options);
  /// Stops, and waits.
  ~Service();
  Service(Service const&) = delete;
  Service& operator=(Service const&) = delete;

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Why it failed. Valid once the state is `failed`.
  [[nodiscard]] std::string const& error() const noexcept { return error_; }
  /// The model. Throws `ApiError` unless it is ready, also while it stops.
  [[nodiscard]] ServedModel const& model() const;

  /// Queues all of `work`, or throws `ApiError` and queues none: too much waits, or the service is not ready. Its
  /// answers come through the channels.
  void submit(std::vector<Work> work);

  /// Takes no more work and finishes what was submitted; with `now`, not even that. Returns at once.
  void stop(bool now) noexcept;
  /// Returns when the thread has ended.
  void wait();

  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }

 private:
  struct Queued {
    std::shared_ptr<Work const> work;
    Clock::time_point arrived;
  };

  void run();
  void load();
  void serve();
  void admit();
  void drop_waiting();
  [[nodiscard]] bool wait_for_work();
  void save_costs() const;
  void refuse_waiting();

  ServiceOptions options_;
  Metrics metrics_;
  std::atomic<State> state_ = State::loading;
  std::atomic<bool> stop_now_ = false;
  std::string error_;
  std::unique_ptr<ServedModel> model_;
  std::unique_ptr<Decoding> decoding_;  // of the thread alone

  std::mutex mutex_;
  std::condition_variable submitted_;
  std::deque<Queued> queue_;  // under the lock
  std::thread thread_;
};

}  // namespace copyspec_server
