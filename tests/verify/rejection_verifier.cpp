// SPDX-License-Identifier: MIT
#include <copyspec/verify/rejection_verifier.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <copyspec/core/error.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/decode/detail/verifier_adapter.hpp>
#include <copyspec/draft_model/model_proposer.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <copyspec/verify/random_streams.hpp>
#include <copyspec/verify/token_sampler.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/three_tokens.hpp"

namespace {

using copyspec::Composer;
using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::RandomStream;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::Token;
using copyspec::TokenSampler;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::detail::TokenDistribution;

using Tokens = std::vector<Token>;
using Random = std::mt19937_64;
using DraftRows = std::vector<std::span<float const>>;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

static_assert(copyspec::AcceptanceVerifier<RejectionVerifier, double>);
static_assert(copyspec::SamplingSequenceVerifier<RejectionVerifier>);

// The rule by its definition: of probabilities P of the model, one more than of the draft Q, and the drafted tokens.
struct Rule {
  std::vector<double> likelihood;                 // p
  std::vector<double> acceptance;                 // h
  std::vector<std::vector<double>> next_chances;  // not normalised
};

Rule rule_of(std::vector<std::vector<double>> const& model, std::vector<std::vector<double>> const& drafted,
             Tokens const& draft) {
  Rule rule;
  double p = 1;
  for (std::size_t i = 0; i <= draft.size(); ++i) {
    std::vector<double> next = model[i];
    double acceptance = p;
    if (i < draft.size()) {
      double mass = 0;
      for (std::size_t x = 0; x < next.size(); ++x) mass += next[x] = std::max(0.0, p * model[i][x] - drafted[i][x]);
      acceptance = mass == 0 ? 0 : mass / (mass + 1 - p);
    }
    rule.likelihood.push_back(p);
    rule.acceptance.push_back(i == 0 ? 1 : acceptance);
    rule.next_chances.push_back(next);
    if (i == draft.size()) break;
    auto const token = static_cast<std::size_t>(draft[i]);
    p = std::min(1.0, p * model[i][token] / drafted[i][token]);
  }
  return rule;
}

// Chances of few different values, with zeros among them.
std::vector<double> random_chances(Random& random, std::size_t count) {
  std::vector<double> probabilities(count);
  double sum = 0;
  while (sum == 0)
    for (double& chance : probabilities)
      sum += chance = random() % 4 == 0 ? 0.0 : static_cast<double>(1 + random() % 9);
  for (double& chance : probabilities) chance /= sum;
  return probabilities;
}

// Two toy models: probabilities behind each beginning of what is said, how the draft ends and what is named in it.
class Pair {
 public:
  Pair(Random& random, std::size_t count, std::size_t longest) : count_(count), longest_(longest), random_(&random) {}

  struct After {
    std::vector<double> model;
    std::vector<double> draft;
    bool ends = false;
  };

  After const& after(Tokens const& said) {
    auto const [found, made] = after_.try_emplace(said);
    if (made) {
      After& after = found->second;
      after.model = random_chances(*random_, count_);
      after.draft = (*random_)() % 6 == 0 ? after.model : random_chances(*random_, count_);
      if ((*random_)() % 4 == 0) {
        std::ranges::fill(after.draft, 0.0);
        after.draft[(*random_)() % count_] = 1;
      }
      after.ends = said.size() >= longest_ || (*random_)() % 6 == 0;
    }
    return found->second;
  }

 private:
  std::size_t count_;
  std::size_t longest_;
  Random* random_;
  std::map<Tokens, After> after_;
};

// What comes out, exactly, integrated over all random numbers: the chance of each text of `length` tokens. Later passes
// have no drafts.
struct Exact {
  Pair* pair;
  std::size_t count;
  std::size_t length;
  std::map<Tokens, double> texts = {};
  double accepted = 0;         // expected
  double accepted_singly = 0;  // expected, token by token
  std::size_t drafts = 0;

  void go_on(Tokens const& said, double chance) {
    if (chance == 0) return;
    if (said.size() == length) {
      texts[said] += chance;
      return;
    }
    for (std::size_t x = 0; x < count; ++x) {
      Tokens longer = said;
      longer.push_back(static_cast<Token>(x));
      go_on(longer, chance * pair->after(said).model[x]);
    }
  }

