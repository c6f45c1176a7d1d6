// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <copyspec/core/token.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/model/model.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

// What a `CompanionModel` is like.
struct CompanionOptions {
  std::uint32_t wrong_percent = 30;   // of its rows are another model's
  std::uint32_t invalid_percent = 0;  // of its rows are NaN
  std::size_t throws_every = 0;       // so many passes; 0 is never
};

// A draft model for a `ToyModel`: says what that would say, except behind some contexts. Counts what it was fed.
class CompanionModel {
 public:
  struct Failure : std::runtime_error {
    Failure() : std::runtime_error("the companion has failed") {}
  };

  CompanionModel(copyspec::testing::ToyModelOptions const& toy, CompanionOptions const& options)
      : toy_(toy), options_(options) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }

  [[nodiscard]] std::size_t passes() const { return passes_; }
  [[nodiscard]] std::size_t fed() const { return fed_; }
  [[nodiscard]] std::size_t largest_batch() const { return largest_batch_; }

  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    if (options_.throws_every > 0 && ++calls_ % options_.throws_every == 0) throw Failure();
    ++passes_;
    largest_batch_ = std::max(largest_batch_, batch.size());
    for (copyspec::Segment const& segment : batch) fed_ += segment.tokens.size();
    auto const rows = toy_.forward(batch);
    std::size_t const vocabulary = vocabulary_size();
    logits_.resize(rows.rows() * vocabulary);
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      auto const row = rows.row(i);
      std::span<float> const out = std::span(logits_).subspan(i * vocabulary, vocabulary);
      std::ranges::copy(row, out.begin());
      // What is done to a row depends on the row alone, so the laws of a model are kept.
      std::uint32_t const dice = std::bit_cast<std::uint32_t>(row[0]) * 2654435761U >> 8U;
      if (dice % 100 < options_.wrong_percent) std::rotate(out.begin(), out.begin() + 1, out.end());
      if (dice / 100 % 100 < options_.invalid_percent) out[0] = std::numeric_limits<float>::quiet_NaN();
    }
    return {logits_.data(), rows.rows(), vocabulary};
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  copyspec::testing::ToyModel<float> toy_;
  CompanionOptions options_;
  std::vector<float> logits_;
  std::size_t calls_ = 0;
  std::size_t passes_ = 0;
  std::size_t fed_ = 0;
  std::size_t largest_batch_ = 0;
};

static_assert(copyspec::Model<CompanionModel>);
