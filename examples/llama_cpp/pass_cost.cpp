// SPDX-License-Identifier: MIT
#include "pass_cost.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "copyspec/model.hpp"
#include "copyspec/token.hpp"
#include "statistics.hpp"

namespace copyspec_llama {

PassCost measure_pass_cost(MeasuredModel& model, std::size_t rows, std::span<copyspec::Token const> text) {
  constexpr copyspec::SequenceId id{0};
  constexpr std::size_t repetitions = 7;
  std::size_t const context = std::min<std::size_t>(64, model.context_limit() / 2);
  rows = std::min({rows, model.max_tokens(), model.context_limit() - context});

  std::vector<copyspec::Token> tokens;
  for (std::size_t i = 0; i < context + rows; ++i) tokens.push_back(text[i % text.size()]);
  auto const feed = [&](std::size_t first, std::size_t count, std::size_t rows_wanted) {
    auto const start = MeasuredModel::Clock::now();
    copyspec::Segment const segment{
        .sequence = id, .tokens = std::span(tokens).subspan(first, count), .rows = rows_wanted};
    model.forward({&segment, 1});
    return std::chrono::duration<double>(MeasuredModel::Clock::now() - start).count();
  };
  for (std::size_t fed = 0; fed < context;) {
    std::size_t const count = std::min(context - fed, model.max_tokens());
    feed(fed, count, 0);
    fed += count;
  }
  std::vector<double> one;
  std::vector<double> many;
  for (std::size_t i = 0; i < repetitions; ++i) {
    one.push_back(feed(context, 1, 1));
    model.truncate(id, context);
    many.push_back(feed(context, rows, rows));
    model.truncate(id, context);
  }
  model.truncate(id, 0);
  return {.rows = rows, .relative = median(many) / median(one)};
}

}  // namespace copyspec_llama
