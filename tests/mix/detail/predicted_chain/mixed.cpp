// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/predicted_chain.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/chain.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::History;
using copyspec::Source;
using copyspec::Token;
using copyspec::detail::CopySources;
using copyspec::detail::Mixer;
using copyspec::detail::predict_chain;
using copyspec::detail::Prediction;
using copyspec_test::Chain;
using copyspec_test::predicted;

namespace {

// Each token is found from the context and the whole chain before it, written down as one text.
Chain walked(CopySources const& copy_sources, Mixer const& mixer, Tokens const& context, std::size_t room) {
  Chain chain;
  float survival = 1;
  while (chain.tokens.size() < room) {
    Prediction const prediction = predict_after(copy_sources, mixer, context, chain.tokens);
    auto const candidates = std::span(prediction.candidates).first(prediction.size);
    if (candidates.empty()) break;
    auto const best = *std::ranges::max_element(candidates, {}, &Prediction::Candidate::probability);
    survival *= best.probability;
    if (survival < 0.02F) break;
    chain.sources.push_back(input_after(copy_sources, context, chain.tokens).source_of(best.token));
    chain.tokens.push_back(best.token);
    chain.probabilities.push_back(best.probability);
  }
  return chain;
}

}  // namespace

TEST_CASE("a predicted chain is the greedy walk, token by token") {
  Random random(1);
  std::size_t cut = 0;
  std::size_t full = 0;
  std::size_t empty = 0;
  for (int round = 0; round < 12; ++round) {
    std::size_t const vocabulary = 3 + below(random, 60);
    auto const history = round % 2 == 0 ? nullptr : std::make_shared<History>(std::size_t{1} << 18);
    Tokens const earlier = copying_text(random, 300, vocabulary);
    if (history != nullptr) history->append(earlier);
    Mixer mixer;
    CopySources copy_sources(0, history);
    copy_sources.reserve(1000);
    Tokens const text = copying_text(random, 400, vocabulary, earlier);
    for (std::size_t length = 0; length <= text.size(); ++length) {
      Tokens const context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
      read_and_learn(copy_sources, mixer, context);
      if (below(random, 4) != 0) continue;
      std::size_t const room = below(random, 3) == 0 ? below(random, 6) : 64;
      Chain const chain = predicted(copy_sources, mixer, context, room, room);
      REQUIRE(chain == walked(copy_sources, mixer, context, room));
      (chain.tokens.empty() ? empty : chain.tokens.size() == room ? full : cut) += 1;
    }
  }
  CHECK(cut > 100);
  CHECK(full > 50);
  CHECK(empty > 5);
}

TEST_CASE("a predicted chain goes on into itself") {
  Mixer mixer;
  CopySources copy_sources(0, nullptr);
  copy_sources.reserve(1000);
  Tokens text;
  for (int i = 0; i < 60; ++i) text = text + counting(10, 5);
  read_and_learn(copy_sources, mixer, text);
  Tokens const chain = predicted(copy_sources, mixer, text, 64, 64).tokens;
  REQUIRE(chain.size() == 64);
  for (std::size_t i = 0; i < chain.size(); ++i) CHECK(chain[i] == static_cast<Token>(10 + i % 5));
}

TEST_CASE("a predicted chain ends where nothing is known, and leaves what it was made from as it was") {
  Mixer const mixer;
  CopySources copy_sources(0, nullptr);
  copy_sources.reserve(100);
  CHECK(predicted(copy_sources, mixer, {}, 10, 10).tokens.empty());
  Tokens const text{1, 2, 3, 4, -1, 9, 1, 2, 3};
  read(copy_sources, text);
  Chain const chain = predicted(copy_sources, mixer, text, 10, 10);
  CHECK(chain.tokens == Tokens{4});
  CHECK(predicted(copy_sources, mixer, text, 10, 10) == chain);
  CHECK(predicted(copy_sources, mixer, text, 0, 0).tokens.empty());
}

TEST_CASE("predicting a chain allocates nothing") {
  Random random(2);
  auto const history = std::make_shared<History>(std::size_t{1} << 18);
  Tokens const text = copying_text(random, 500, 10);
  history->append(text);
  Mixer const mixer;
  CopySources copy_sources(0, history);
  copy_sources.reserve(1000);
  read(copy_sources, text);
  Tokens space(64);
  std::vector<float> probabilities(64);
  std::vector<Source> sources(64);
  std::size_t const before = allocations();
  CHECK(predict_chain(copy_sources, mixer, text, space, 0, space.size(), probabilities, sources) > 0);
  CHECK(allocations() == before);
}
