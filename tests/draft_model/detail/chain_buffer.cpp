// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/chain_buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

using copyspec::Draft;
using copyspec::Source;
using copyspec::Token;
using copyspec::detail::ChainBuffer;

TEST_CASE("drafts are appended with their probabilities, and the last source holds for all that follow") {
  ChainBuffer chain;
  chain.clear(6);
  std::ranges::copy(std::vector<Token>{7, 8, 9}, chain.space().begin());
  std::array<float, 3> const probabilities{0.9F, 0.8F, 0.7F};
  std::array<Source, 2> const sources{Source::history, Source::context};
  chain.append({.length = 3, .sources = sources, .probabilities = probabilities});
  chain.append({});
  CHECK(chain.size() == 3);
  CHECK(std::ranges::equal(chain.probabilities(), probabilities));
  std::vector<Token> space(6, -1);
  Draft const draft = chain.deliver(2, space);
  CHECK(space == std::vector<Token>{7, 8, -1, -1, -1, -1});
  CHECK(draft.length == 2);
  CHECK(draft.sources[0] == Source::history);
  CHECK(draft.sources[1] == Source::context);
  CHECK(chain.deliver(3, space).sources[2] == Source::context);
}

TEST_CASE("a token that takes a place ends the chain there") {
  ChainBuffer chain;
  chain.clear(100);
  CHECK(chain.room() == copyspec::max_predicted_tokens);
  std::array<float, 3> const probabilities{0.9F, 0.8F, 0.7F};
  chain.append({.length = 3, .probabilities = probabilities});
  chain.end_with(1, 5, 0.5F, Source::draft_model);
  CHECK(chain.size() == 2);
  CHECK(chain.token(1) == 5);
  CHECK(chain.probability(1) == 0.5F);
  std::vector<Token> space(2);
  CHECK(chain.deliver(2, space).sources[0] == Source::other);
  CHECK(chain.deliver(2, space).sources[1] == Source::draft_model);
  chain.set_probability(0, 0.1F);
  CHECK(chain.probability(0) == 0.1F);
  chain.clear(3);
  CHECK(chain.size() == 0);
  CHECK(chain.space().size() == 3);
}
