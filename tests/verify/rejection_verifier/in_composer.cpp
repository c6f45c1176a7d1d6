// SPDX-License-Identifier: MIT
#include <copyspec/verify/rejection_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/source_counters.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft_model/model_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/sampling_options.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "support/drafter.hpp"
#include "support/language.hpp"
#include "support/sanitized.hpp"
#include "support/three_tokens.hpp"
#include "support/tokens.hpp"

using copyspec::Composer;
using copyspec::LogitsView;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Source;
using copyspec_test::Drafter;
using copyspec_test::Kind;
using copyspec_test::Language;
using copyspec_test::prompt;
using copyspec_test::sanitized;
using copyspec_test::Tokens;

namespace {

// A model of the language.
struct LanguageModel {
  Language const* language;
  std::map<SequenceId, Tokens> held = {};
  std::vector<float> rows = {};

  [[nodiscard]] static std::size_t vocabulary_size() { return vocabulary; }
  [[nodiscard]] static std::size_t max_tokens() { return 7; }
  [[nodiscard]] static std::size_t context_limit() { return 20; }

  LogitsView<float> forward(std::span<Segment const> batch) {
    rows.clear();
    for (Segment const& segment : batch) {
      Tokens& said = held[segment.sequence];
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        said.push_back(segment.tokens[i]);
        if (i + segment.rows < segment.tokens.size()) continue;
        Row const& row = language->after(said);
        rows.insert(rows.end(), row.begin(), row.end());
      }
    }
    return {rows.data(), rows.size() / vocabulary, vocabulary};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) {
    Tokens& said = held[sequence];
    said.resize(std::min(said.size(), length));
    return said.size();
  }
};

}  // namespace

TEST_CASE("a composer hands over what drafts were drawn from: two conversations of two turns have their distribution") {
  constexpr std::size_t draws = sanitized ? 20000 : 100000;
  Language const language(5);
  Language const drafting(language, 6);
  for (Kind const kind : {Kind::until_drawn, Kind::mixed, Kind::chosen}) {
    LanguageModel model{&language};
    std::uint64_t drawn = 0;
    Drafter drafter{&drafting, &drafting, kind};
    drafter.draws = &drawn;
    Composer composer(model, drafter, RejectionVerifier());
    std::vector<std::size_t> seen(vocabulary * vocabulary * vocabulary);
    std::array<SequenceId, 2> const ids{SequenceId{0}, SequenceId{1}};
    std::size_t accepted = 0;
    for (std::uint64_t seed = 0; seed < draws; ++seed) {
      // The third token is said in a turn of its own.
      for (std::size_t const budget : {std::size_t{2}, std::size_t{1}}) {
        for (std::size_t i = 0; i < 2; ++i)
          composer.begin(ids[i], budget == 2 ? prompt : Tokens{},
                         {.max_new_tokens = budget, .sampling = SamplingOptions{.seed = 2 * seed + i}});
        composer.run();
      }
      for (SequenceId const id : ids) {
        auto const said = composer.sequence(id).context().last(3);
        ++seen[static_cast<std::size_t>((said[0] * 8 + said[1]) * 8 + said[2])];
        accepted += composer.sequence(id).counters().accepted;
        composer.remove(id);
      }
    }
    CHECK(accepted > draws / 8);
    auto const row_after = [&](Tokens const& before) { return language.after(before); };
    // Of drafts that are cut by their last token, rows are handed over that they were not drawn from.
    double const found = surprise(seen, joint(row_after, prompt, {}), 2 * draws);
    if (kind != Kind::chosen) CHECK(found < 4);
    if (kind == Kind::chosen && !sanitized) CHECK(found > 4);
  }
}

TEST_CASE("a draft model that is asked in between copies keeps the distribution, whatever it has learnt") {
  constexpr std::size_t draws = sanitized ? 20'000 : 200'000;
  Language const language(5);
  Language const drafting(language, 6, 0.8F);
  auto const row_after = [&](Tokens const& before) { return language.after(before); };
  auto const surprise_with = [&](auto proposer, SamplingOptions options) {
    LanguageModel model{&language};
    Composer composer(model, std::move(proposer), RejectionVerifier());
    std::vector<std::size_t> seen(vocabulary * vocabulary * vocabulary);
    copyspec::SourceCounters sources;
    for (std::uint64_t seed = 0; seed < draws; ++seed) {
      SequenceId const id{0};
      options.seed = seed;
      composer.begin(id, prompt, {.max_new_tokens = 6, .sampling = options});
      composer.run();
      auto const said = composer.sequence(id).generated();
      ++seen[static_cast<std::size_t>((said[0] * 8 + said[1]) * 8 + said[2])];
      sources += composer.sequence(id).counters().by_source;
      composer.remove(id);
    }
    CHECK(sources[Source::draft_model].accepted > draws / 8);
    CHECK(sources[Source::draft_model].accepted < sources[Source::draft_model].drafted);
    return surprise(seen, joint(row_after, prompt, options), static_cast<double>(draws));
  };
  // Where rows are dear, a token of which the draft model is not sure would be left out if it were looked at.
  for (double const row : {0.02, 0.3}) {
    CAPTURE(row);
    auto const cost = copyspec::PassCost::marginal(row);
    // No clock decides how often the draft model is asked.
    copyspec::ModelProposerOptions const costs{
        .pass_cost = cost, .draft_pass_cost = copyspec::PassCost::marginal(0.02), .draft_cost = 0.03};
    SamplingOptions const options{.temperature = row < 0.1 ? 0.7F : 1.2F, .top_k = row < 0.1 ? 0 : 5};
    LanguageModel draft_model{&drafting};
    CHECK(surprise_with(copyspec::ModelProposer<LanguageModel>(draft_model, {}, costs), options) < 4);
    CHECK(surprise_with(copyspec::ModelProposer(draft_model, copyspec::MixingProposer({.pass_cost = cost}), costs),
                        options) < 4);
  }
}

TEST_CASE("options that are not supported leave a composer as it was") {
  Language const language(5);
  LanguageModel model{&language};
  Composer composer(model, copyspec::NoProposer(), RejectionVerifier());
  SamplingOptions penalties;
  penalties.penalties.presence = 1;
  CHECK_THROWS_AS(composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 3, .sampling = penalties}), copyspec::Error);
  composer.begin(SequenceId{0}, prompt, {.max_new_tokens = 3, .sampling = SamplingOptions{.seed = 4}});
  composer.run();
  CHECK(composer.sequence(SequenceId{0}).generated().size() == 3);
}
