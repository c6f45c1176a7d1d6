// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>

#include "copyspec/core/token.hpp"
#include "copyspec/model/engine.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/model/tree_model.hpp"

namespace copyspec::bench {

/// A clock that stands still except for `advance`. Each thread has its own.
struct ModelledClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ModelledClock>;
  static constexpr bool is_steady = true;

  [[nodiscard]] static time_point now() noexcept { return time_point(elapsed()); }
  static void advance(duration time) noexcept { elapsed() += time; }

 private:
  static duration& elapsed() noexcept {
    thread_local duration time{};
    return time;
  }
};

/// What passes cost, and how unsteadily they are timed.
struct PassTimeSettings {
  double marginal_cost = 0.06;  ///< What each row after the first adds.
  double second_row = 0;        ///< What the second row adds besides, as where it means another kernel.
  double noise = 0;             ///< Passes take longer by an exponential share with this mean.
  double outliers = 0;          ///< The share of passes that take thirty times as long.
  std::uint64_t seed = 1;
};

/// Draws how long passes take. The same for the same settings and order of calls, with every standard library.
class PassTime {
 public:
  explicit PassTime(PassTimeSettings const& settings) : settings_(settings), engine_(settings.seed) {}

  /// Of a pass of `rows` rows. A pass of one row takes a millisecond, without noise.
  [[nodiscard]] std::chrono::nanoseconds operator()(std::size_t rows) {
    double cost = 1 + settings_.marginal_cost * static_cast<double>(rows > 0 ? rows - 1 : 0);
    if (rows > 1) cost += settings_.second_row;
    cost *= 1 - settings_.noise * std::log(1 - uniform());
    if (uniform() < settings_.outliers) cost *= 30;
    return std::chrono::nanoseconds(std::llround(1e6 * cost));
  }

 private:
  // Within [0, 1).
  [[nodiscard]] double uniform() { return std::ldexp(static_cast<double>(engine_() >> 11U), -53); }

  PassTimeSettings settings_;
  std::mt19937_64 engine_;
};

/// Any model as one whose passes take the time that `PassTime` draws for their rows, on the modelled clock. Borrows
/// `time`.
template <Model M>
class TimedModel {
 public:
  TimedModel(M model, PassTime& time) : model_(std::move(model)), time_(&time) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return model_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return model_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return model_.context_limit(); }
  [[nodiscard]] std::size_t max_branches() const requires TreeModel<M> { return model_.max_branches(); }
  [[nodiscard]] auto const& checkpoint_counters() const requires requires(M const& model) {
    model.checkpoint_counters();
  }
  { return model_.checkpoint_counters(); }

  LogitsOf<M> forward(std::span<Segment const> batch) { return timed(batch); }
  LogitsOf<M> forward(std::span<TreeSegment const> batch) requires TreeModel<M> { return timed(batch); }
  std::size_t truncate(SequenceId sequence, std::size_t length) { return model_.truncate(sequence, length); }
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) requires TreeModel<M> {
    return model_.keep(sequence, length, path);
  }

 private:
  template <class Batch>
  LogitsOf<M> timed(Batch batch) {
    auto const rows = model_.forward(batch);
    ModelledClock::advance((*time_)(rows.rows()));
    return rows;
  }

  M model_;
  PassTime* time_;
};

}  // namespace copyspec::bench
