// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/predicted_chain.hpp>
#include <copyspec/mix/detail/predicted_tree.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::History;
using copyspec::max_predicted_tokens;
using copyspec::Source;
using copyspec::Token;
using copyspec::tree_size;
using copyspec::detail::CopySources;
using copyspec::detail::Mixer;
using copyspec::detail::predict_chain;
using copyspec::detail::PredictedTree;
using copyspec::detail::Prediction;

namespace {

constexpr Token untouched = -77;

struct Tree {
  Tokens tokens;
  std::vector<std::int32_t> parents;
  std::vector<float> reaches;

  [[nodiscard]] std::size_t size() const { return tokens.size(); }

  // The tokens from the context on up to `node`; none to -1.
  [[nodiscard]] Tokens path(std::int32_t node) const {
    Tokens path;
    for (; node >= 0; node = parents[static_cast<std::size_t>(node)])
      path.insert(path.begin(), tokens[static_cast<std::size_t>(node)]);
    return path;
  }

  bool operator==(Tree const&) const = default;
};

struct Bounds {
  std::size_t branches = max_predicted_tokens;
  std::size_t limit = max_predicted_tokens;
  float least_reach = 0.01F;
};

Tree predicted(CopySources const& copy_sources, Mixer const& mixer, Tokens const& context, Bounds const& bounds) {
  Tree tree{.tokens = Tokens(max_predicted_tokens + 4, untouched),
            .parents = std::vector<std::int32_t>(max_predicted_tokens + 4, untouched),
            .reaches = {}};
  PredictedTree const found(copy_sources, mixer, context,
                            {.tokens = std::span(tree.tokens).first(bounds.limit),
                             .parents = std::span(tree.parents).first(bounds.limit),
                             .max_branches = bounds.branches},
                            bounds.limit, bounds.least_reach);
  REQUIRE(found.size() <= bounds.limit);
  REQUIRE(std::ranges::all_of(std::span(tree.tokens).subspan(bounds.limit), [](Token t) { return t == untouched; }));
  REQUIRE(std::ranges::all_of(std::span(tree.parents).subspan(bounds.limit), [](auto p) { return p == untouched; }));
  tree.tokens.resize(found.size());
  tree.parents.resize(found.size());
  tree.reaches.assign(found.reaches().begin(), found.reaches().end());
  REQUIRE(std::ranges::equal(found.parents(), tree.parents));
  REQUIRE(tree.reaches.size() == tree.size());
  REQUIRE(found.sources().size() == tree.size());
  for (std::size_t i = 0; i < tree.size(); ++i)
    REQUIRE(found.sources()[i] ==
            input_after(copy_sources, context, tree.path(tree.parents[i])).source_of(tree.tokens[i]));
  return tree;
}

// What might come next, and how likely the whole path to it is.
struct Offer {
  std::int32_t parent = -1;
  Token token = 0;
  float reach = 0;
};

// Whether each node is one of the likeliest of all that might have come next, and no more could have come, by sorting
// all of them each time.
bool is_best_first(CopySources const& copy_sources, Mixer const& mixer, Tokens const& context, Tree const& tree,
                   Bounds const& bounds) {
  std::vector<Offer> offers;
  auto const offer_after = [&](std::int32_t node) {
    Prediction const prediction = predict_after(copy_sources, mixer, context, tree.path(node));
    float const reach = node < 0 ? 1.0F : tree.reaches[static_cast<std::size_t>(node)];
    for (auto const& candidate : std::span(prediction.candidates).first(prediction.size))
      if (float const with = reach * candidate.probability; with >= bounds.least_reach)
        offers.push_back({node, candidate.token, with});
  };
  offer_after(-1);
  std::size_t branches = 0;
  for (std::size_t node = 0;; ++node) {
    auto const known = std::span(tree.parents).first(node);
    auto const taken = [&](Offer const& offer) { return std::ranges::find(known, offer.parent) != known.end(); };
    if (branches == bounds.branches) std::erase_if(offers, taken);
    if (node == bounds.limit || offers.empty()) return tree.size() == node;
    if (tree.size() == node) return false;
    std::ranges::sort(offers, std::greater<>(), &Offer::reach);
    auto const chosen = std::ranges::find_if(offers, [&](Offer const& offer) {
      return offer.parent == tree.parents[node] && offer.token == tree.tokens[node];
    });
    if (chosen == offers.end() || chosen->reach != offers.front().reach || chosen->reach != tree.reaches[node])
      return false;
    branches += taken(*chosen) ? 1U : 0U;
    offers.erase(chosen);
    offer_after(static_cast<std::int32_t>(node));
  }
}

}  // namespace

