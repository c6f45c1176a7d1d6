// SPDX-License-Identifier: MIT
#include <copyspec/verify/rejection_verifier.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/detail/token_distribution.hpp>
#include <copyspec/verify/random_streams.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/verifier.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "support/random_logits.hpp"
#include "support/three_tokens.hpp"
#include "support/tokens.hpp"

using copyspec::LogitsView;
using copyspec::RandomStream;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::detail::TokenDistribution;
using copyspec_test::any_logits;
using copyspec_test::not_a_number;
using copyspec_test::Tokens;

namespace {

using Random = std::mt19937_64;
using DraftRows = std::vector<std::span<float const>>;

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
    return copyspec::detail::uniform_number(
        {.seed = copyspec::seed_for(RandomStream::verdict, seed), .position = numbers++});
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

SamplingOptions any_options(Random& random) {
  SamplingOptions options{.temperature = std::array{0.0F, 0.7F, 1.0F, 1.5F}[random() % 4], .seed = random() % 3};
  if (random() % 2 == 0) options.top_k = 1 + static_cast<std::ptrdiff_t>(random() % 5);
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
      verifier.begin_turn({.options = &options, .vocabulary = 8});
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
    Verdict const by_rule = expected.verdict(*options.seed, model, drafted,
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
