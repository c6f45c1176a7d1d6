// SPDX-License-Identifier: MIT
#include "statistics.hpp"

#include <algorithm>
#include <utility>

namespace copyspec_llama {
namespace {

constexpr double collapse_factor = 3.0;

// The median over `repetitions` of what `measure` says of each.
template <class Measure>
double median_over(std::span<std::size_t const> repetitions, Measure&& measure) {
  std::vector<double> values;
  for (std::size_t const repetition : repetitions) values.push_back(measure(repetition));
  return median(std::move(values));
}

// The sum over conversations of a member of their turns, in one repetition of one way.
template <class T>
T total(std::span<ResultRef const> results, std::size_t repetition, Way way, T TurnResult::*member) {
  T sum{};
  for (ConversationResult const& result : results) sum += result.repetitions[repetition][way].total(member);
  return sum;
}

std::size_t total_tokens(std::span<ResultRef const> results, std::size_t repetition, Way way) {
  std::size_t sum = 0;
  for (ConversationResult const& result : results) sum += result.repetitions[repetition][way].tokens();
  return sum;
}

}  // namespace

double median(std::vector<double> values) {
  std::ranges::sort(values);
  std::size_t const middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool collapsed(ConversationResult const& result, std::size_t repetition) {
  return std::ranges::any_of(result.repetitions[repetition].ways(), [&](Way way) {
    auto const pass = [way](Repetition const& each) { return each[way].seconds_per_pass(); };
    double const best = pass(*std::ranges::min_element(result.repetitions, {}, pass));
    return pass(result.repetitions[repetition]) > collapse_factor * best;
  });
}

std::optional<Figures> figures(std::span<ResultRef const> results) {
  if (results.empty()) return std::nullopt;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < results.front().get().repetitions.size(); ++i) {
    if (std::ranges::none_of(results, [i](ConversationResult const& result) { return collapsed(result, i); }))
      kept.push_back(i);
  }
  if (kept.empty()) return std::nullopt;

  auto const seconds = [&](std::size_t repetition, Way way, double TurnResult::*member) {
    return total(results, repetition, way, member);
  };
  auto const rate = [&](std::size_t repetition, Way way) {
    return static_cast<double>(total_tokens(results, repetition, way)) /
           seconds(repetition, way, &TurnResult::generation);
  };
  auto const count = [&](Way way, auto TurnResult::*member) { return total(results, kept.front(), way, member); };
  std::size_t const ways = results.front().get().repetitions.front().size();
  Figures measured{.repetitions = kept.size(),
                   .prompt_tokens = count(Way::copying, &TurnResult::prompt_tokens),
                   .ways = ByWay<WayFigures>(ways)};
  for (Way const way : measured.ways.ways()) {
    WayFigures& of = measured.ways[way];
    of = {.rate = median_over(kept, [&](std::size_t i) { return rate(i, way); }),
          .over = ByWay<double>(ways),
          .outside = median_over(kept,
                                 [&](std::size_t i) {
                                   return 1.0 - seconds(i, way, &TurnResult::forward) /
                                                    seconds(i, way, &TurnResult::generation);
                                 }),
          .prefill = median_over(kept, [&](std::size_t i) { return seconds(i, way, &TurnResult::prefill); }),
          .tokens = total_tokens(results, kept.front(), way),
          .passes = count(way, &TurnResult::passes),
          .drafted = count(way, &TurnResult::drafted),
          .accepted = count(way, &TurnResult::accepted),
          .by_source = count(way, &TurnResult::by_source)};
    for (Way const other : of.over.ways())
      of.over[other] = median_over(kept, [&](std::size_t i) { return rate(i, way) / rate(i, other); });
  }
  return measured;
}

std::vector<Summary> summaries(std::span<ConversationResult const> results) {
  Summary copy_heavy{.name = "copy-heavy", .counted = {}, .left_out = {}};
  Summary fresh{.name = "fresh", .counted = {}, .left_out = {}};
  Summary all{.name = "all", .counted = {results.begin(), results.end()}, .left_out = {}};
  for (ConversationResult const& result : results) {
    if (result.conversation.group == Group::fresh) fresh.counted.emplace_back(result);
    if (result.conversation.group != Group::copy_heavy) continue;
    (result.complete() ? copy_heavy.counted : copy_heavy.left_out).emplace_back(result);
  }
  std::vector<Summary> summaries;
  for (Summary* summary : {&copy_heavy, &fresh, &all}) {
    if (summary->counted.size() + summary->left_out.size() > 0) summaries.push_back(std::move(*summary));
  }
  return summaries;
}

}  // namespace copyspec_llama
