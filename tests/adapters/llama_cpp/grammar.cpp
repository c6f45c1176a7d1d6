// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/grammar.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <copyspec/adapters/llama_cpp/model.hpp>
#include <copyspec/copyspec.hpp>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/demo_model.hpp"

namespace {

using copyspec::Composer;
using copyspec::Draft;
using copyspec::GenerateOptions;
using copyspec::MixingProposer;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::RowHooks;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec::adapters::LlamaCppError;
using copyspec::adapters::LlamaCppGrammar;
using copyspec_test::ask;
using copyspec_test::demo_model;
using copyspec_test::end_tokens;
using copyspec_test::make_context;
using copyspec_test::small_context;
using copyspec_test::tokenize;

using Tokens = std::vector<Token>;

// A list of at most three people.
std::string const people = R"(
root   ::= "[" person ("," space person)? ("," space person)? "]"
person ::= "{\"name\":" space string "," space "\"age\":" space number "}"
string ::= "\"" [A-Za-z ]{1,12} "\""
number ::= [1-9] [0-9]?
space  ::= " "?
)";

std::string const question =
    "Say these people as JSON, in the form [{\"name\": \"Ann\", \"age\": 31}]: Ann is 31, Bob is 52 and Cy is 17.";

llama_vocab const& vocabulary() {
  return *llama_model_get_vocab(&demo_model());
}

std::string text_of(std::span<Token const> tokens) {
  std::string text(tokens.size() * 32 + 1, '\0');
  auto const length = llama_detokenize(&vocabulary(), tokens.data(), static_cast<std::int32_t>(tokens.size()),
                                       text.data(), static_cast<std::int32_t>(text.size()), false, false);
  REQUIRE(length >= 0);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

// Says plain nonsense, now and then with something of the context.
struct RandomDrafts {
  std::mt19937 random{7};
  Draft propose(std::span<Token const> context, std::span<Token> space) {
    std::size_t const length = std::min<std::size_t>(space.size(), random() % 8);
    for (Token& token : space.first(length))
      token = random() % 2 == 0 ? static_cast<Token>(random() % 40000) : context[random() % context.size()];
    return {length};
  }
  static void truncate(std::size_t) {}
};

struct Answer {
  Tokens tokens;
  std::size_t accepted = 0;
};

template <class Proposer>
Answer answer(LlamaCpp& model, SamplingOptions options, LlamaCppGrammar const& grammar, Proposer proposer) {
  options.hooks = grammar.hooks();
  Composer composer(model, std::move(proposer), SamplingVerifier());
  auto const said = composer.generate(
      ask(question), {.max_new_tokens = 100, .stop = {.tokens = end_tokens()}, .sampling = std::move(options)});
  return {{said.begin(), said.end()}, composer.sequence(copyspec::SequenceId{0}).counters().accepted};
}

// How far apart two tokens' scores are in the row behind `context`.
float margin(LlamaCpp& model, Tokens const& context, SamplingOptions const& options, Token a, Token b) {
  copyspec::SequenceId const id{0};
  model.truncate(id, 0);
  std::span<float const> row;
  for (std::size_t fed = 0; fed < context.size();) {
    std::size_t const count = std::min(context.size() - fed, model.max_tokens());
    fed += count;
    copyspec::Segment const segment{.sequence = id,
                                    .tokens = std::span<Token const>(context).subspan(fed - count, count),
                                    .rows = fed == context.size() ? 1U : 0U};
    auto const rows = model.forward({&segment, 1});
    if (segment.rows > 0) row = rows.row(0);
  }
  copyspec::detail::NoiseStream const noise{.seed = options.seed.value(), .position = context.size()};
  auto const score = [&](Token token) {
    float const logit = row[static_cast<std::size_t>(token)];
    if (options.temperature == 0) return logit;
    return copyspec::detail::gumbel_score(logit, 1 / options.temperature, noise.word(token));
  };
  float const difference = std::abs(score(a) - score(b));
  model.truncate(id, 0);
  return difference;
}

}  // namespace

