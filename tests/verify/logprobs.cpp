// SPDX-License-Identifier: MIT
#include <copyspec/verify/logprobs.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

using copyspec::LogprobsView;
using copyspec::Token;
using copyspec::TokenLogprob;

namespace {

std::vector<TokenLogprob> numbered(std::size_t count) {
  std::vector<TokenLogprob> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back({static_cast<Token>(i), -static_cast<float>(i)});
  return all;
}

}  // namespace

TEST_CASE("a token's own log-probability begins what belongs to it") {
  std::vector<TokenLogprob> const all = numbered(12);
  LogprobsView const view(all, 4);
  REQUIRE(view.size() == 3);
  for (std::size_t i = 0; i < view.size(); ++i) {
    CHECK(view[i].data() == all.data() + 4 * i);
    CHECK(view[i].size() == 4);
    CHECK(view[i].front().token == static_cast<Token>(4 * i));
  }
  CHECK(LogprobsView(all, 1).size() == 12);
  CHECK(LogprobsView(all, 1)[11].front().logprob == -11.0F);
}

TEST_CASE("a subview is those of some of the tokens") {
  std::vector<TokenLogprob> const all = numbered(12);
  LogprobsView const view(all, 3);
  for (std::size_t first = 0; first <= 4; ++first) {
    for (std::size_t count = 0; count <= 4 - first; ++count) {
      LogprobsView const part = view.subview(first, count);
      REQUIRE(part.size() == count);
      for (std::size_t i = 0; i < count; ++i) CHECK(part[i].data() == view[first + i].data());
    }
  }
  CHECK(view.subview(1, 3).subview(1, 1)[0].front().token == 6);
}

TEST_CASE("where none were asked for, there are none") {
  CHECK(LogprobsView().size() == 0);
  CHECK(LogprobsView().subview(3, 5).size() == 0);
  CHECK(LogprobsView({}, 4).size() == 0);
  std::vector<TokenLogprob> const all = numbered(3);
  CHECK(LogprobsView(all, 0).size() == 0);
}