TEST_CASE("a predicted tree is the best-first search, by sorting all that might come next") {
  Random random(1);
  std::size_t full = 0;
  std::size_t branched = 0;
  std::size_t out_of_branches = 0;
  std::size_t empty = 0;
  for (int round = 0; round < 12; ++round) {
    std::size_t const vocabulary = 3 + below(random, 40);
    auto const history = round % 2 == 0 ? nullptr : std::make_shared<History>(std::size_t{1} << 18);
    Tokens const earlier = copying_text(random, 300, vocabulary);
    if (history != nullptr) history->append(earlier);
    Mixer mixer;
    CopySources copy_sources(0, history);
    copy_sources.reserve(1000);
    Tokens const text = copying_text(random, 300, vocabulary, earlier);
    for (std::size_t length = 0; length <= text.size(); length += 1 + below(random, 6)) {
      Tokens const context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
      read_and_learn(copy_sources, mixer, context);
      Bounds const bounds{.branches = below(random, 2) == 0 ? max_predicted_tokens : below(random, 5),
                          .limit = below(random, 2) == 0 ? max_predicted_tokens : below(random, 12),
                          .least_reach = below(random, 2) == 0 ? 0.005F : 0.1F};
      Tree const tree = predicted(copy_sources, mixer, context, bounds);
      CAPTURE(length);
      REQUIRE(is_best_first(copy_sources, mixer, context, tree, bounds));
      REQUIRE(std::ranges::is_sorted(tree.reaches, std::greater<>()));
      auto const size = tree_size(tree.parents, bounds.branches);
      REQUIRE(size.nodes == tree.size());
      full += tree.size() == bounds.limit ? 1U : 0U;
      branched += size.branches > 2 ? 1U : 0U;
      out_of_branches += bounds.branches < max_predicted_tokens && size.branches == bounds.branches ? 1U : 0U;
      empty += tree.size() == 0 ? 1U : 0U;
    }
  }
  CHECK(full > 100);
  CHECK(branched > 100);
  CHECK(out_of_branches > 100);
  CHECK(empty > 5);
}

TEST_CASE("a predicted tree without branches is the predicted chain, as far as both go") {
  Random random(2);
  Mixer mixer;
  CopySources copy_sources(0, nullptr);
  copy_sources.reserve(1000);
  Tokens const text = copying_text(random, 400, 10);
  std::size_t compared = 0;
  for (std::size_t length = 0; length <= text.size(); length += 5) {
    Tokens const context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
    read_and_learn(copy_sources, mixer, context);
    Tree const tree = predicted(copy_sources, mixer, context, {.branches = 0, .least_reach = 0.02F});
    Tokens space(max_predicted_tokens);
    std::vector<float> probabilities(max_predicted_tokens);
    std::vector<Source> sources(max_predicted_tokens);
    space.resize(predict_chain(copy_sources, mixer, context, space, 0, space.size(), probabilities, sources));
    CHECK(tree.tokens == space);
    compared += space.size();
  }
  CHECK(compared > 500);
}

TEST_CASE("both ways that a text went on are in a predicted tree, each with what came behind it") {
  Tokens const common = counting(100, 6);
  Tokens const one = counting(200, 4);
  Tokens const other = counting(300, 4);
  Random random(4);
  Tokens text;
  for (int i = 0; i < 60; ++i) text = text + common + (below(random, 2) == 0 ? one : other);
  text = text + common;
  Mixer mixer;
  CopySources copy_sources(0, nullptr);
  copy_sources.reserve(1000);
  read_and_learn(copy_sources, mixer, text);
  Tree const tree = predicted(copy_sources, mixer, text, {});
  std::vector<Tokens> paths;
  for (std::size_t i = 0; i < tree.size(); ++i) paths.push_back(tree.path(static_cast<std::int32_t>(i)));
  CHECK(std::ranges::find(paths, one) != paths.end());
  CHECK(std::ranges::find(paths, other) != paths.end());
}

TEST_CASE("a predicted tree without room, or of an unknown text, is empty") {
  Mixer const mixer;
  CopySources copy_sources(0, nullptr);
  copy_sources.reserve(100);
  CHECK(predicted(copy_sources, mixer, {}, {}).size() == 0);
  Tokens const text = counting(0, 10) + counting(0, 5);
  read(copy_sources, text);
  CHECK(predicted(copy_sources, mixer, text, {.limit = 0}).size() == 0);
  CHECK(predicted(copy_sources, mixer, text, {.least_reach = 1.5F}).size() == 0);
  CHECK(predicted(copy_sources, mixer, text, {}).size() > 0);
}

TEST_CASE("predicting a tree allocates nothing") {
  Random random(3);
  auto const history = std::make_shared<History>(std::size_t{1} << 18);
  Tokens const text = copying_text(random, 500, 5);
  history->append(text);
  Mixer mixer;
  CopySources copy_sources(0, history);
  copy_sources.reserve(1000);
  read_and_learn(copy_sources, mixer, text);
  Tokens tokens(max_predicted_tokens);
  std::vector<std::int32_t> parents(max_predicted_tokens);
  std::size_t const before = allocations();
  PredictedTree const tree(copy_sources, mixer, text, {tokens, parents, 8}, max_predicted_tokens, 0.005F);
  CHECK(allocations() == before);
  CHECK(tree.size() > 8);
}
