// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/tree_model.hpp"
#include "../../model/tree_shape.hpp"
#include "law_probe.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Checks whether `model` satisfies the laws of `TreeModel`. Feeds random trees and compares the rows with those of
/// each chain; then keeps each path in turn, or nothing, and continues from there. Otherwise as `ModelLaws`. Checks
/// nothing if the model has no branches, or if a pass or the context has no room for a branch.
///
/// Costs up to eight passes per node, for three trees of up to `options.length` / 2 nodes.
template <TreeModel M>
class TreeLaws : LawProbe<M> {
  using Probe = LawProbe<M>;

 public:
  explicit TreeLaws(M& model, testing::LawOptions const& options = {}) : Probe(model, options) {}

  [[nodiscard]] testing::LawReport check() {
    std::size_t const before = options_.length / 2;
    std::size_t const room = options_.length - before;
    // One token of a pass is the newest context token, and two tokens are fed after a path.
    std::size_t const nodes = std::min(room - std::min(room, continuation), as_count(model_.max_tokens()) - 1);
    if (nodes < 2 || as_count(model_.max_branches()) == 0) return report();
    std::mt19937_64 random(options_.seed);
    for (std::size_t const spread : {std::size_t{1}, std::size_t{3}, nodes}) {
      forget_all();
      Tree const tree = draw_tree(random, before, nodes, spread);
      Rows const reference = references(options_.first, tree);
      check_paths(tree, reference);
      if (options_.second) check_others(tree, reference, draw_tree(random, before / 2 + 1, nodes, spread));
    }
    forget_all();
    return report();
  }

 private:
  using Probe::draw;
  using Probe::expect;
  using Probe::feed;
  using Probe::first;
  using Probe::forget;
  using Probe::forget_all;
  using Probe::fresh;
  using Probe::last;
  using Probe::model_;
  using Probe::options_;
  using Probe::pass;
  using Probe::report;
  using Probe::violated;
  using typename Probe::Rows;

  static constexpr std::size_t continuation = 2;
  using Path = std::vector<std::int32_t>;

  struct Tree {
    std::size_t before = 0;
    std::vector<Token> tokens;  // `before` tokens, the nodes, and what is fed after a path
    std::vector<std::int32_t> parents;

    [[nodiscard]] std::span<Token const> context() const { return std::span(tokens).first(before); }
    // The pending token and the nodes.
    [[nodiscard]] TreeSegment segment(SequenceId sequence) const {
      return {.sequence = sequence,
              .tokens = std::span(tokens).subspan(before - 1, parents.size() + 1),
              .rows = parents.size() + 1,
              .parents = parents};
    }
    [[nodiscard]] Path path_to(std::int32_t node) const {
      Path path;
      for (; node >= 0; node = parents[static_cast<std::size_t>(node)]) path.insert(path.begin(), node);
      return path;
    }
    [[nodiscard]] std::vector<Token> chain_to(std::int32_t node) const {
      std::vector<Token> chain(context().begin(), context().end());
      for (std::int32_t const step : path_to(node)) chain.push_back(tokens[before + static_cast<std::size_t>(step)]);
      return chain;
    }
  };

  // Each node follows one of the newest `spread` nodes before it, as far as branches allow.
  [[nodiscard]] Tree draw_tree(std::mt19937_64& random, std::size_t before, std::size_t nodes, std::size_t spread) {
    Tree tree{.before = before, .tokens = draw(random), .parents = {}};
    tree.tokens.resize(before + nodes + continuation);
    std::size_t branches = 0;
    for (std::size_t node = 0; node < nodes; ++node) {
      std::size_t const back = random() % std::min(spread + 1, node + 1);
      tree.parents.push_back(static_cast<std::int32_t>(node - back) - 1);
      if (!begins_branch(tree.parents, node)) continue;
      // The trees of two sequences may share a pass.
      if (branches < std::max<std::size_t>(1, as_count(model_.max_branches()) / 2))
        ++branches;
      else
        tree.parents.back() = static_cast<std::int32_t>(node) - 1;
    }
    return tree;
  }

  // The rows after the context and after each node, computed from chains.
  [[nodiscard]] Rows references(SequenceId sequence, Tree const& tree) {
    Rows rows;
    for (std::int32_t node = -1; node < static_cast<std::int32_t>(tree.parents.size()); ++node)
      rows.push_back(fresh(sequence, tree.chain_to(node)).back());
    return rows;
  }

