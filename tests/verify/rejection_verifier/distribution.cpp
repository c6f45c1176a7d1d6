// SPDX-License-Identifier: MIT
#include <copyspec/verify/rejection_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/verifier.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/drafter.hpp"
#include "support/language.hpp"
#include "support/sanitized.hpp"
#include "support/three_tokens.hpp"
#include "support/tokens.hpp"

using copyspec::Draft;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::Verdict;
using copyspec_test::Drafter;
using copyspec_test::Kind;
using copyspec_test::Language;
using copyspec_test::prompt;
using copyspec_test::sanitized;
using copyspec_test::Tokens;

namespace {

struct Setting {
  Language const* model;
  Language const* fed;  // the rows that the verifier sees
  Drafter drafter;
  SamplingOptions options = {};
  std::uint64_t first_seed = 0;
};

// Decodes three tokens, pass after pass, again and again; counts what was said.
std::vector<std::size_t> say_three(Setting setting, std::size_t times) {
  std::vector<std::size_t> seen(vocabulary * vocabulary * vocabulary);
  RejectionVerifier const made;
  std::array<float, 8 * vocabulary> rows;
  std::uint64_t draws = 0;
  setting.drafter.options = setting.options;
  setting.drafter.draws = &draws;
  for (std::uint64_t seed = setting.first_seed; seed < setting.first_seed + times; ++seed) {
    draws = 0;
    setting.drafter.begin(seed);
    setting.options.seed = seed;
    RejectionVerifier verifier = made;
    verifier.begin_turn({.options = &setting.options, .vocabulary = vocabulary, .answer = 2});
    std::array<Token, 12> tokens{prompt[0], prompt[1]};
    for (std::size_t length = 2; length < 5;) {
      Draft const draft =
          setting.drafter.propose(std::span<Token const>(tokens).first(length), std::span(tokens).subspan(length, 5));
      std::span<Token const> const all = std::span<Token const>(tokens).first(length + draft.length);
      for (std::size_t i = 0; i <= draft.length; ++i)
        std::ranges::copy(setting.fed->after(all.first(length + i)),
                          rows.begin() + static_cast<std::ptrdiff_t>(i * vocabulary));
      verifier.drawn_from(draft.drawn_from);
      Verdict const verdict =
          verifier.verify(LogitsView<float>(rows.data(), draft.length + 1, vocabulary), all, length);
      length += verdict.accepted;
      tokens[length++] = verdict.next;
    }
    ++seen[static_cast<std::size_t>((tokens[2] * 8 + tokens[3]) * 8 + tokens[4])];
  }
  return seen;
}

double surprise_of(Setting const& setting, std::size_t draws) {
  auto const row_after = [&](Tokens const& before) { return setting.model->after(before); };
  return surprise(say_three(setting, draws), joint(row_after, prompt, setting.options), static_cast<double>(draws));
}

std::vector<std::pair<std::string, Drafter>> drafters(Language const& drafting) {
  Drafter const drafter{&drafting, &drafting};
  std::vector<std::pair<std::string, Drafter>> all(6, {"", drafter});
  all[0].first = "one token";
  all[0].second.longest = 1;
  all[1].first = "two tokens";
  all[1].second.longest = 2;
  all[2].first = "four tokens";
  all[3].first = "as many as what is drawn says";
  all[3].second.kind = Kind::until_drawn;
  all[4].first = "some drawn, some named";
  all[4].second.kind = Kind::mixed;
  all[5].first = "named";
  all[5].second.kind = Kind::named;
  return all;
}

SamplingOptions options_of(std::size_t temperature, std::size_t filter) {
  SamplingOptions options{.temperature = std::array{0.7F, 1.0F, 1.5F}[temperature % 3]};
  if (filter % 3 == 1) {
    options.top_k = 5;
    options.top_p = 0.9F;
  }
  if (filter % 3 == 2) options.min_p = 0.1F;
  return options;
}

constexpr std::size_t million = sanitized ? 50'000 : 1'000'000;

}  // namespace

TEST_CASE("three tokens in a row have the joint distribution of the model, with drafts that were drawn and named") {
  Language const model(5);
  Language const drafting(model, 6);
  std::uint64_t seeds = 0;
  auto const all = drafters(drafting);
  for (std::size_t i = 0; i < all.size(); ++i) {
    // Each temperature comes with each filter.
    for (std::size_t j = 0; j < 2; ++j) {
      SamplingOptions const options = options_of(i + j, i + 2 * j + i / 3);
      CAPTURE(all[i].first);
      CAPTURE(options.temperature);
      CAPTURE(options.top_k);
      CAPTURE(options.min_p);
      CHECK(surprise_of({&model, &model, all[i].second, options, seeds += million}, million) < 4);
    }
  }
}

