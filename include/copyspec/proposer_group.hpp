// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "draft.hpp"
#include "sampling_options.hpp"
#include "token.hpp"

namespace copyspec::inline v0 {

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
  void observe_pass(PassReport const& report) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.observe_pass(report); }) proposer.observe_pass(report);
    });
  }
  void refer_to(std::span<std::vector<Token> const> texts) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.refer_to(texts); }) proposer.refer_to(texts);
    });
  }
  void draw_as(SamplingOptions const& options, bool independently) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.draw_as(options, independently); }) proposer.draw_as(options, independently);
    });
  }
  void check_vocabulary(std::size_t vocabulary) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.check_vocabulary(vocabulary); }) proposer.check_vocabulary(vocabulary);
    });
  }
  void end_turn(std::span<Token const> context, std::size_t answer) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.end_turn(context, answer); }) proposer.end_turn(context, answer);
    });
  }

  void drafted(std::size_t length) {
    for_each([&](auto& proposer) {
      if constexpr (requires { proposer.drafted(length); }) proposer.drafted(length);
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

}  // namespace copyspec::inline v0