  void feed_context(SequenceId sequence, Tree const& tree) {
    forget(sequence);
    feed(sequence, tree.context().first(tree.before - 1), tree.before);
  }

  // Keeps the path to `node`, or nothing if it is -1. Returns how many tokens are held.
  std::size_t keep(SequenceId sequence, Tree const& tree, std::int32_t node) {
    Path const path = tree.path_to(node);
    std::size_t const held = as_count(model_.keep(sequence, tree.before, path));
    std::size_t const most = tree.before + path.size();
    if (held > most) violated("path", "of " + std::to_string(most) + " tokens, keep kept " + std::to_string(held));
    return std::min(held, most);
  }

  // Continues after `chain`, of which `held` tokens are held, and compares with a sequence that was never fed the tree.
  void go_on(SequenceId sequence, std::vector<Token> chain, Tree const& tree, std::size_t held,
             std::string const& what) {
    chain.insert(chain.end(), tree.tokens.end() - continuation, tree.tokens.end());
    Rows const rows = feed(sequence, std::span<Token const>(chain).subspan(held), chain.size());
    expect("path", what, last(fresh(sequence, chain), continuation), last(rows, continuation),
           chain.size() - continuation);
  }

  void check_paths(Tree const& tree, Rows const& reference) {
    auto const feed_tree = [&] {
      feed_context(options_.first, tree);
      TreeSegment const segment = tree.segment(options_.first);
      expect("tree", "the rows of a tree, and of the chains to its nodes", reference,
             pass(std::span<TreeSegment const>(&segment, 1)));
    };
    for (std::int32_t node = -1; node < static_cast<std::int32_t>(tree.parents.size()); ++node) {
      feed_tree();
      std::size_t const held = keep(options_.first, tree, node);
      go_on(options_.first, tree.chain_to(node), tree, held,
            "the rows after a path that was kept, and after the chain");
    }
    for (std::size_t const length : {tree.before, tree.before / 2}) {
      feed_tree();
      std::size_t const held = as_count(model_.truncate(options_.first, length));
      if (held > length)
        return violated("path",
                        "truncate to " + std::to_string(length) + " before a tree kept " + std::to_string(held));
      go_on(options_.first, tree.chain_to(-1), tree, held, "the rows after a tree that was truncated, and without it");
    }
  }

  // Two sequences in a pass, the second with a tree or with the chain of its first nodes.
  void check_others(Tree const& tree, Rows const& reference, Tree other) {
    std::size_t const room = as_count(model_.max_tokens()) - (tree.parents.size() + 1);
    if (room < 2) return;
    other.parents.resize(std::min(other.parents.size(), room - 1));
    for (bool const chain : {as_count(model_.max_branches()) < 2, true}) {
      if (chain)
        for (std::size_t node = 0; node < other.parents.size(); ++node)
          other.parents[node] = static_cast<std::int32_t>(node) - 1;
      Rows const other_reference = references(*options_.second, other);
      for (bool const swapped : {false, true}) {
        feed_context(options_.first, tree);
        feed_context(*options_.second, other);
        std::array batch{tree.segment(options_.first), other.segment(*options_.second)};
        if (chain) batch[1].parents = {};
        if (swapped) std::swap(batch[0], batch[1]);
        Rows const rows = pass(std::span<TreeSegment const>(batch));
        if (rows.size() != reference.size() + other_reference.size()) return;
        auto const part = [&](bool front, std::size_t count) { return front ? first(rows, count) : last(rows, count); };
        expect("tree", "the rows of a tree alone and beside another", reference, part(!swapped, reference.size()));
        expect("tree", "the rows of a sequence alone and beside a tree", other_reference,
               part(swapped, other_reference.size()));
        auto const end = static_cast<std::int32_t>(tree.parents.size()) - 1;
        auto const other_end = static_cast<std::int32_t>(other.parents.size()) - 1;
        std::size_t const held = keep(options_.first, tree, end);
        std::size_t const other_held =
            chain ? other.before + other.parents.size() : keep(*options_.second, other, other_end);
        go_on(options_.first, tree.chain_to(end), tree, held,
              "the rows after a path that was kept beside another sequence, and after the chain");
        go_on(*options_.second, other.chain_to(other_end), other, other_held,
              "the rows of a sequence after a path of another was kept, and without");
      }
    }
  }
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
