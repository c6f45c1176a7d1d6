// SPDX-License-Identifier: MIT
#include <copyspec/testing/model_laws.hpp>

#include <doctest/doctest.h>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/law_text.hpp"

namespace {

using copyspec::LogitsView;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::check_model_laws;
using copyspec::testing::LawOptions;
using copyspec::testing::LawReport;
using copyspec::testing::ToyModel;
using copyspec::testing::ToyModelOptions;
using copyspec_test::text;

std::string law_of(std::string const& violation) {
  return violation.substr(0, violation.find(':'));
}

// What can be wrong with a model.
enum class Flaw {
  none,
  looks_ahead,
  forgets_nothing,
  keeps_old_state,
  reverses_rows,
  reverses_segments,
  mixes_sequences_up,
  returns_too_few_rows,
  returns_too_many_rows,
  returns_short_rows,
  counts_within_a_pass,
  heeds_its_neighbours,
  heeds_the_rows_asked_for,
  forgets_all_or_nothing,
  forgets_too_little,
  forgets_more_than_it_says,
  forgets_too_much_beyond_the_end,
  holds_something_of_nothing,
  truncates_others,
  releases_all,
  overwrites_others,
  rounds,
  says_nan,
};

// Its logits are a hash of the newest three tokens, but for its flaw.
class FlawedModel {
 public:
  explicit FlawedModel(Flaw flaw, std::size_t max_tokens = 512) : flaw_(flaw), max_tokens_(max_tokens) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return 20; }
  [[nodiscard]] std::size_t max_tokens() const { return max_tokens_; }
  [[nodiscard]] std::size_t context_limit() const { return 1000; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    std::vector<std::vector<std::vector<float>>> rows;
    for (Segment const& segment : batch) {
      rows.emplace_back();
      auto& state = state_of(segment.sequence);
      if (flaw_ == Flaw::overwrites_others)
        for (auto& [other, other_state] : states_)
          if (other != segment.sequence && !other_state.tokens.empty()) other_state.tokens.back() = 0;
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        state.tokens.push_back(segment.tokens[i]);
        state.sum += static_cast<std::uint64_t>(segment.tokens[i]) + 1;
        bool const asked = i + segment.rows >= segment.tokens.size();
        if (!asked && flaw_ != Flaw::returns_too_many_rows) continue;
        std::uint64_t hash = newest(state);
        if (flaw_ == Flaw::looks_ahead && i + 1 < segment.tokens.size())
          hash += static_cast<std::uint64_t>(segment.tokens[i + 1]) + 1;
        if (flaw_ == Flaw::keeps_old_state) hash += state.sum;
        if (flaw_ == Flaw::counts_within_a_pass) hash += i;
        if (flaw_ == Flaw::heeds_its_neighbours) hash += batch.size();
        if (flaw_ == Flaw::heeds_the_rows_asked_for) hash += segment.rows;
        rows.back().push_back(row(hash, segment.tokens.size()));
      }
      if (flaw_ == Flaw::returns_too_few_rows && rows.back().size() > 1) rows.back().pop_back();
      if (flaw_ == Flaw::reverses_rows) std::ranges::reverse(rows.back());
    }
    if (flaw_ == Flaw::reverses_segments) std::ranges::reverse(rows);
    buffer_.clear();
    std::size_t count = 0;
    for (auto const& segment : rows) {
      for (auto const& row : segment) {
        buffer_.insert(buffer_.end(), row.begin(), row.end());
        ++count;
      }
    }
    return {buffer_.data(), count, flaw_ == Flaw::returns_short_rows ? 19U : 20U, 20U};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    if (flaw_ == Flaw::releases_all && length == 0) states_.clear();
    auto& state = state_of(sequence);
    std::size_t const held = state.tokens.size();
    if (flaw_ == Flaw::holds_something_of_nothing && length == 0) return 1;
    if (flaw_ == Flaw::truncates_others)
      for (auto& [other, other_state] : states_)
        if (other_state.tokens.size() > length) other_state.tokens.resize(length);
    if (flaw_ == Flaw::forgets_nothing || (flaw_ == Flaw::forgets_all_or_nothing && length > 0))
      return std::min(length, held);
    if (flaw_ == Flaw::forgets_too_much_beyond_the_end && length > held) length = held - std::min<std::size_t>(held, 1);
    if (flaw_ == Flaw::forgets_too_little && length > 0) length += 1;
    if (length == 0) state = {};
    if (length >= held || length == 0) return std::min(length, held);
    state.tokens.resize(flaw_ == Flaw::forgets_more_than_it_says ? length - 1 : length);
    return length;
  }

 private:
  struct State {
    std::vector<Token> tokens;
    std::uint64_t sum = 0;
  };

  State& state_of(SequenceId sequence) { return states_[flaw_ == Flaw::mixes_sequences_up ? SequenceId{0} : sequence]; }

  static std::uint64_t newest(State const& state) {
    std::uint64_t hash = 1;
    for (std::size_t i = state.tokens.size() - std::min<std::size_t>(state.tokens.size(), 3); i < state.tokens.size();
         ++i)
      hash = hash * 31 + static_cast<std::uint64_t>(state.tokens[i]) + 1;
    return hash;
  }

  [[nodiscard]] std::vector<float> row(std::uint64_t hash, std::size_t fed) const {
    std::vector<float> row;
    for (std::uint64_t token = 0; token < 20; ++token)
      row.push_back(static_cast<float>((hash * 7919 + token * token * 104729) % 1000) / 100);
    if (flaw_ == Flaw::rounds) row[3] += 0.001F * static_cast<float>(fed % 5);
    if (flaw_ == Flaw::says_nan && fed == 3) row[3] = std::numeric_limits<float>::quiet_NaN();
    return row;
  }

  Flaw flaw_;
  std::size_t max_tokens_;
  std::map<SequenceId, State> states_;
  std::vector<float> buffer_;
};

}  // namespace

