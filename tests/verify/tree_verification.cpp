// SPDX-License-Identifier: MIT
#include <copyspec/verify/tree_verification.hpp>

#include <doctest/doctest.h>
#include <copyspec/cuda/detail/draft_walk.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::verify_tree;

namespace {

using Tokens = std::vector<Token>;
using Parents = std::vector<std::int32_t>;

constexpr Token no_token = copyspec::detail::no_token;
constexpr std::size_t vocabulary = 4;

// A verifier that also hears of what precedes each token, as one that samples would.
struct Listener {
  std::vector<Tokens> heard;
  Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) {
    CHECK(tokens.size() == length);
    CHECK(rows.rows() == 1);
    heard.emplace_back(tokens.begin(), tokens.end());
    return GreedyVerifier().verify(rows, tokens, length);
  }
};

struct Judged {
  Verdict verdict;
  Tokens accepted;
  Parents path;
  std::vector<Tokens> heard;
};

// `decided[i]` is what row i decides, or `no_token`.
Judged judge(Tokens const& context, Tokens const& nodes, Parents const& parents, Tokens const& decided) {
  std::vector<float> logits((nodes.size() + 1) * vocabulary, 0.0F);
  for (std::size_t row = 0; row < decided.size(); ++row)
    logits[row * vocabulary + static_cast<std::size_t>(std::max(decided[row], 0))] =
        decided[row] == no_token ? std::numeric_limits<float>::quiet_NaN() : 1.0F;
  Tokens tokens = context;
  tokens.insert(tokens.end(), nodes.begin(), nodes.end());
  Parents path = parents;
  Listener listener;
  std::span<Token> const all = tokens;
  Verdict const verdict =
      verify_tree(listener, LogitsView<float>(logits.data(), nodes.size() + 1, vocabulary),
                  std::span<Token const>(all.first(context.size())), all.subspan(context.size()), path);
  CHECK(std::equal(context.begin(), context.end(), tokens.begin()));
  REQUIRE(verdict.accepted <= nodes.size());
  path.resize(verdict.accepted);
  auto const first = tokens.begin() + static_cast<std::ptrdiff_t>(context.size());
  return {verdict, Tokens(first, first + static_cast<std::ptrdiff_t>(verdict.accepted)), path, listener.heard};
}

// By the book: from the context on, the child with the decided token, looked for among all nodes.
struct Walked {
  Tokens tokens;
  Parents path;
  Token next = no_token;
};
Walked walk(Tokens const& nodes, Parents const& parents, Tokens const& decided) {
  Walked walked;
  for (std::int32_t at = -1;;) {
    walked.next = decided[static_cast<std::size_t>(at + 1)];
    std::size_t child = 0;
    while (child < nodes.size() && (parents[child] != at || nodes[child] != walked.next)) ++child;
    if (walked.next == no_token || child == nodes.size()) return walked;
    at = static_cast<std::int32_t>(child);
    walked.path.push_back(at);
    walked.tokens.push_back(walked.next);
  }
}

void check_walk(Tokens const& nodes, Parents const& parents, Tokens const& decided) {
  Tokens const context{3, 1, 2};
  Walked const walked = walk(nodes, parents, decided);
  Judged const judged = judge(context, nodes, parents, decided);
  CHECK(judged.path == walked.path);
  CHECK(judged.accepted == walked.tokens);
  CHECK(judged.verdict.status == (walked.next == no_token ? VerdictStatus::invalid_row : VerdictStatus::ok));
  if (walked.next != no_token) CHECK(judged.verdict.next == walked.next);
  // Each row is asked about once, with what precedes it.
  REQUIRE(judged.heard.size() == walked.path.size() + 1);
  for (std::size_t i = 0; i < judged.heard.size(); ++i) {
    Tokens before = context;
    before.insert(before.end(), walked.tokens.begin(), walked.tokens.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(judged.heard[i] == before);
  }
  // On a device, the same tree is walked the same way.
  Parents path(nodes.size());
  Tokens emitted(nodes.size() + 1);
  auto const end = copyspec::detail::walk_draft(
      {.tokens = nodes.data(), .parents = parents.data(), .length = static_cast<std::uint32_t>(nodes.size())},
      decided.data(), path.data(), emitted.data());
  path.resize(end.accepted);
  CHECK(path == walked.path);
  CHECK(end.next == walked.next);
}

}  // namespace

