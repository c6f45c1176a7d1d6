// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/pass_report.hpp"
#include "../proposer.hpp"
#include "../proposer_traits.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Several proposers that follow one sequence: forwards each optional call of a `DraftProposer` to all of them, through
/// `ProposerTraits`. The base of what chooses between drafts, which adds `propose` and `prepare`. A choice is a chain
/// that begins after the context, so there is no `propose_tree` and no `propose_after`.
template <DraftProposer... Proposers>
  requires(sizeof...(Proposers) > 0)
class ProposerGroup {
 public:
  static constexpr std::size_t size = sizeof...(Proposers);

  explicit ProposerGroup(Proposers... proposers) : proposers_(std::move(proposers)...) {}

  /// The proposer at a place.
  template <std::size_t I>
  [[nodiscard]] auto const& get() const noexcept {
    return std::get<I>(proposers_);
  }

  void truncate(std::size_t length) {
    for_each([&](auto& proposer) { proposer.truncate(length); });
  }
  void reserve(std::size_t length) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::reserve(proposer, length); });
  }
  void require_vocabulary(std::size_t vocabulary) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::require_vocabulary(proposer, vocabulary); });
  }
  void set_references(std::span<std::vector<Token> const> texts) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::set_references(proposer, texts); });
  }
  void set_sampling(SamplingOptions const& options, bool independently) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::set_sampling(proposer, options, independently); });
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::on_draft_chosen(proposer, context, length); });
  }
  void on_pass(PassReport const& report) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::on_pass(proposer, report); });
  }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::on_turn_begin(proposer, context, prompt); });
  }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    for_each([&]<class P>(P& proposer) { ProposerTraits<P>::on_turn_end(proposer, context, answer); });
  }

 protected:
  // `action(proposer)`, one after the other.
  template <class Action>
  void for_each(Action const& action) {
    std::apply([&](auto&... proposers) { (action(proposers), ...); }, proposers_);
  }

 private:
  std::tuple<Proposers...> proposers_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
