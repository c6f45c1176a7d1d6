// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "toy_language.hpp"

namespace copyspec_test {

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::testing::ToyModelOptions;

// A toy model that has lost its mind after so many tokens of a sequence.
class PoisonedModel {
 public:
  PoisonedModel(ToyModelOptions const& options, std::map<SequenceId, std::size_t> bad_after, bool nan)
      : toy_(options), bad_after_(std::move(bad_after)), nan_(nan) {}
  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }
  LogitsView<float> forward(std::span<Segment const> batch) {
    auto const rows = toy_.forward(batch);
    rows_.assign(rows.data(), rows.data() + rows.rows() * rows.vocabulary());
    std::size_t row = 0;
    for (Segment const& segment : batch) {
      for (std::size_t i = 0; i < segment.rows; ++i, ++row) {
        auto const bad = bad_after_.find(segment.sequence);
        if (bad == bad_after_.end() || toy_.held(segment.sequence).size() - segment.rows + i + 1 != bad->second)
          continue;
        auto const values = std::span<float>(rows_).subspan(row * vocabulary_size(), vocabulary_size());
        if (nan_)
          values[values.size() / 2] = std::numeric_limits<float>::quiet_NaN();
        else
          std::ranges::fill(values, -std::numeric_limits<float>::infinity());
      }
    }
    return {rows_.data(), rows.rows(), rows.vocabulary()};
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  Toy toy_;
  std::map<SequenceId, std::size_t> bad_after_;
  bool nan_;
  std::vector<float> rows_;
};

}  // namespace copyspec_test