  void judge(Tokens const& draft, double chance) {
    ++drafts;
    std::vector<std::vector<double>> model, drafted;
    double singly = 1;
    for (std::size_t i = 0; i <= draft.size(); ++i) {
      Tokens const said(draft.begin(), draft.begin() + static_cast<std::ptrdiff_t>(i));
      model.push_back(pair->after(said).model);
      if (i == draft.size()) break;
      drafted.push_back(pair->after(said).draft);
      auto const token = static_cast<std::size_t>(draft[i]);
      accepted_singly += chance * (singly *= std::min(1.0, model[i][token] / drafted[i][token]));
    }
    Rule const rule = rule_of(model, drafted, draft);
    double none_later = chance;
    for (std::size_t i = draft.size() + 1; i-- > 0;) {
      double const last = none_later * rule.acceptance[i];
      none_later -= last;
      accepted += last * static_cast<double>(i);
      double const mass = std::accumulate(rule.next_chances[i].begin(), rule.next_chances[i].end(), 0.0);
      for (std::size_t x = 0; x < count && mass > 0; ++x) {
        Tokens said(draft.begin(), draft.begin() + static_cast<std::ptrdiff_t>(i));
        said.push_back(static_cast<Token>(x));
        go_on(said, last * rule.next_chances[i][x] / mass);
      }
    }
  }

  void draft(Tokens const& said = {}, double chance = 1) {
    if (chance == 0) return;
    if (pair->after(said).ends) return judge(said, chance);
    for (std::size_t x = 0; x < count; ++x) {
      Tokens longer = said;
      longer.push_back(static_cast<Token>(x));
      draft(longer, chance * pair->after(said).draft[x]);
    }
  }
};

}  // namespace

TEST_CASE("the rule gives exactly the model's texts, wherever drafts end, and accepts no less than token by token") {
  Random random(1);
  std::size_t more = 0, drafts = 0;
  for (int i = 0; i < 3000; ++i) {
    std::size_t const count = 3 + random() % 2;
    std::size_t const longest = 1 + random() % 3;
    Pair pair(random, count, longest);
    Exact exact{&pair, count, longest + 1};
    exact.draft();
    Exact plain{&pair, count, longest + 1};
    plain.go_on({}, 1);
    drafts += exact.drafts;
    for (auto const& [text, chance] : exact.texts) REQUIRE(std::abs(chance - plain.texts[text]) < 1e-12);
    for (auto const& [text, chance] : plain.texts) REQUIRE(std::abs(chance - exact.texts[text]) < 1e-12);
    REQUIRE(exact.accepted >= exact.accepted_singly - 1e-12);
    if (exact.accepted > exact.accepted_singly * 1.01) ++more;
  }
  CHECK(drafts > 5000);
  CHECK(more > 100);
}

namespace {

// The verdict by the definition, with the random numbers of the verifier.
struct Expected {
  std::uint64_t numbers = 0;

  double uniform(std::uint64_t seed) {
    return copyspec::uniform_number({.seed = copyspec::seed_for(RandomStream::verdict, seed), .position = numbers++});
  }

  // An invalid row gives the token behind the last with certainty.
  Verdict verdict(std::uint64_t seed, std::vector<std::vector<double>> const& model,
                  std::vector<std::vector<double>> const& drafted, Tokens const& draft) {
    Rule const rule = rule_of(model, drafted, draft);
    Verdict verdict;
    for (std::size_t i = 0; i <= draft.size() && rule.likelihood[i] > 0; ++i) {
      if (i > 0 && !(uniform(seed) < rule.acceptance[i])) continue;
      auto const& probabilities = rule.next_chances[i];
      double const mass = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
      if (mass == 0) {
        verdict = {.accepted = i, .next = draft[i], .status = VerdictStatus::ok};
        continue;
      }
      bool const invalid = probabilities.back() > 0;
      double left = invalid ? 0 : uniform(seed) * mass;
      Token next = 0;
      for (std::size_t x = 0; x < probabilities.size(); ++x) {
        if (probabilities[x] == 0) continue;
        next = static_cast<Token>(x);
        left -= probabilities[x];
        if (left < 0) break;
      }
      verdict.accepted = i;
      verdict.status = invalid ? VerdictStatus::invalid_row : VerdictStatus::ok;
      if (!invalid) verdict.next = next;
    }
    return verdict;
  }
};

std::vector<float> any_logits(Random& random, std::size_t count) {
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> row(count);
  for (float& logit : row) logit = random() % 8 == 0 ? minus_infinity : normal(random);
  row[random() % count] = 0;
  return row;
}

SamplingOptions any_options(Random& random) {
  SamplingOptions options{.temperature = std::array{0.0F, 0.7F, 1.0F, 1.5F}[random() % 4], .seed = random() % 3};
  if (random() % 2 == 0) options.top_k = 1 + random() % 5;
  if (random() % 3 == 0) options.top_p = 0.8F;
  if (random() % 3 == 0) options.min_p = 0.1F;
  return options;
}

}  // namespace

