// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/pass_drafts.hpp>

#include <doctest/doctest.h>

#include <copyspec/decode/detail/planned_pass.hpp>
#include <copyspec/decode/engine_limits.hpp>
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

// The passes of a batch with such a proposer, and what it was asked in the newest one.
struct Setting {
  explicit Setting(std::size_t length) : slots(limits, Offering{&calls, length}, GreedyVerifier()) { pass.reserve(4); }

  void begin(int key, std::size_t prompt, std::size_t most) {
    slots.begin(SequenceId{key}, Tokens(prompt, 1), {.max_draft_length = most});
  }
  void plan(std::size_t most, std::size_t for_prompts, bool with_drafts = true) {
    pass.plan(slots, most, for_prompts, with_drafts, untimed);
  }
  // As before the pass, so that another can be planned.
  void undo() {
    pass.cancel(slots);
    calls.clear();
    slots.for_each([](auto& slot) { slot.sequence.truncated(0); });
  }
  [[nodiscard]] bool none_offered() const {
    return std::ranges::none_of(calls, [](std::string const& call) { return call.starts_with("offer"); });
  }

  using Pass = copyspec::detail::PlannedPass<Offering, GreedyVerifier, LogitsView<float>>;
  static constexpr copyspec::EngineLimits limits{.vocabulary_size = 4, .max_tokens = 20, .context_limit = 50};
  std::vector<std::string> calls;
  Pass::Slots slots;
  Pass pass;
  copyspec::detail::Untimed untimed;
};

}  // namespace

TEST_CASE("sequences that wait for one token offer drafts, and rows are shared out before the first is drafted") {
  Setting setting(3);
  auto const& calls = setting.calls;
  auto& slots = setting.slots;
  auto const& pass = setting.pass;
  setting.begin(0, 1, 8);
  setting.begin(1, 7, 0);
  // The only one that waits for a token is asked as ever.
  setting.plan(9, 2);
  CHECK(calls == std::vector<std::string>{"propose 1, 5", "chosen 7, 0"});
  setting.undo();

  setting.begin(2, 1, 0);
  setting.begin(3, 1, 2);
  std::size_t const before = allocations();
  setting.plan(12, 2);
  CHECK(allocations() - before < 20);  // those of the calls noted here
  // Four sequences and two tokens of the prompt leave six rows. Number 2 must not draft.
  CHECK(calls == std::vector<std::string>{"offer 1, 6", "offer 1, 2", "share 2: 6, 3, 6", "draft 1, 3", "chosen 1, 0",
                                          "draft 1, 0", "chosen 7, 0"});
  REQUIRE(pass.segments().size() == 4);
  CHECK(pass.segments()[0].tokens.size() == 4);
  CHECK(pass.segments()[1].tokens.size() == 1);
  CHECK(pass.segments()[2].tokens.size() == 1);
  CHECK(pass.segments()[3].tokens.size() == 6);
  setting.undo();

  setting.plan(12, 2, false);
  CHECK(setting.none_offered());
  setting.undo();

  // After a pass that was shared, the only one that waits is asked as ever.
  setting.plan(12, 2);
  REQUIRE(slots.at(SequenceId{0}).offered);
  setting.undo();
  slots.for_each([](auto& slot) { slot.paused = slot.sequence.id() != SequenceId{0}; });
  setting.plan(12, 2);
  CHECK(calls == std::vector<std::string>{"propose 1, 8"});
  setting.undo();

  // No row is left for a draft.
  slots.for_each([](auto& slot) { slot.paused = false; });
  setting.plan(4, 0);
  CHECK(setting.none_offered());
}

TEST_CASE("a draft after the last tokens of a prompt is not shared") {
  Setting setting(2);
  setting.begin(0, 3, 64);
  setting.begin(1, 1, 64);
  setting.begin(2, 1, 64);
  setting.plan(20, 0);
  CHECK(setting.calls == std::vector<std::string>{"offer 1, 17", "offer 1, 17", "share 2: 3, 2, 17", "draft 1, 2",
                                                  "draft 1, 0", "propose 3, 13"});
}
