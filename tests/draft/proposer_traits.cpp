// SPDX-License-Identifier: MIT
#include <copyspec/draft/proposer_traits.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/draft/best_draft.hpp"
#include "copyspec/draft/draft_scope.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft_model/model_proposer.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/sampling_options.hpp"

using copyspec::BestDraft;
using copyspec::Draft;
using copyspec::FirstDraft;
using copyspec::ModelProposer;
using copyspec::NoProposer;
using copyspec::PassCost;
using copyspec::ProposerTraits;
using copyspec::Token;
using Tokens = std::vector<Token>;
using Toy = copyspec::testing::ToyModel<float>;

namespace {

// Has every optional call of chains, and notes each; copies share the notes.
struct Noting {
  std::shared_ptr<std::string> calls = std::make_shared<std::string>();

  void note(char const* call) const { *calls += std::string(call) + " "; }

  Draft propose(std::span<Token const>, std::span<Token>) const {
    note("propose");
    return {};
  }
  void truncate(std::size_t) const { note("truncate"); }
  void reserve(std::size_t) const { note("reserve"); }
  void require_vocabulary(std::size_t) const { note("require_vocabulary"); }
  void set_references(std::span<Tokens const>) const { note("set_references"); }
  void set_scope(std::shared_ptr<copyspec::DraftScope> const&) const { note("set_scope"); }
  void claim() const { note("claim"); }
  void set_sampling(copyspec::SamplingOptions const&, bool) const { note("set_sampling"); }
  void prepare(std::span<Token const>, std::size_t) const { note("prepare"); }
  void on_draft_chosen(std::span<Token const>, std::size_t) const { note("on_draft_chosen"); }
  void on_pass(copyspec::PassReport const&) const { note("on_pass"); }
  void on_turn_begin(std::span<Token const>, std::size_t) const { note("on_turn_begin"); }
  void on_turn_end(std::span<Token const>, std::size_t) const { note("on_turn_end"); }
};

// Makes every call of a composer that drafts chains.
template <class P>
void call_all(P& proposer) {
  using Traits = ProposerTraits<P>;
  Tokens const context{1, 2, 3};
  Tokens space(4);
  Traits::require_vocabulary(proposer, 32);
  Traits::set_sampling(proposer, {.seed = 1}, false);
  Traits::claim(proposer);
  Traits::set_scope(proposer, nullptr);
  Traits::set_references(proposer, {});
  Traits::reserve(proposer, 100);
  Traits::on_turn_begin(proposer, context, 0);
  Traits::prepare(proposer, context, space.size());
  (void)proposer.propose(context, space);
  Traits::on_draft_chosen(proposer, context, 0);
  Traits::on_pass(proposer, {.rows = 1, .sequences = 1, .seconds = 1});
  Traits::on_turn_end(proposer, context, 2);
  proposer.truncate(1);
}

}  // namespace

TEST_CASE("every combinator forwards every call to the proposers in it") {
  std::vector<std::string> const calls{"require_vocabulary",
                                       "claim",
                                       "set_scope",
                                       "set_sampling",
                                       "set_references",
                                       "reserve",
                                       "on_turn_begin",
                                       "prepare",
                                       "propose",
                                       "on_draft_chosen",
                                       "on_pass",
                                       "on_turn_end",
                                       "truncate"};
  auto const check = [&](char const* name, auto proposer, Noting const& inner) {
    CAPTURE(name);
    call_all(proposer);
    for (std::string const& call : calls) CHECK_MESSAGE(inner.calls->find(call + " ") != std::string::npos, call);
  };
  Toy draft_model;
  copyspec::ModelProposerOptions const costs{
      .pass_cost = PassCost::marginal(0.1), .draft_pass_cost = PassCost::marginal(0.1), .draft_cost = 0.1};
  Noting first;
  check("FirstDraft, the only one", FirstDraft(first), first);
  Noting second;
  check("FirstDraft, after one that drafts nothing", FirstDraft(NoProposer(), second), second);
  Noting best;
  check("BestDraft", BestDraft(PassCost::marginal(0.1), NoProposer(), best), best);
  Noting copying;
  check("ModelProposer", ModelProposer(draft_model, copying, costs), copying);
  Noting deep;
  check("all of them", FirstDraft(BestDraft(PassCost::marginal(0.1), ModelProposer(draft_model, deep, costs))), deep);
}

TEST_CASE("a proposer without optional calls can be given all of them") {
  NoProposer proposer;
  call_all(proposer);
  CHECK(ProposerTraits<NoProposer>::propose_after(proposer, {}, {}, 0).length == 0);
  static_assert(!ProposerTraits<NoProposer>::prepares && !ProposerTraits<NoProposer>::continues);
  static_assert(ProposerTraits<Noting>::prepares);
  static_assert(ProposerTraits<Noting>::scoped && !ProposerTraits<NoProposer>::scoped);
  struct Scope : copyspec::DraftScopeOf<Scope> {};
  CHECK_THROWS_WITH_AS(ProposerTraits<NoProposer>::set_scope(proposer, std::make_shared<Scope>()),
                       "a scope was given, and the proposer takes none", copyspec::Error);
}

TEST_CASE("a choice between drafts is a chain that begins after the context") {
  static_assert(!copyspec::TreeProposer<FirstDraft<Noting>> && !copyspec::TreeProposer<BestDraft<Noting>>);
  static_assert(!copyspec::ContinuingProposer<FirstDraft<Noting>> && !copyspec::ContinuingProposer<BestDraft<Noting>>);
  static_assert(copyspec::OfferingProposer<copyspec::MixingProposer>);
  static_assert(!copyspec::OfferingProposer<FirstDraft<copyspec::MixingProposer>>);
  CHECK(copyspec::PreparingProposer<FirstDraft<Noting>>);
}