TEST_CASE("one per cent wrong, of the model's probabilities or the draft's, would show" * doctest::skip(sanitized)) {
  Language const model(5);
  Language const drafting(model, 6);
  for (std::size_t const longest : {std::size_t{1}, std::size_t{4}}) {
    SamplingOptions const options = options_of(longest, 0);
    CAPTURE(longest);
    Language const wrong_model(model, options, 1.01);
    Language const wrong_draft(drafting, options, 1.01);
    Drafter drafter{&drafting, &drafting};
    drafter.longest = longest;
    CHECK(surprise_of({&model, &wrong_model, drafter, options}, million) > 4);
    drafter.told = &wrong_draft;
    CHECK(surprise_of({&model, &model, drafter, options}, million) > 4);
  }
}

TEST_CASE("tokens that were cut by what was drawn behind them, or drawn with noise of their positions, must be named") {
  constexpr std::size_t draws = 200000;
  Language const model(5);
  Language const drafting(model, 6);
  Drafter drafter{&drafting, &drafting, Kind::chosen};
  CHECK(surprise_of({&model, &model, drafter}, draws) > 4);
  drafter.kind = Kind::chosen_but_named;
  CHECK(surprise_of({&model, &model, drafter}, draws) < 4);
  drafter.kind = Kind::drawn;
  drafter.by_position = true;
  CHECK(surprise_of({&model, &model, drafter}, draws) > 4);
}

namespace {

// How many tokens of drafts of four are accepted, exactly, on average over where they begin.
struct Accepted {
  double first = 0;         // of the first token
  double first_stream = 0;  // by the noise of positions
  double stream = 0;
  double singly = 0;
  double block = 0;
};

class Acceptance {
 public:
  Acceptance(Language const& model, Language const& drafting, SamplingOptions const& options) {
    for (std::size_t at = 0; at < at_.size(); ++at) {
      Tokens const before{static_cast<Token>(at / vocabulary), static_cast<Token>(at % vocabulary)};
      at_[at] = {probabilities(model.after(before), options, before),
                 probabilities(drafting.after(before), options, before)};
    }
    for (std::size_t at = 0; at < at_.size(); ++at) add(at, 0, {1.0 / 64, 1.0 / 64, 1.0 / 64, 1});
  }

  [[nodiscard]] Accepted const& result() const { return result_; }

 private:
  struct Path {
    double drafted;  // the chance that this is the draft
    double stream;   // that it is, and all of it the model's own
    double singly;   // that it is, and all of it accepted
    double likelihood;
  };

  void add(std::size_t at, std::size_t depth, Path const& path) {
    auto const& [model, draft] = at_[at];
    for (std::size_t x = 0; x < vocabulary; ++x) {
      // That both are drawn, with one noise (Maddison et al.): x beats each y in both.
      double both = 0;
      for (std::size_t y = 0; y < vocabulary; ++y) both += std::max(model[y] / model[x], draft[y] / draft[x]);
      Path const longer{path.drafted * draft[x], path.stream / both, path.singly * std::min(draft[x], model[x]),
                        std::min(1.0, path.likelihood * model[x] / draft[x])};
      if (depth == 0) {
        result_.first += longer.singly;
        result_.first_stream += longer.stream;
      }
      result_.stream += longer.stream;
      result_.singly += longer.singly;
      result_.block += longer.drafted * longer.likelihood;
      if (depth < 3) add(at % vocabulary * vocabulary + x, depth + 1, longer);
    }
  }

  std::array<std::pair<Chances, Chances>, vocabulary * vocabulary> at_{};
  Accepted result_;
};

}  // namespace

TEST_CASE("drawn drafts are accepted more often than by one noise for both models, as docs/verify.md says") {
  struct Line {
    float temperature;
    float difference;
    Accepted accepted;
  };
  std::array<Line, 4> const table{{
      {1, 0.25F, {.first = 0.853, .first_stream = 0.832, .stream = 2.59, .singly = 2.74, .block = 2.92}},
      {1, 0.5F, {.first = 0.717, .first_stream = 0.688, .stream = 1.74, .singly = 1.89, .block = 2.10}},
      {1, 1, {.first = 0.522, .first_stream = 0.491, .stream = 0.95, .singly = 1.05, .block = 1.20}},
      {0.7F, 0.5F, {.first = 0.658, .first_stream = 0.636, .stream = 1.53, .singly = 1.63, .block = 1.79}},
  }};
  Language const model(5);
  for (auto const& [temperature, difference, expected] : table) {
    Language const drafting(model, 6, difference);
    Accepted const accepted = Acceptance(model, drafting, {.temperature = temperature}).result();
    for (auto const part : {&Accepted::first, &Accepted::first_stream})
      CHECK(std::abs(accepted.*part - expected.*part) < 0.0006);
    for (auto const part : {&Accepted::stream, &Accepted::singly, &Accepted::block})
      CHECK(std::abs(accepted.*part - expected.*part) < 0.006);
  }
}
