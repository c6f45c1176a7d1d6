// SPDX-License-Identifier: MIT
//
// The smallest engine that is a copyspec::Model: five functions. This one says the next number, over and over; a real
// one runs a network in `forward` and lowers a counter of its cache in `truncate`.

#include <copyspec/copyspec.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/pass_curve.hpp>
#include <copyspec/testing/pass_curve_report.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <span>
#include <vector>

class MyEngine {
 public:
  std::size_t vocabulary_size() const;  // length of a row
  std::size_t max_tokens() const;       // most tokens fed in one pass; prompts are chunked to it
  std::size_t context_limit() const;    // most tokens held for one sequence

  // Feeds each segment's tokens after what its sequence holds. Returns the rows asked for, in batch order.
  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch);

  // Forgets all but the first `length` tokens of a sequence. Returns how many are still held.
  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length);

 private:
  std::map<copyspec::SequenceId, std::vector<copyspec::Token>> held_;
  std::vector<float> rows_;
};
static_assert(copyspec::Model<MyEngine>);

std::size_t MyEngine::vocabulary_size() const {
  return 100;
}
std::size_t MyEngine::max_tokens() const {
  return 64;
}
std::size_t MyEngine::context_limit() const {
  return 1000;
}

copyspec::LogitsView<float> MyEngine::forward(std::span<copyspec::Segment const> batch) {
  rows_.clear();
  std::size_t count = 0;
  for (copyspec::Segment const& segment : batch) {
    auto& held = held_[segment.sequence];
    held.insert(held.end(), segment.tokens.begin(), segment.tokens.end());
    for (copyspec::Token const token : segment.tokens.last(segment.rows)) {
      rows_.resize(++count * vocabulary_size());
      rows_[rows_.size() - vocabulary_size() + static_cast<std::size_t>(token + 1) % vocabulary_size()] = 1;
    }
  }
  return {rows_.data(), count, vocabulary_size()};
}

std::size_t MyEngine::truncate(copyspec::SequenceId sequence, std::size_t length) {
  auto const found = held_.find(sequence);
  if (found == held_.end()) return 0;
  found->second.resize(std::min(found->second.size(), length));
  if (length > 0) return found->second.size();
  held_.erase(found);
  return 0;
}

int main() {
  MyEngine engine;

  auto const report = copyspec::testing::check_model_laws(engine, {.tolerance = 1e-2});
  for (auto const& violation : report.violations) std::puts(violation.c_str());

  auto const levels = copyspec::testing::measure_pass_curve(engine, {.context = 100});
  std::puts(copyspec::testing::describe_pass_curve(levels).c_str());
  std::puts(copyspec::testing::pass_cost_source(levels).c_str());

  copyspec::Composer composer(engine, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  auto const answer = composer.generate(std::vector<copyspec::Token>{5, 6}, {.max_new_tokens = 3});
  bool const right = std::ranges::equal(answer, std::vector<copyspec::Token>{7, 8, 9});
  return report.violations.empty() && right ? EXIT_SUCCESS : EXIT_FAILURE;
}
