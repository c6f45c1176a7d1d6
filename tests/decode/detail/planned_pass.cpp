// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/planned_pass.hpp>

#include <doctest/doctest.h>

#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::SequenceId;
using copyspec::Token;

namespace {

using Tokens = std::vector<Token>;

// Writes down what it is asked, and drafts one token.
struct Asked {
  std::vector<std::string>* calls;
  void prepare(std::span<Token const> context, std::size_t room) const {
    calls->push_back("prepare " + std::to_string(context.size()) + ", " + std::to_string(room));
  }
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) const {
    calls->push_back("propose " + std::to_string(context.size()) + ", " + std::to_string(space.size()));
    space[0] = 1;
    return {1};
  }
  static void truncate(std::size_t) {}
};

using Pass = copyspec::detail::PlannedPass<Asked, GreedyVerifier, LogitsView<float>>;

}  // namespace

TEST_CASE("all contexts are prepared before the first draft is asked for, each in a piece of work that is timed") {
  std::vector<std::string> calls;
  Pass::Slots slots({.vocabulary_size = 4, .max_tokens = 6, .context_limit = 50}, Asked{&calls}, GreedyVerifier());
  Pass pass;
  pass.reserve(3);
  for (std::size_t i = 0; i < 3; ++i) slots.begin(SequenceId{static_cast<int>(i)}, Tokens(1 + 4 * i, 1), {});
  auto const timed = [&](auto&& work) -> decltype(auto) {
    calls.emplace_back("timed");
    return work();
  };
  pass.plan(slots, 6, true, timed);
  // One draft, for the one that waits for a token; of the prompts, three tokens and one are fed.
  CHECK(calls == std::vector<std::string>{"timed", "prepare 1, 3", "timed", "propose 1, 3"});
  REQUIRE(pass.segments().size() == 3);
  CHECK(pass.has_drafts());
  CHECK(pass.segments()[0].tokens.size() == 2);
  CHECK(pass.segments()[1].tokens.size() == 3);
  CHECK(pass.segments()[2].tokens.size() == 1);
  pass.cancel(slots);
  calls.clear();
  for (auto& slot : slots.all()) slot.sequence.truncated(0);
  pass.plan(slots, 6, false, timed);
  CHECK(calls.empty());
  CHECK_FALSE(pass.has_drafts());
}