TEST_CASE("a verdict is that of the rule, whatever the rows and drafts") {
  Random random(2);
  SamplingOptions options;
  RejectionVerifier verifier;
  Expected expected;
  TokenDistribution probabilities;
  std::map<std::size_t, std::size_t> accepted;
  std::size_t invalid = 0, impossible = 0, endings = 0;
  for (int trial = 0; trial < 60000; ++trial) {
    if (trial % 10 == 0) {
      options = any_options(random);
      verifier.begin_turn(options, 8, 0);
    }
    std::size_t const count = 3 + random() % 6;
    std::size_t const length = random() % 5;
    Tokens tokens{1, 2};
    std::vector<float> rows;
    std::vector<std::vector<float>> draft_rows;
    std::vector<std::vector<double>> model, drafted;
    std::size_t ends = length;  // the draft, as far as it counts
    auto const end_at = [&](std::size_t i) {
      if (i < ends) ++endings;
      ends = std::min(ends, i);
    };
    auto const chances_of = [&](std::span<float const> row) {
      std::vector<double> all(count + 1);
      if (!probabilities.take(row, options)) all.back() = 1;
      for (std::size_t x = 0; x < count; ++x) all[x] = probabilities.of(static_cast<Token>(x));
      return all;
    };
    for (std::size_t i = 0; i <= length; ++i) {
      std::vector<float> row = any_logits(random, count);
      if (random() % 12 == 0) row[random() % count] = not_a_number;
      rows.insert(rows.end(), row.begin(), row.end());
      model.push_back(chances_of(row));
      if (model.back().back() > 0) end_at(i);
      if (i == length) break;
      tokens.push_back(static_cast<Token>(random() % count));
      auto const token = static_cast<std::size_t>(tokens.back());
      switch (random() % 4) {
        case 0:
          row.clear();
          break;
        case 1:
          row = any_logits(random, count);
          break;
        case 2:
          std::ranges::replace_if(
              row, [](float logit) { return logit != logit; }, 1.0F);
          break;
        default:
          row[random() % count] += 1;
          break;
      }
      if (random() % 20 == 0) row = any_logits(random, count + 1);
      if (random() % 20 == 0 && count > 3) row = any_logits(random, count - 1);
      std::vector<double> of_row(count + 1);
      if (row.empty())
        of_row[token] = 1;
      else
        of_row = chances_of(row);
      if (of_row[token] == 0 || row.size() > count) end_at(i);
      drafted.push_back(of_row);
      draft_rows.push_back(row);
    }
    model.resize(ends + 1);
    drafted.resize(ends);
    DraftRows spans(draft_rows.begin(), draft_rows.end());
    while (!spans.empty() && spans.back().empty() && random() % 2 == 0) spans.pop_back();
    if (random() % 4 == 0) spans.emplace_back();  // of more than was fed
    verifier.drawn_from(spans);
    Verdict const verdict = verifier.verify(LogitsView<float>(rows.data(), length + 1, count), tokens, 2);
    Verdict const by_rule = expected.verdict(options.seed, model, drafted,
                                             Tokens(tokens.begin() + 2, tokens.begin() + 2 + static_cast<int>(ends)));
    REQUIRE(verdict.accepted == by_rule.accepted);
    REQUIRE(verdict.status == by_rule.status);
    if (verdict.status == VerdictStatus::ok) REQUIRE(verdict.next == by_rule.next);
    ++accepted[verdict.accepted];
    if (verdict.status == VerdictStatus::invalid_row && verdict.accepted > 0) ++invalid;
    if (verdict.status == VerdictStatus::ok && model[verdict.accepted][static_cast<std::size_t>(verdict.next)] == 0)
      ++impossible;
  }
  for (std::size_t i = 0; i <= 4; ++i) CHECK(accepted[i] > 100);
  CHECK(invalid > 100);
  CHECK(endings > 100);
  CHECK(impossible == 0);
}

