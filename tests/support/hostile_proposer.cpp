// SPDX-License-Identifier: MIT
#include "support/hostile_proposer.hpp"

#include <copyspec/core/token.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/draft/tree_proposer.hpp>
#include <copyspec/model/tree_shape.hpp>
#include <copyspec/testing/toy_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "support/plain_decoder.hpp"
#include "support/tokens.hpp"

namespace copyspec_test {

Draft HostileProposer::propose(std::span<Token const> context, std::span<Token> space) {
  see(context, space);
  return chain(any_kind(), space);
}

Draft HostileProposer::propose_tree(std::span<Token const> context, TreeSpace space) {
  if (space.tokens.size() != space.parents.size() || space.max_branches == 0) *wrong_ = "no room for a tree";
  see(context, space.tokens);
  std::ranges::fill(space.parents, -9);
  Kind const kind = any_kind();
  if (kind == tree) return any_tree(space);
  Draft const draft = chain(kind, space.tokens);
  for (std::size_t i = 0; i < draft.length; ++i) space.parents[i] = static_cast<std::int32_t>(i) - 1;
  return draft;
}

void HostileProposer::see(std::span<Token const> context, std::span<Token> space) {
  if (context.size() < seen_.size() || !std::equal(seen_.begin(), seen_.end(), context.begin()))
    *wrong_ = "a proposer's context changed without a word";
  seen_ = copy(context);
  std::ranges::fill(space, -7);
}

Draft HostileProposer::any_tree(TreeSpace space) {
  std::size_t const wanted = random_.below(std::min<std::size_t>(space.tokens.size(), 24) + 1);
  Tokens const plain = decode_plainly(options_, seen_, wanted).tokens;
  std::vector<std::size_t> agreeing(wanted, 0);  // nodes up to this one, if all are right
  std::size_t branches = 0;
  std::size_t length = 0;
  for (; length < wanted; ++length) {
    auto const node = static_cast<std::int32_t>(length);
    std::int32_t& parent = space.parents[length];
    parent = random_.one_in(2) ? node - 1 : static_cast<std::int32_t>(random_.below(length + 1)) - 1;
    if (copyspec::begins_branch(space.parents, length)) {
      if (branches == space.max_branches) break;
      ++branches;
    }
    bool const follows = parent < 0 || agreeing[static_cast<std::size_t>(parent)] > 0;
    std::size_t const depth = parent < 0 ? 0 : agreeing[static_cast<std::size_t>(parent)];
    auto token = static_cast<Token>(random_.below(options_.vocabulary));
    if (random_.one_in(40)) token = random_.any_of({-1, static_cast<Token>(options_.vocabulary)});
    if (follows && depth < plain.size() && !random_.one_in(3)) token = plain[depth];
    space.tokens[length] = token;
    if (follows && depth < plain.size() && token == plain[depth]) agreeing[length] = depth + 1;
  }
  return {length};
}

Draft HostileProposer::chain(Kind kind, std::span<Token> space) {
  auto const vocabulary = static_cast<Token>(options_.vocabulary);
  switch (kind) {
    case random_tokens:
      for (Token& token : space) token = static_cast<Token>(random_.below(options_.vocabulary));
      return {random_.below(space.size() + 1)};
    case unknown_tokens:
      for (Token& token : space)
        token = random_.any_of({0, vocabulary - 1, vocabulary, std::numeric_limits<Token>::max()});
      break;
    case negative_tokens:
      for (Token& token : space) token = random_.any_of({0, 0, 0, -1, std::numeric_limits<Token>::min()});
      break;
    case constant:
      for (Token& token : space) token = 0;
      break;
    default: {
      Tokens const tokens = decode_plainly(options_, seen_, space.size()).tokens;
      std::size_t const length = std::min(tokens.size(), space.size());
      std::copy_n(tokens.begin(), length, space.begin());
      if (kind == right || length == 0) return {length};
      Token& wrong = space[random_.below(length)];
      wrong = (wrong + 1) % vocabulary;
      return {length};
    }
  }
  return {space.size()};
}

HostileProposer always_right(ToyModelOptions const& options) {
  static std::string unheeded;
  return {HostileProposer::right, options, unheeded};
}

}  // namespace copyspec_test
