// SPDX-License-Identifier: MIT
#include <copyspec/draft_model/detail/kv_mirror.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <copyspec/core/token.hpp>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

using copyspec::Token;
using copyspec::detail::KvMirror;

namespace {

using Tokens = std::vector<Token>;

std::size_t common(Tokens const& a, Tokens const& b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

TEST_CASE("of what is held, so much agrees as comparing all of it would find") {
  std::mt19937 random(1);
  auto const pick = [&](std::size_t count) { return std::size_t{random()} % count; };
  std::size_t guesses_came_true = 0;
  for (int trial = 0; trial < 300; ++trial) {
    KvMirror cache;
    Tokens context{1};
    Tokens held;
    for (int step = 0; step < 40; ++step) {
      // Two tokens only, so that wrong guesses come true by chance.
      if (pick(5) == 0) {
        std::size_t const length = 1 + pick(context.size());
        context.resize(length);
        cache.truncate(length);
      }
      for (std::size_t added = pick(4); added > 0; --added) context.push_back(static_cast<Token>(pick(2)));
      Tokens draft(pick(5));
      for (Token& token : draft) token = static_cast<Token>(pick(2));
      Tokens all = context;
      all.insert(all.end(), draft.begin(), draft.end());

      std::size_t const agreeing = cache.follow(context, draft);
      CHECK(cache.held() == held.size());
      // Behind where the context was cut back it may have forgotten what came true again.
      CHECK(agreeing <= common(held, all));
      CHECK(std::equal(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(agreeing), all.begin()));
      if (agreeing == common(held, all) && agreeing > context.size()) ++guesses_came_true;

      std::size_t const kept = std::min(agreeing, all.size() - 1) - (pick(4) == 0 ? std::min(agreeing, pick(3)) : 0);
      std::size_t const left = std::min(kept, all.size() - 1);
      cache.cut(left);
      held.resize(left);
      std::size_t const fed = pick(8) == 0 ? pick(all.size() - left) : all.size() - left;
      cache.append(std::span<Token const>(all).subspan(left, fed), context.size());
      held.insert(held.end(), all.begin() + static_cast<std::ptrdiff_t>(left),
                  all.begin() + static_cast<std::ptrdiff_t>(left + fed));
      CHECK(cache.held() == held.size());
    }
  }
  CHECK(guesses_came_true > 100);
}

TEST_CASE("guesses that came true are not to be fed again") {
  KvMirror cache;
  Tokens const context{1, 2, 3};
  Tokens const draft{4, 5, 6};
  CHECK(cache.follow(context, draft) == 0);
  cache.append(Tokens{1, 2, 3, 4, 5, 6}, 3);
  SUBCASE("all") {
    CHECK(cache.follow(Tokens{1, 2, 3, 4, 5, 6, 7}, Tokens{}) == 6);
  }
  SUBCASE("some, and the draft begins with the others") {
    CHECK(cache.follow(Tokens{1, 2, 3, 4}, Tokens{5, 6, 7}) == 6);
  }
  SUBCASE("some, and another token in place of the others") {
    CHECK(cache.follow(Tokens{1, 2, 3, 4, 9}, Tokens{}) == 4);
  }
  SUBCASE("none is lost by asking twice") {
    CHECK(cache.follow(Tokens{1, 2, 3, 4}, Tokens{5, 8}) == 5);
    CHECK(cache.follow(Tokens{1, 2, 3, 4}, Tokens{5, 6}) == 6);
  }
  SUBCASE("what is taken back is not held") {
    cache.truncate(2);
    CHECK(cache.follow(Tokens{1, 2, 9}, Tokens{}) == 2);
    CHECK(cache.held() == 6);
  }
}
