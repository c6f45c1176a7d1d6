// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../proposer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Several proposers that follow one sequence: passes on to each what it takes of the optional calls of a
/// `DraftProposer`. The base of those that choose between drafts.
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
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.reserve(length); }) proposer.reserve(length);
    });
  }
  void on_pass(PassReport const& report) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.on_pass(report); }) proposer.on_pass(report);
    });
  }
  void set_references(std::span<std::vector<Token> const> texts) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.set_references(texts); }) proposer.set_references(texts);
    });
  }
  /// `Options` are those of a verifier that samples, which proposers in general do not know.
  template <class Options>
  void set_sampling(Options const& options, bool independently) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.set_sampling(options, independently); })
        proposer.set_sampling(options, independently);
    });
  }
  void require_vocabulary(std::size_t vocabulary) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.require_vocabulary(vocabulary); }) proposer.require_vocabulary(vocabulary);
    });
  }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.on_turn_end(context, answer); }) proposer.on_turn_end(context, answer);
    });
  }

  void on_draft_chosen(std::size_t length) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.on_draft_chosen(length); }) proposer.on_draft_chosen(length);
    });
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