TEST_CASE_TEMPLATE("a toy model keeps the laws", Scalar, float, double) {
  for (std::size_t const max_tokens : {1U, 2U, 3U, 7U, 512U}) {
    for (std::size_t const interval : {1U, 4U, 100U}) {
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        ToyModel<Scalar> model({.seed = seed, .max_tokens = max_tokens, .checkpoint_interval = interval});
        LawReport const report = check_model_laws(model, {.seed = seed});
        CAPTURE(max_tokens);
        CAPTURE(interval);
        CHECK(text(report) == "");
        CHECK(report.ok());
        CHECK(report.largest_difference == 0);
      }
    }
  }
}

TEST_CASE("a model is examined whatever the length, the vocabulary and the ids") {
  for (std::size_t length = 4; length <= 40; ++length) {
    ToyModel<float> model({.vocabulary = 1 + length % 3, .context_limit = length});
    CHECK(text(check_model_laws(model, {.length = length, .first = SequenceId{5}, .second = SequenceId{3}})) == "");
  }
}

TEST_CASE("other sequences of the model are left alone") {
  ToyModel<float> model;
  std::vector<Token> const tokens{1, 2, 3};
  Segment const segment{.sequence = SequenceId{2}, .tokens = tokens, .rows = 0};
  model.forward({&segment, 1});
  CHECK(check_model_laws(model).ok());
  CHECK(model.held(SequenceId{2}).size() == 3);
  CHECK(model.held(SequenceId{0}).empty());
  CHECK(model.held(SequenceId{1}).empty());
}

TEST_CASE("what the sequences held before is no matter") {
  ToyModel<float> model;
  std::vector<Token> const tokens{1, 2, 3};
  Segment const segment{.sequence = SequenceId{1}, .tokens = tokens, .rows = 0};
  model.forward({&segment, 1});
  CHECK(text(check_model_laws(model)) == "");
}