TEST_CASE("answers keep to the grammar, and are the same with and without copying") {
  auto const context = make_context(demo_model(), small_context());
  LlamaCpp model(*context);
  LlamaCppGrammar const grammar(vocabulary(), people);
  std::size_t accepted = 0;
  std::vector<SamplingOptions> const settings{{.temperature = 0},
                                              {.temperature = 0.8F, .seed = 1},
                                              {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .seed = 2},
                                              {.temperature = 1.5F, .seed = 3}};
  for (SamplingOptions const& options : settings) {
    CAPTURE(options.seed.value_or(0));
    Answer const plain = answer(model, options, grammar, NoProposer());
    Answer const copied = answer(model, options, grammar, MixingProposer({.pass_cost = PassCost::marginal(0.02)}));
    Answer const disturbed = answer(model, options, grammar, RandomDrafts());
    accepted += copied.accepted;
    for (Answer const* const other : {&plain, &copied, &disturbed}) {
      auto const json = nlohmann::json::parse(text_of(other->tokens), nullptr, false);
      REQUIRE_MESSAGE(json.is_array(), text_of(other->tokens));
      CHECK(json[0].contains("age"));
      auto const [mine, theirs] = std::ranges::mismatch(plain.tokens, other->tokens);
      if (mine == plain.tokens.end() || theirs == other->tokens.end()) continue;
      Tokens before = ask(question);
      before.insert(before.end(), plain.tokens.begin(), mine);
      float const distance = margin(model, before, options, *mine, *theirs);
      MESSAGE("differs at ", mine - plain.tokens.begin(), ", margin ", distance);
      CHECK(distance < 0.1F);
    }
  }
  CHECK(accepted > 10);
}

TEST_CASE("a draft is cut before the first token that the grammar does not allow") {
  Tokens tokens = tokenize("Anything.");
  std::size_t const context = tokens.size();
  RowHooks const hooks = LlamaCppGrammar(vocabulary(), people).hooks()(context);
  for (Token const token : tokenize("[{\"name\": \"Ann\", \"age\": 31}] and")) tokens.push_back(token);
  std::span<Token const> const all(tokens);
  std::size_t const allowed = hooks.allowed_draft(all.first(context), all.subspan(context));
  CHECK(text_of(all.subspan(context, allowed)) == "[{\"name\": \"Ann\", \"age\": 31}]");
  CHECK(hooks.allowed_draft(all.first(context), all.subspan(context, 0)) == 0);
  // Asked behind some of them, and again from the start.
  CHECK(hooks.allowed_draft(all.first(context + 4), all.subspan(context + 4)) == allowed - 4);
  CHECK(hooks.allowed_draft(all.first(context), all.subspan(context)) == allowed);
  for (std::size_t i = 0; i <= allowed && context + i < tokens.size(); ++i)
    CHECK(hooks.allows(all.first(context + i), all[context + i]) == (i < allowed));
}

TEST_CASE("one factory serves many turns: their hooks share no state, and follow tokens that are taken back") {
  copyspec::RowHooksFactory const factory = LlamaCppGrammar(vocabulary(), people).hooks();
  Tokens tokens = tokenize("Anything.");
  std::size_t const context = tokens.size();
  for (Token const token : tokenize("[{\"name\": \"Ann\", \"age\": 31}]")) tokens.push_back(token);
  std::span<Token const> const all(tokens);
  RowHooks const one = factory(context);
  RowHooks const other = factory(context);
  auto const allowed = [&](RowHooks const& hooks, std::size_t count) {
    return hooks.allows(all.first(context + count), all[context + count]);
  };
  std::size_t const length = tokens.size() - context;
  for (std::size_t i = 0; i < length; ++i) {
    CHECK(allowed(one, i));
    // Two tokens later than the first, and begun again and again.
    if (i >= 2) CHECK(allowed(other, i - 2));
    if (i % 3 == 2) CHECK(allowed(other, 0));
  }
  // A turn whose answer begins later begins with the grammar there.
  RowHooks const late = factory(context + 2);
  CHECK(late.allows(all.first(context + 2), all[context]));
  // The state is that of the answer, wherever it is asked first.
  RowHooks const middle = factory(context);
  CHECK(allowed(middle, 5));
  CHECK(allowed(middle, 1));
}