namespace {

// A language in which a row depends on the last two tokens.
class Language {
 public:
  explicit Language(std::uint64_t seed) {
    Random random(seed);
    // Nearly normal, and the same with every standard library.
    for (Row& row : rows_) {
      for (float& logit : row) {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11U) * 0x1p-53;
        logit = static_cast<float>(2 * sum);
      }
    }
  }

  // One that resembles another, up to so much of its logits.
  Language(Language const& other, std::uint64_t seed, float difference = 0.5F) : Language(seed) {
    for (std::size_t i = 0; i < rows_.size(); ++i)
      for (std::size_t x = 0; x < vocabulary; ++x) rows_[i][x] = other.rows_[i][x] + rows_[i][x] * difference;
  }

  // In which the likeliest token of each row is so much likelier.
  Language(Language const& other, SamplingOptions const& options, double times) : Language(other) {
    for (Row& row : rows_) {
      Chances const of_row = probabilities(row, options, {0, 0});
      auto const best = static_cast<std::size_t>(std::ranges::max_element(of_row) - of_row.begin());
      double const p = of_row[best];
      double const wanted = std::min(times * p, (1 + p) / 2);
      if (p < 1) row[best] += static_cast<float>(std::log(wanted / (1 - wanted) * (1 - p) / p)) * options.temperature;
    }
  }

  [[nodiscard]] Row const& after(std::span<Token const> before) const {
    auto const last = before.last(2);
    return rows_[static_cast<std::size_t>(last[0]) * vocabulary + static_cast<std::size_t>(last[1])];
  }

 private:
  std::array<Row, vocabulary * vocabulary> rows_{};
};

Tokens const prompt{3, 6};

// How a draft is made.
enum class Kind : std::uint8_t { drawn, until_drawn, mixed, named, chosen, chosen_but_named };

// A proposer that draws from a toy language, and counts what it draws for all its copies.
struct Drafter {
  Language const* language;
  Language const* told;  // the rows that are said to have been drawn from
  Kind kind = Kind::drawn;
  std::size_t longest = 4;
  SamplingOptions options = {};
  std::uint64_t* draws = nullptr;
  bool by_position = false;  // noise that belongs to positions, as must not be
  Random random{17};
  TokenSampler sampler = {};
  DraftRows rows = DraftRows(8);

  void begin(std::uint64_t seed) { options.seed = copyspec::seed_for(RandomStream::draft, seed); }

  Draft propose(std::span<Token const> context, std::span<Token> space) {
    std::array<Token, 16> said{};
    std::ranges::copy(context.last(2), said.begin());
    std::size_t length = 0;
    for (bool ends = false; !ends && length < std::min(longest, space.size()); ++length) {
      std::span<Token const> const before(said.data(), length + 2);
      Row const& row = language->after(before);
      bool const named = kind == Kind::named || (kind == Kind::mixed && random() % 2 == 0);
      rows[length] = named ? std::span<float const>() : std::span<float const>(told->after(before));
      Token token = static_cast<Token>(std::ranges::max_element(row) - row.begin());
      if (!named) token = sampler.draw(row, options, by_position ? context.size() + length : (*draws)++).value();
      space[length] = said[length + 2] = token;
      if (kind == Kind::until_drawn) ends = token % 3 == 0;
    }
    // Whether a token stays depends on it.
    if (kind >= Kind::chosen)
      while (length > 0 && space[length - 1] % 2 == 0) --length;
    return {.length = length, .drawn_from = std::span(rows).first(kind == Kind::chosen_but_named ? 0 : length)};
  }

  static void truncate(std::size_t) noexcept {}
};

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
    verifier.begin_turn(setting.options, vocabulary, 0);
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

// A sanitizer looks for other faults, at a quarter of the speed.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
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

