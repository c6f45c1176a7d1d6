// SPDX-License-Identifier: MIT
#include <copyspec/testing/detail/shift_laws.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/model/shifting_model.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

#include "support/law_text.hpp"
#include "support/toy_language.hpp"

using copyspec::SequenceId;
using copyspec::detail::ShiftLaws;
using copyspec::testing::check_model_laws;
using copyspec::testing::LawReport;
using copyspec_test::breaks;
using copyspec_test::text;
using copyspec_test::Toy;

namespace {

enum class Flaw {
  none,
  removes_too_much,
  removes_too_little,
  says_otherwise,
  removes_the_front,
  cuts_others,
  refuses,
  refuses_late
};

struct FlawedShifts : Toy {
  explicit FlawedShifts(Flaw own) : flaw(own) {}

  std::size_t shift(SequenceId sequence, std::size_t first, std::size_t count) {
    std::size_t const held = Toy::held(sequence).size();
    if (flaw == Flaw::refuses) throw std::runtime_error("it cannot shift");
    if (flaw == Flaw::refuses_late) {
      Toy::shift(sequence, first, count);
      throw std::runtime_error("it cannot shift, and has");
    }
    if (flaw == Flaw::removes_too_little) return Toy::shift(sequence, first, count - 1);
    if (flaw == Flaw::removes_the_front) return Toy::shift(sequence, 0, count);
    std::size_t const left = Toy::shift(sequence, first, count);
    if (flaw == Flaw::removes_too_much) return truncate(sequence, left - 1);
    if (flaw == Flaw::says_otherwise) return held;
    if (flaw == Flaw::cuts_others && !Toy::held(SequenceId{1}).empty())
      truncate(SequenceId{1}, Toy::held(SequenceId{1}).size() - 1);
    return left;
  }

  Flaw flaw;
};

LawReport check(Flaw flaw, std::optional<SequenceId> second = SequenceId{1}) {
  FlawedShifts model(flaw);
  return ShiftLaws<FlawedShifts>(model, {.second = second}).check();
}

}  // namespace

TEST_CASE("a toy model keeps what is promised of shifts, whatever its passes and checkpoints") {
  for (std::size_t const max_tokens : {1U, 3U, 512U}) {
    for (std::size_t const interval : {1U, 4U, 100U}) {
      for (std::size_t length = 4; length < 30; length += 5) {
        Toy model(
            {.vocabulary = 5, .max_tokens = max_tokens, .context_limit = length, .checkpoint_interval = interval});
        CHECK(text(ShiftLaws<Toy>(model, {.length = length, .seed = length}).check()) == "");
        CHECK(model.held(SequenceId{0}).empty());
        CHECK(model.held(SequenceId{1}).empty());
      }
    }
  }
}

TEST_CASE("a shift that breaks its promise is named") {
  CHECK(text(check(Flaw::none)) == "");
  CHECK(text(check(Flaw::none, std::nullopt)) == "");
  // It may hold fewer, as after `truncate`.
  CHECK(text(check(Flaw::removes_too_much)) == "");
  for (Flaw const flaw : {Flaw::removes_too_little, Flaw::says_otherwise, Flaw::removes_the_front}) {
    CAPTURE(static_cast<int>(flaw));
    CHECK(breaks(check(flaw), "shift"));
    CHECK(breaks(check(flaw, std::nullopt), "shift"));
  }
  CHECK(breaks(check(Flaw::cuts_others), "isolation"));
  CHECK(text(check(Flaw::refuses)) == "");
  CHECK(breaks(check(Flaw::refuses_late), "shift"));
  CHECK_FALSE(breaks(check(Flaw::cuts_others), "shift"));
}

TEST_CASE("a model that shifts is held to these laws with all others") {
  FlawedShifts model(Flaw::removes_too_little);
  CHECK(breaks(check_model_laws(model), "shift"));
}
