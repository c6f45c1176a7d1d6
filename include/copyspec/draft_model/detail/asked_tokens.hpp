// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "../../core/assert.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "draft_model_calibration.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What a draft model was asked for one draft, and what it answered; compared with what was generated.
///
/// O(1) an answer. No allocation. Threads: one call at a time.
class AskedTokens {
 public:
  void clear() noexcept { size_ = 0; }

  /// It answered `token` at `place` of the draft. Needs at most `max_predicted_tokens` answers.
  void add(std::size_t place, DraftModelSample const& sample, Token token) noexcept {
    COPYSPEC_ASSERT(size_ < asked_.size(), "one answer a place");
    asked_[size_++] = {.place = place, .sample = sample, .token = token};
  }

  /// `generated` followed, of which the first `right` tokens are the draft's: `calibration` learns from each answer
  /// whose place has the tokens before it that it was asked after.
  void observe(std::span<Token const> generated, std::size_t right, DraftModelCalibration& calibration) const noexcept {
    for (Asked const& it : std::span(asked_).first(size_))
      if (it.place <= right) calibration.observe(it.sample, it.token == generated[it.place]);
  }

 private:
  struct Asked {
    std::size_t place;
    DraftModelSample sample;
    Token token;
  };

  std::array<Asked, max_predicted_tokens> asked_{};
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