std::vector<float> joined(std::vector<std::vector<float>> const& rows) {
  std::vector<float> all;
  for (auto const& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

// The verdict on a draft behind a context of one token.
template <class Scalar = float>
Verdict verdict_of(RejectionVerifier& verifier, std::vector<Scalar> const& rows, Tokens const& draft,
                   DraftRows const& drawn_from) {
  Tokens tokens{0};
  tokens.insert(tokens.end(), draft.begin(), draft.end());
  verifier.drawn_from(drawn_from);
  std::size_t const count = draft.size() + 1;
  return verifier.verify(LogitsView<Scalar>(rows.data(), count, rows.size() / count), tokens, 1);
}

}  // namespace

TEST_CASE("named tokens are accepted as often as the model would say them") {
  constexpr std::size_t draws = 400000;
  Random random(3);
  for (int trial = 0; trial < 3; ++trial) {
    SamplingOptions const options{.temperature = 0.8F, .top_k = 4, .seed = static_cast<std::uint64_t>(trial)};
    RejectionVerifier verifier(options);
    std::vector<std::vector<float>> const rows{any_logits(random, 5), any_logits(random, 5), any_logits(random, 5)};
    Tokens const draft{trial, 4 - trial};
    std::array<double, 3> seen{};
    for (std::size_t i = 0; i < draws; ++i) ++seen[verdict_of(verifier, joined(rows), draft, {}).accepted];
    TokenDistribution probabilities;
    double reached = 1;
    for (std::size_t i = 0; i < 2; ++i) {
      REQUIRE(probabilities.take(rows[i], options));
      reached *= probabilities.of(draft[i]);
      double const share = (seen[2] + (i == 0 ? seen[1] : 0)) / draws;
      CHECK(std::abs(share - reached) < 4 * std::sqrt(0.25 / draws));
    }
  }
}

TEST_CASE("at temperature zero, what is said is what a greedy verifier says, however it was drafted") {
  Random random(4);
  std::size_t accepted = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    SamplingOptions options{.temperature = 0, .seed = random()};
    if (random() % 2 == 0) options.top_k = 3;
    RejectionVerifier verifier(options);
    std::size_t const length = random() % 4;
    std::vector<float> rows;
    std::vector<std::vector<float>> drawn_from;
    Tokens tokens{0};
    for (std::size_t i = 0; i <= length; ++i) {
      std::vector<float> row = any_logits(random, 6);
      rows.insert(rows.end(), row.begin(), row.end());
      if (i == length) break;
      if (random() % 3 == 0) row = any_logits(random, 6);
      tokens.push_back(*copyspec::greedy_token(std::span<float const>(row)));
      if (random() % 3 == 0) row.clear();
      drawn_from.push_back(row);
    }
    DraftRows const spans(drawn_from.begin(), drawn_from.end());
    verifier.drawn_from(spans);
    LogitsView<float> const view(rows.data(), length + 1, 6);
    Verdict const verdict = verifier.verify(view, tokens, 1);
    Verdict const greedy = GreedyVerifier().verify(view, tokens, 1);
    REQUIRE(verdict.accepted == greedy.accepted);
    REQUIRE(verdict.next == greedy.next);
    accepted += verdict.accepted;
  }
  CHECK(accepted > 5000);
}

TEST_CASE("a draft is accepted up to an invalid row, and one of the model's ends the turn there") {
  std::vector<float> const row{1, 0, 2, 0.5F};
  std::vector<float> const nothing(4, minus_infinity);
  std::vector<float> broken = row;
  broken[3] = not_a_number;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    RejectionVerifier verifier({.seed = seed});
    for (auto const& invalid : {nothing, broken}) {
      // The draft has the model's probabilities, so it is accepted as far as it counts.
      Verdict verdict = verdict_of(verifier, joined({invalid}), {}, {});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 0);
      verdict = verdict_of(verifier, joined({row, invalid, row}), {2, 0}, {row, row});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 1);
      verdict = verdict_of(verifier, joined({row, row, invalid}), {2, 0}, {row, row});
      CHECK(verdict.status == VerdictStatus::invalid_row);
      CHECK(verdict.accepted == 2);
      for (std::vector<float> const& of_draft : {invalid, std::vector<float>(5), std::vector<float>(1)}) {
        verdict = verdict_of(verifier, joined({row, row, row}), {2, 1}, {row, of_draft});
        CHECK(verdict.status == VerdictStatus::ok);
        CHECK(verdict.accepted == 1);
      }
    }
    // A row after what cannot be said is not looked at.
    Verdict const verdict = verdict_of(verifier, joined({{1, minus_infinity}, {not_a_number, 0}}), {1}, {});
    CHECK(verdict.status == VerdictStatus::ok);
    CHECK(verdict.accepted == 0);
    CHECK(verdict.next == 0);
    // Nor what was drawn for the pass before.
    CHECK(verdict_of(verifier, joined({row, row}), {2}, {row}).accepted == 1);
    Tokens const tokens{0, 1};
    std::vector<float> const certain{0, 90, 0, 0, 0, 90, 0, 0};
    CHECK(verifier.verify(LogitsView<float>(certain.data(), 2, 4), tokens, 1).accepted == 1);
  }
}

