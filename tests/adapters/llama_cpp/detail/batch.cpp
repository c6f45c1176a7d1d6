// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/detail/batch.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using copyspec::SequenceId;
using copyspec::Token;
using copyspec::tree_size;
using copyspec::detail::LlamaCppBatch;
using copyspec::detail::LlamaCppTree;

namespace {

// What a token of the batch sees of it: as llama.cpp has it, those with its first id, at its position or before.
std::vector<Token> seen_by(llama_batch const& batch, std::size_t index) {
  std::vector<Token> seen;
  llama_seq_id const id = batch.seq_id[index][0];
  for (std::int32_t other = 0; other < batch.n_tokens; ++other) {
    auto const* const ids = batch.seq_id[other];
    if (std::find(ids, ids + batch.n_seq_id[other], id) != ids + batch.n_seq_id[other] &&
        batch.pos[other] <= batch.pos[index])
      seen.push_back(batch.token[other]);
  }
  return seen;
}

}  // namespace

TEST_CASE("a chain has consecutive positions, and rows after its newest tokens") {
  LlamaCppBatch batch(8, 0);
  std::vector<Token> const first = {5, 6, 7};
  std::vector<Token> const second = {8};
  batch.add_chain(first, 2, 3, 10);
  batch.add_chain(second, 0, 4, 0);
  llama_batch const& all = batch.get();
  REQUIRE(all.n_tokens == 4);
  CHECK(std::vector<Token>(all.token, all.token + 4) == std::vector<Token>{5, 6, 7, 8});
  CHECK(std::vector<llama_pos>(all.pos, all.pos + 4) == std::vector<llama_pos>{10, 11, 12, 0});
  CHECK(std::vector<int>(all.logits, all.logits + 4) == std::vector<int>{0, 1, 1, 0});
  CHECK(seen_by(all, 2) == first);
  CHECK(seen_by(all, 3) == second);
  batch.clear();
  CHECK(batch.get().n_tokens == 0);
}

TEST_CASE("a node of a tree sees the chain and its ancestors alone, on a sequence that nobody else has") {
  std::mt19937 random(1);
  constexpr std::size_t most_nodes = 12;
  LlamaCppBatch batch(64, most_nodes);
  for (int round = 0; round < 2000; ++round) {
    batch.clear();
    llama_seq_id free_branch = 2;
    Token next = 100;
    for (llama_seq_id sequence = 0; sequence < 2; ++sequence) {
      std::vector<Token> chain(1 + random() % 4);
      for (Token& token : chain) token = next++;
      std::vector<Token> nodes(random() % (most_nodes + 1));
      std::vector<std::int32_t> parents;
      for (std::size_t node = 0; node < nodes.size(); ++node) {
        nodes[node] = next++;
        parents.push_back(static_cast<std::int32_t>(random() % (node + 1)) - 1);
      }
      auto const position = static_cast<llama_pos>(random() % 50);
      batch.add_chain(chain, 1, sequence, position);
      LlamaCppTree const tree = batch.add_tree(nodes, parents, chain.size(), sequence, free_branch);
      llama_batch const& all = batch.get();
      CHECK(tree.sequence == SequenceId{sequence});
      REQUIRE(tree.first_node + nodes.size() == static_cast<std::size_t>(all.n_tokens));
      REQUIRE(static_cast<std::size_t>(tree.end_branch - tree.first_branch) == tree_size(parents, most_nodes).branches);
      for (std::size_t node = 0; node < nodes.size(); ++node) {
        std::size_t const index = tree.first_node + node;
        std::vector<Token> path;
        for (auto at = static_cast<std::int32_t>(node); at >= 0; at = parents[static_cast<std::size_t>(at)])
          path.push_back(nodes[static_cast<std::size_t>(at)]);
        std::vector<Token> seen = chain;
        seen.insert(seen.end(), path.rbegin(), path.rend());
        REQUIRE(seen_by(all, index) == seen);
        REQUIRE(all.pos[index] == position + static_cast<llama_pos>(seen.size()) - 1);
        REQUIRE(all.logits[index] == 1);
        llama_seq_id const id = batch.id_of(tree, static_cast<std::int32_t>(node));
        REQUIRE((id == sequence || (id >= tree.first_branch && id < tree.end_branch)));
      }
      free_branch = tree.end_branch;
    }
  }
}
