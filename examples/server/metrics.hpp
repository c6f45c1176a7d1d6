// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "copyspec/decode/source_counters.hpp"

namespace copyspec_server {

/// Most tokens of a draft.
inline constexpr std::size_t longest_draft = 48;

/// What the server did since it started. Numbers only grow, but for those of `now`.
struct Counters {
  std::map<std::pair<std::string, int>, std::uint64_t> requests;  ///< By endpoint and HTTP status.
  std::uint64_t answers = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_prompt_tokens = 0;
  std::uint64_t generated_tokens = 0;  ///< Those that clients were shown.

  std::uint64_t passes = 0;
  std::uint64_t failed_passes = 0;
  std::uint64_t rows = 0;
  std::uint64_t tokens_fed = 0;
  double pass_seconds = 0;     ///< In forward passes.
  double outside_seconds = 0;  ///< Between them, while answers were generated.
  std::uint64_t preemptions = 0;

  std::uint64_t drafts = 0;
  copyspec::SourceCounters by_source;
  std::array<std::uint64_t, longest_draft> accepted_at = {};  ///< By position in the draft.

  double queue_seconds = 0;  ///< From arrival to the first pass, of all answers.
  double first_token_seconds = 0;
  std::uint64_t first_tokens = 0;

  struct Now {
    std::size_t running = 0;
    std::size_t waiting = 0;
    std::size_t cache_tokens = 0;  ///< Held by the engine, shared ones once for each sequence.
  } now;
};

/// The counters of a server. Threads: any number of calls.
class Metrics {
 public:
  /// Calls `change(counters)` under the lock.
  template <class Change>
  void update(Change&& change) {
    std::lock_guard const lock(mutex_);
    change(counters_);
  }

  [[nodiscard]] Counters read() const {
    std::lock_guard const lock(mutex_);
    return counters_;
  }

 private:
  std::mutex mutable mutex_;
  Counters counters_;
};

/// The counters in the text format of Prometheus, with the memory of the process.
[[nodiscard]] std::string prometheus_text(Counters const& counters);

}  // namespace copyspec_server