TEST_CASE("rows of another type are judged as the floats they convert to") {
  Random random(6);
  RejectionVerifier one, other;
  for (int i = 0; i < 200; ++i) {
    std::vector<float> const rows = joined({any_logits(random, 9), any_logits(random, 9), any_logits(random, 9)});
    std::vector<double> const wide(rows.begin(), rows.end());
    std::vector<float> const drawn_from = any_logits(random, 9);
    Verdict const verdict = verdict_of(one, rows, {1, 2}, {drawn_from});
    Verdict const of_wide = verdict_of(other, wide, {1, 2}, {drawn_from});
    CHECK(verdict.accepted == of_wide.accepted);
    CHECK(verdict.next == of_wide.next);
  }
}

TEST_CASE("what is not supported is refused by its name, and what was begun goes on") {
  SamplingOptions const usual{.temperature = 0.5F, .seed = 3};
  std::map<std::string, SamplingOptions> refused;
  refused["logit_bias"].logit_bias = {{1, 2.0F}};
  refused["penalties"].penalties.presence = 1;
  refused["dry"].dry.multiplier = 1;
  refused["logprobs"].logprobs = 0;
  refused["hooks"].hooks.edit = [](std::span<Token const>, std::span<float>) {};
  RejectionVerifier verifier(usual);
  for (auto const& [name, options] : refused) {
    std::string const message = "sampling: " + name + ": not supported by a RejectionVerifier: use a SamplingVerifier";
    CHECK_THROWS_WITH_AS(RejectionVerifier{options}, message.c_str(), copyspec::Error);
    CHECK_THROWS_WITH_AS(verifier.begin_turn(options, 8, 0), message.c_str(), copyspec::Error);
    CHECK(verifier.options().temperature == 0.5F);
  }
  CHECK_THROWS_AS(RejectionVerifier({.temperature = -1}), copyspec::Error);
  verifier.begin_turn(SamplingOptions{.temperature = 2}, 8, 0);
  CHECK(verifier.options().temperature == 2);
  verifier.begin_turn(std::nullopt, 8, 0);
  CHECK(verifier.options().temperature == 0.5F);
  CHECK(verifier.options().seed == 3);
}

TEST_CASE("at steady state nothing is allocated") {
  constexpr std::size_t count = 3000;
  Random random(7);
  std::vector<std::vector<float>> rows, drafts;
  for (int i = 0; i < 12; ++i) {
    rows.push_back(joined({any_logits(random, count), any_logits(random, count), any_logits(random, count)}));
    drafts.push_back(any_logits(random, count));
  }
  for (SamplingOptions const& options : {SamplingOptions{}, SamplingOptions{.top_k = 40, .top_p = 0.9F}}) {
    RejectionVerifier verifier(options);
    verifier.begin_turn(std::nullopt, count, 0);
    std::size_t before = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      if (i == 24) before = allocations();
      std::array<std::span<float const>, 2> const drawn_from{drafts[i % 12], {}};
      std::array<Token, 3> const tokens{0, static_cast<Token>(i), 5};
      verifier.drawn_from(drawn_from);
      static_cast<void>(verifier.verify(LogitsView<float>(rows[i % 12].data(), 3, count), tokens, 1));
    }
    CHECK(allocations() == before);
  }
}

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
  constexpr std::size_t draws = 100000;
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
    CHECK((surprise(seen, joint(row_after, prompt, {}), 2 * draws) < 4) == (kind != Kind::chosen));
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
    SamplingOptions const options{.temperature = row < 0.1 ? 0.7F : 1.2F,
                                  .top_k = row < 0.1 ? std::size_t{0} : std::size_t{5}};
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