TEST_CASE("a broken law is named") {
  struct Example {
    Flaw flaw;
    char const* law;
  };
  auto const example = [](Flaw flaw, char const* law) { return Example{flaw, law}; };
  for (Example const& broken : {
           example(Flaw::looks_ahead, "causal"),
           example(Flaw::forgets_nothing, "rewind"),
           example(Flaw::keeps_old_state, "rewind"),
           example(Flaw::reverses_rows, "rows"),
           example(Flaw::reverses_segments, "batching"),
           example(Flaw::mixes_sequences_up, "batching"),
           example(Flaw::mixes_sequences_up, "isolation"),
           example(Flaw::returns_too_few_rows, "rows"),
           example(Flaw::returns_too_many_rows, "rows"),
           example(Flaw::returns_short_rows, "rows"),
           example(Flaw::counts_within_a_pass, "chunks"),
           example(Flaw::heeds_its_neighbours, "batching"),
           example(Flaw::heeds_the_rows_asked_for, "rows"),
           example(Flaw::forgets_all_or_nothing, "rewind"),
           example(Flaw::forgets_too_little, "rewind"),
           example(Flaw::forgets_more_than_it_says, "rewind"),
           example(Flaw::forgets_too_much_beyond_the_end, "rewind"),
           example(Flaw::holds_something_of_nothing, "rewind"),
           example(Flaw::truncates_others, "isolation"),
           example(Flaw::releases_all, "isolation"),
           example(Flaw::overwrites_others, "isolation"),
           example(Flaw::rounds, "chunks"),
           example(Flaw::says_nan, "chunks"),
       }) {
    std::string const law = broken.law;
    FlawedModel model(broken.flaw);
    LawReport const report = check_model_laws(model);
    CAPTURE(law);
    CAPTURE(text(report));
    CHECK_FALSE(report.ok());
    CHECK(std::ranges::find(report.violations, law, law_of) != report.violations.end());
    for (std::string const& violation : report.violations) {
      std::string const name = law_of(violation);
      bool const known = name == "causal" || name == "chunks" || name == "batching" || name == "rewind" ||
                         name == "isolation" || name == "rows";
      CHECK_MESSAGE(known, violation);
      CHECK(violation.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a violation says at which position, and of which token the logit is") {
  // Wrong after position 9 where few tokens are fed at once.
  struct WrongModel {
    ToyModel<float> model;
    std::map<SequenceId, std::size_t> held;
    std::vector<float> rows;

    [[nodiscard]] std::size_t vocabulary_size() const { return model.vocabulary_size(); }
    [[nodiscard]] std::size_t max_tokens() const { return model.max_tokens(); }
    [[nodiscard]] std::size_t context_limit() const { return model.context_limit(); }
    LogitsView<float> forward(std::span<Segment const> batch) {
      auto const right = model.forward(batch);
      rows.clear();
      for (std::size_t i = 0; i < right.rows(); ++i) rows.insert(rows.end(), right.row(i).begin(), right.row(i).end());
      std::size_t first = 0;
      for (Segment const& segment : batch) {
        std::size_t& length = held[segment.sequence];
        length += segment.tokens.size();
        if (segment.tokens.size() <= 3 && length > 9 && length - segment.rows <= 9)
          rows[(first + segment.rows - (length - 9)) * vocabulary_size() + 4] += 0.5F;
        first += segment.rows;
      }
      return {rows.data(), right.rows(), vocabulary_size()};
    }
    std::size_t truncate(SequenceId sequence, std::size_t length) {
      return held[sequence] = model.truncate(sequence, length);
    }
  };
  WrongModel model;
  LawReport const report = check_model_laws(model);
  REQUIRE_FALSE(report.ok());
  CHECK(report.violations.front().find("differ by 0.500000 after the token at position 9, in the logit of token 4") !=
        std::string::npos);
}

TEST_CASE("a flaw that shows in one law only is not blamed on another") {
  auto const only = [](Flaw flaw) {
    FlawedModel model(flaw);
    std::vector<std::string> laws;
    for (std::string const& violation : check_model_laws(model).violations)
      if (laws.empty() || laws.back() != law_of(violation)) laws.push_back(law_of(violation));
    return laws;
  };
  using Laws = std::vector<std::string>;
  CHECK(only(Flaw::none) == Laws{});
  CHECK(only(Flaw::keeps_old_state) == Laws{"rewind"});
  CHECK(only(Flaw::reverses_segments) == Laws{"batching"});
  CHECK(only(Flaw::forgets_all_or_nothing) == Laws{"rewind"});
  CHECK(only(Flaw::forgets_too_little) == Laws{"rewind"});
  CHECK(only(Flaw::forgets_too_much_beyond_the_end) == Laws{"rewind"});
  CHECK(only(Flaw::heeds_its_neighbours) == Laws{"batching"});
  CHECK(only(Flaw::truncates_others) == Laws{"isolation"});
}

TEST_CASE("an engine that takes one token a pass is still held to the laws about sequences") {
  for (Flaw const flaw :
       {Flaw::truncates_others, Flaw::releases_all, Flaw::overwrites_others, Flaw::mixes_sequences_up}) {
    FlawedModel model(flaw, 1);
    LawReport const report = check_model_laws(model);
    CHECK(std::ranges::find(report.violations, "isolation", law_of) != report.violations.end());
  }
}

TEST_CASE("an engine for one sequence is not held to the laws about several") {
  FlawedModel model(Flaw::mixes_sequences_up);
  CHECK(text(check_model_laws(model, {.second = std::nullopt})) == "");
}

TEST_CASE("rounding within the tolerance is reported and no violation") {
  FlawedModel model(Flaw::rounds);
  LawReport const report = check_model_laws(model, {.tolerance = 0.01});
  CHECK(text(report) == "");
  CHECK(report.largest_difference > 0.0005);
  CHECK(report.largest_difference < 0.01);
  FlawedModel nan(Flaw::says_nan);
  CHECK_FALSE(check_model_laws(nan, {.tolerance = 1e300}).ok());
}

TEST_CASE("what forward throws comes through") {
  struct Unplugged {};
  struct UnpluggedModel : ToyModel<float> {
    LogitsView<float> forward(std::span<Segment const>) { throw Unplugged(); }
  } model;
  CHECK_THROWS_AS((void)check_model_laws(model), Unplugged);
}
