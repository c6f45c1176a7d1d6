// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "random.hpp"
#include "tokens.hpp"
#include "toy_language.hpp"

namespace copyspec_test {

using copyspec::Draft;
using copyspec::Token;
using copyspec::TreeSpace;
using copyspec::testing::ToyModelOptions;

// Drafts that no sane proposer makes, each kind at random or one of them always, and knows the law of its calls.
class HostileProposer {
 public:
  // Where there are branches to be had, `tree` is a tree with something right in it, and the others are chains.
  enum Kind : std::size_t {
    random_tokens,
    unknown_tokens,
    negative_tokens,
    constant,
    right,
    right_then_wrong,
    tree,
    mixed
  };

  HostileProposer(Kind kind, ToyLanguage const& options, std::string& wrong)
      : kind_(kind), options_(options), random_(options.seed), wrong_(&wrong) {}

  Draft propose(std::span<Token const> context, std::span<Token> space);

  Draft propose_tree(std::span<Token const> context, TreeSpace space);

  void truncate(std::size_t length) { seen_.resize(std::min(seen_.size(), length)); }

 private:
  void see(std::span<Token const> context, std::span<Token> space);

  Kind any_kind() { return kind_ == mixed ? static_cast<Kind>(random_.below(mixed)) : kind_; }

  // In any order that parents before children allow, with any number of the branches and now and then a token that
  // there is not. What is right may be anywhere in it.
  Draft any_tree(TreeSpace space);

  Draft chain(Kind kind, std::span<Token> space);

  Kind kind_;
  ToyLanguage options_;
  Random random_;
  std::string* wrong_;
  Tokens seen_;
};

// A `HostileProposer` that drafts what comes, as far as there is room.
HostileProposer always_right(ToyModelOptions const& options);

}  // namespace copyspec_test
