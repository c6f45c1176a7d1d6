// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/pass_report.hpp"
#include "../../detail/recovery.hpp"
#include "../draft_scope.hpp"
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
  /// Raises an `Error` if `scope` is not null and no proposer takes scopes. If one refuses it, all are as before.
  void set_scope(std::shared_ptr<DraftScope> const& scope) {
    if constexpr (!scoped) {
      if (scope != nullptr) raise_error(ErrorCode::bad_options, "a scope was given, and no proposer takes one");
    } else {
      with_recovery([&] { set_scope_of_all(scope); }, [&] { set_scope_of_all(scope_); });
      scope_ = scope;
    }
  }
  void claim() {
    for_each([]<class P>(P& proposer) { ProposerTraits<P>::claim(proposer); });
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
  static constexpr bool scoped = (ProposerTraits<Proposers>::scoped || ...);

  void set_scope_of_all(std::shared_ptr<DraftScope> const& scope) {
    for_each([&]<class P>(P& proposer) {
      if constexpr (ProposerTraits<P>::scoped) ProposerTraits<P>::set_scope(proposer, scope);
    });
  }

  std::tuple<Proposers...> proposers_;
  std::shared_ptr<DraftScope> scope_;  // null is that of construction
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
