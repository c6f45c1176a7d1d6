// SPDX-License-Identifier: MIT
#include <copyspec/testing/detail/fork_laws.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/forking_model.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/law_text.hpp"
#include "support/tokens.hpp"
#include "support/toy_language.hpp"

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::detail::ForkLaws;
using copyspec::testing::check_model_laws;
using copyspec::testing::LawReport;
using copyspec_test::breaks;
using copyspec_test::text;
using copyspec_test::Tokens;
using copyspec_test::Toy;

namespace {

enum class Flaw {
  none,
  copies_one_more,
  copies_fewer_and_says_otherwise,
  copies_other_tokens,
  copies_nothing_and_says_otherwise,
  shares_what_is_fed,
  takes_instead_of_copying,
  forgets_both,
  truncates_both,
};

// A toy model whose copies have a flaw.
class FlawedForks {
 public:
  explicit FlawedForks(Flaw flaw) : flaw_(flaw) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }

  LogitsView<float> forward(std::span<Segment const> batch) {
    if (flaw_ == Flaw::shares_what_is_fed && other_)
      for (Segment const& segment : batch) {
        // The newest token of the other is overwritten.
        SequenceId const other = segment.sequence == other_->first ? other_->second : other_->first;
        std::size_t const held = toy_.held(other).size();
        if (held == 0) continue;
        toy_.truncate(other, held - 1);
        Segment const overwriting{.sequence = other, .tokens = segment.tokens.last(1), .rows = 0};
        toy_.forward({&overwriting, 1});
      }
    return toy_.forward(batch);
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    bool const both = other_ && (flaw_ == Flaw::truncates_both || (flaw_ == Flaw::forgets_both && length == 0));
    if (both) toy_.truncate(sequence == other_->first ? other_->second : other_->first, length);
    return toy_.truncate(sequence, length);
  }

  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    other_ = {from, to};
    if (flaw_ == Flaw::copies_nothing_and_says_otherwise) return length;
    std::size_t const more = flaw_ == Flaw::copies_one_more && length < toy_.held(from).size() ? 1 : 0;
    std::size_t held = toy_.fork(from, to, length + more);
    if (flaw_ == Flaw::copies_fewer_and_says_otherwise) {
      toy_.truncate(to, length - 1);
      return length;
    }
    if (flaw_ == Flaw::copies_other_tokens) {
      toy_.truncate(to, length - 1);
      Tokens const wrong{(toy_.held(from)[length - 1] + 1) % 32};
      Segment const segment{.sequence = to, .tokens = wrong, .rows = 0};
      toy_.forward({&segment, 1});
    }
    if (flaw_ == Flaw::takes_instead_of_copying) toy_.truncate(from, 0);
    return held;
  }

 private:
  struct Pair {
    SequenceId first, second;
  };
  Flaw flaw_;
  Toy toy_;
  std::optional<Pair> other_;
};

static_assert(copyspec::ForkingModel<FlawedForks>);

LawReport check(Flaw flaw) {
  FlawedForks model(flaw);
  return ForkLaws<FlawedForks>(model).check();
}

}  // namespace

TEST_CASE("a toy model keeps the laws of copies, whatever its passes and checkpoints") {
  for (std::size_t const max_tokens : {1U, 3U, 512U}) {
    for (std::size_t const interval : {1U, 4U, 100U}) {
      for (std::size_t length = 4; length < 30; length += 5) {
        Toy model(
            {.vocabulary = 5, .max_tokens = max_tokens, .context_limit = length, .checkpoint_interval = interval});
        CHECK(text(ForkLaws<Toy>(model, {.length = length, .seed = length}).check()) == "");
        CHECK(model.held(SequenceId{0}).empty());
        CHECK(model.held(SequenceId{1}).empty());
      }
    }
  }
}

TEST_CASE("an engine for one sequence copies none, and is not held to these laws") {
  FlawedForks model(Flaw::copies_other_tokens);
  CHECK(ForkLaws<FlawedForks>(model, {.second = std::nullopt}).check().ok());
}

TEST_CASE("a broken law of copies is named") {
  CHECK(text(check(Flaw::none)) == "");
  for (Flaw const flaw : {Flaw::copies_one_more, Flaw::copies_fewer_and_says_otherwise, Flaw::copies_other_tokens,
                          Flaw::copies_nothing_and_says_otherwise}) {
    CAPTURE(static_cast<int>(flaw));
    CHECK(breaks(check(flaw), "copy"));
  }
  for (Flaw const flaw :
       {Flaw::shares_what_is_fed, Flaw::takes_instead_of_copying, Flaw::forgets_both, Flaw::truncates_both}) {
    CAPTURE(static_cast<int>(flaw));
    CHECK(breaks(check(flaw), "isolation"));
  }
}

TEST_CASE("a model that copies is held to these laws with all others") {
  FlawedForks model(Flaw::copies_other_tokens);
  CHECK(breaks(check_model_laws(model), "copy"));
  FlawedForks right(Flaw::none);
  CHECK(text(check_model_laws(right)) == "");
}