TEST_CASE("a row is masked to what may follow") {
  std::vector<float> row(static_cast<std::size_t>(llama_vocab_n_tokens(&vocabulary())), 1);
  Tokens const before = tokenize("Anything.");
  RowHooks const hooks = LlamaCppGrammar(vocabulary(), people).hooks()(before.size());
  hooks.mask(before, row);
  std::size_t left = 0;
  for (std::size_t token = 0; token < row.size(); ++token) {
    if (row[token] != 1) continue;
    ++left;
    CHECK(text_of(Tokens{static_cast<Token>(token)}).starts_with("["));
  }
  CHECK(left > 0);
}

TEST_CASE("a grammar that cannot be read is refused") {
  CHECK_THROWS_AS(LlamaCppGrammar(vocabulary(), "root ::= (\"a\""), LlamaCppError);
  CHECK_THROWS_AS(LlamaCppGrammar(vocabulary(), ""), LlamaCppError);
  CHECK_THROWS_WITH_AS(LlamaCppGrammar(vocabulary(), "rot ::= \"a\""),
                       "llama.cpp cannot read this grammar, whose root is root", LlamaCppError);
}

TEST_CASE("an answer is free until the text that the grammar waits for") {
  std::string const number = R"gbnf(root ::= "(a|b)*: " [1-9] [0-9]?)gbnf";
  RowHooks const hooks = LlamaCppGrammar(vocabulary(), number, "root", "(a|b)*:").hooks()(0);
  // A factory of its own for each, as an answer that goes another way begins anew.
  auto const allowed = [&](std::string const& text) {
    Tokens const tokens = tokenize(text);
    std::span<Token const> const all(tokens);
    std::size_t count = 0;
    while (count < all.size() && hooks.allows(all.first(count), all[count])) ++count;
    std::size_t const drafted = hooks.allowed_draft(all.first(0), all);
    CHECK_MESSAGE(drafted == count, text);
    return text_of(all.first(count));
  };
  CHECK(allowed("Anything is free, (a|b) too. aab: x") == "Anything is free, (a|b) too. aab: x");
  CHECK(allowed("So it is: (a|b)*: 42") == "So it is: (a|b)*: 42");
  CHECK(allowed("So it is: (a|b)*: 42 and") == "So it is: (a|b)*: 42");
  CHECK(allowed("So it is: (a|b)*: x") == "So it is: (a|b)*:");
}

TEST_CASE("a token with the end of the text and more than the grammar allows is refused, and can be excluded") {
  // One token holds the end of the text and what follows it.
  Tokens const two = tokenize("\n\n");
  REQUIRE(two.size() == 1);
  std::string const word = "root ::= \"\\n\" [a-z]+";
  RowHooks const hooks = LlamaCppGrammar(vocabulary(), word, "root", "\n").hooks()(0);
  Tokens const before = tokenize("Anything.");
  CHECK_FALSE(hooks.allows(before, two[0]));
  CHECK(hooks.allowed_draft(before, two) == 0);
  std::vector<float> row(static_cast<std::size_t>(llama_vocab_n_tokens(&vocabulary())), 1);
  hooks.mask(before, row);
  CHECK(row[static_cast<std::size_t>(two[0])] == -std::numeric_limits<float>::infinity());
  CHECK(std::ranges::count(row, 1.0F) == static_cast<std::ptrdiff_t>(row.size()) - 1);
  CHECK(hooks.allows(before, tokenize("\n")[0]));
}
