// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/pass_drafts.hpp>

#include <doctest/doctest.h>

#include <copyspec/decode/detail/planned_pass.hpp>
#include <copyspec/decode/generate_options.hpp>
#include <copyspec/draft/offering_proposer.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/greedy_verifier.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"

using copyspec::Draft;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::SequenceId;
using copyspec::Token;
using Tokens = std::vector<Token>;

namespace {

// Offers three tokens, and gives the first sequence that offers `length` of them.
struct Offering {
  std::vector<std::string>* calls;
  std::size_t length;
  static constexpr std::array<float, 3> sure{1, 1, 1};

  [[nodiscard]] copyspec::DraftOffer offer(std::span<Token const> context, std::span<Token> space) const {
    calls->push_back("offer " + std::to_string(context.size()) + ", " + std::to_string(space.size()));
    std::size_t const size = std::min(space.size(), sure.size());
    for (Token& token : space.first(size)) token = 1;
    return {.probabilities = std::span(sure).first(size)};
  }
  void share_rows(std::span<copyspec::DraftOffer> offers, copyspec::PassWithoutDrafts const& pass) const {
    calls->push_back("share " + std::to_string(offers.size()) + ": " + std::to_string(pass.rows) + ", " +
                     std::to_string(pass.tokens) + ", " + std::to_string(pass.room));
    offers[0].length = length;
    std::ranges::reverse(offers);
  }
  [[nodiscard]] Draft draft_offered(std::span<Token const> context, std::size_t of) const {
    calls->push_back("draft " + std::to_string(context.size()) + ", " + std::to_string(of));
    return {of};
  }
  [[nodiscard]] Draft propose(std::span<Token const> context, std::span<Token> space) const {
    calls->push_back("propose " + std::to_string(context.size()) + ", " + std::to_string(space.size()));
    space[0] = 1;
    return {1};
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t fed) const {
    calls->push_back("chosen " + std::to_string(context.size()) + ", " + std::to_string(fed));
  }
  static void truncate(std::size_t) {}
};
static_assert(copyspec::OfferingProposer<Offering>);

}  // namespace

TEST_CASE("sequences that wait for one token offer drafts, and rows are shared out before the first is drafted") {
  using OfferingPass = copyspec::detail::PlannedPass<Offering, GreedyVerifier, LogitsView<float>>;
  std::vector<std::string> calls;
  OfferingPass::Slots slots({.vocabulary_size = 4, .max_tokens = 20, .context_limit = 50}, Offering{&calls, 3},
                            GreedyVerifier());
  OfferingPass pass;
  pass.reserve(4);
  copyspec::detail::Untimed untimed;
  auto const begin = [&](int key, std::size_t prompt, std::size_t most) {
    slots.begin(SequenceId{key}, Tokens(prompt, 1), {.max_draft_length = most});
  };
  begin(0, 1, 8);
  begin(1, 7, 0);
  // The only one that waits for a token is asked as ever.
  pass.plan(slots, 9, 2, true, untimed);
  CHECK(calls == std::vector<std::string>{"propose 1, 5", "chosen 7, 0"});
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });

  begin(2, 1, 0);
  begin(3, 1, 2);
  std::size_t const before = allocations();
  pass.plan(slots, 12, 2, true, untimed);
  CHECK(allocations() - before < 20);  // those of the calls noted here
  // Four sequences and two tokens of the prompt leave six rows. Number 2 must not draft.
  CHECK(calls == std::vector<std::string>{"offer 1, 6", "offer 1, 2", "share 2: 6, 3, 6", "draft 1, 3", "chosen 1, 0",
                                          "draft 1, 0", "chosen 7, 0"});
  REQUIRE(pass.segments().size() == 4);
  CHECK(pass.segments()[0].tokens.size() == 4);
  CHECK(pass.segments()[1].tokens.size() == 1);
  CHECK(pass.segments()[2].tokens.size() == 1);
  CHECK(pass.segments()[3].tokens.size() == 6);
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  pass.plan(slots, 12, 2, false, untimed);
  CHECK(std::ranges::none_of(calls, [](std::string const& call) { return call.starts_with("offer"); }));
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  // After a pass that was shared, the only one that waits is asked as ever.
  pass.plan(slots, 12, 2, true, untimed);
  REQUIRE(slots.at(SequenceId{0}).offered);
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.paused = slot.sequence.id() != SequenceId{0}; });
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  pass.plan(slots, 12, 2, true, untimed);
  CHECK(calls == std::vector<std::string>{"propose 1, 8"});
  pass.cancel(slots);
  calls.clear();
  slots.for_each([](auto& slot) { slot.paused = false; });
  slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  // No row is left for a draft.
  pass.plan(slots, 4, 0, true, untimed);
  CHECK(std::ranges::none_of(calls, [](std::string const& call) { return call.starts_with("offer"); }));
}

TEST_CASE("a draft after the last tokens of a prompt is not shared") {
  using OfferingPass = copyspec::detail::PlannedPass<Offering, GreedyVerifier, LogitsView<float>>;
  std::vector<std::string> calls;
  OfferingPass::Slots slots({.vocabulary_size = 4, .max_tokens = 20, .context_limit = 50}, Offering{&calls, 2},
                            GreedyVerifier());
  OfferingPass pass;
  pass.reserve(3);
  copyspec::detail::Untimed untimed;
  slots.begin(SequenceId{0}, Tokens(3, 1), {});
  slots.begin(SequenceId{1}, Tokens(1, 1), {});
  slots.begin(SequenceId{2}, Tokens(1, 1), {});
  pass.plan(slots, 20, 0, true, untimed);
  CHECK(calls == std::vector<std::string>{"offer 1, 17", "offer 1, 17", "share 2: 3, 2, 17", "draft 1, 2", "draft 1, 0",
                                          "propose 3, 13"});
}