TEST_CASE("a tree is walked along the decided tokens, and the path is moved together behind the context") {
  // context - 0:1 - 2:3, context - 1:2 - 3:3 - 4:0, 1 - 5:1
  Tokens const nodes{1, 2, 3, 3, 0, 1};
  Parents const parents{-1, -1, 0, 1, 3, 1};
  Judged const deep = judge({7, 7}, nodes, parents, {2, 1, 3, 1, 0, 2, 1});
  CHECK(deep.path == Parents{1, 3, 4});
  CHECK(deep.accepted == Tokens{2, 3, 0});
  CHECK(deep.verdict.next == 2);
  CHECK(judge({}, nodes, parents, {2, 0, 1, 0, 0, 0, 3}).path == Parents{1, 5});
  CHECK(judge({}, nodes, parents, {3, 0, 0, 0, 0, 0, 0}).path.empty());
}

TEST_CASE("over all trees of up to four nodes, what is accepted is what the walk by the book accepts") {
  for (std::size_t nodes = 0; nodes <= 4; ++nodes) {
    Parents parents(nodes, -1);
    for (bool more = true; more;) {
      // Every token of every node and every row, from two values.
      for (unsigned bits = 0; bits < 1U << (2 * nodes + 1); ++bits) {
        Tokens tokens(nodes), decided(nodes + 1);
        for (std::size_t i = 0; i < nodes; ++i) tokens[i] = static_cast<Token>(bits >> i & 1U);
        for (std::size_t i = 0; i <= nodes; ++i) decided[i] = static_cast<Token>(bits >> (nodes + i) & 1U);
        check_walk(tokens, parents, decided);
      }
      std::size_t digit = 0;
      for (; digit < nodes && ++parents[digit] == static_cast<std::int32_t>(digit); ++digit) parents[digit] = -1;
      more = digit < nodes;
    }
  }
}

TEST_CASE("random trees, deep and wide, with rows that decide nothing, are walked by the book") {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 5000; ++trial) {
    std::size_t const count = random() % 40;
    std::size_t const reach = 1 + random() % 6;
    Tokens nodes(count), decided(count + 1);
    Parents parents(count);
    for (std::size_t i = 0; i < count; ++i) {
      nodes[i] = static_cast<Token>(random() % 3);
      parents[i] = static_cast<std::int32_t>(i) - 1 - static_cast<std::int32_t>(random() % std::min(reach, i + 1));
    }
    for (Token& token : decided) token = random() % 30 == 0 ? no_token : static_cast<Token>(random() % 3);
    check_walk(nodes, parents, decided);
  }
}

TEST_CASE("parents that are none are never followed") {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 2000; ++trial) {
    std::size_t const count = 1 + random() % 12;
    Tokens nodes(count, 1), decided(count + 1, 1);
    Parents parents(count);
    for (std::int32_t& parent : parents)
      parent = random() % 2 == 0 ? static_cast<std::int32_t>(random() % 14) - 2
                                 : static_cast<std::int32_t>(static_cast<std::uint32_t>(random()));
    Judged const judged = judge({2}, nodes, parents, decided);
    CHECK(std::ranges::is_sorted(judged.path));
  }
}

TEST_CASE("judging a tree allocates nothing") {
  Tokens tokens{5, 1, 2, 3};
  Parents parents{-1, -1, 1};
  std::vector<float> logits(4 * vocabulary, 0.0F);
  logits[2] = logits[2 * vocabulary + 3] = 1.0F;
  GreedyVerifier verifier;
  std::span<Token> const all = tokens;
  std::size_t const before = allocations();
  Verdict const verdict = verify_tree(verifier, LogitsView<float>(logits.data(), 4, vocabulary),
                                      std::span<Token const>(all.first(1)), all.subspan(1), parents);
  CHECK(allocations() == before);
  CHECK(verdict.accepted == 2);
  CHECK(tokens == Tokens{5, 2, 3, 3});
}
