// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../cost/draft_length.hpp"
#include "../../draft/tree_proposer.hpp"
#include "../../model/tree_shape.hpp"
#include "context_hashes.hpp"
#include "copy_sources.hpp"
#include "mixer.hpp"
#include "mixer_input.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Predicts several continuations of a context as a tree, by best-first search. The likeliest node comes first, from
/// all candidates after the context and the nodes already in the tree. Nodes whose `reach` is below a minimum are left
/// out; the reach of a node is the probability that it and all nodes before it on its path are right.
///
/// A value of about 12 KiB, for the stack. No allocation.
class PredictedTree {
 public:
  /// Writes nodes to the front of `space`, sorted by falling reach: at most `limit` <= `max_predicted_tokens`, with at
  /// most `space.max_branches` branches. `copy_sources` has read all of `context`. O(nodes): each node is predicted
  /// from once.
  PredictedTree(CopySources const& copy_sources, Mixer const& mixer, std::span<Token const> context,
                TreeSpace const& space, std::size_t limit, float least_reach) noexcept
      : copy_sources_(copy_sources), mixer_(mixer), context_(context), space_(space), least_reach_(least_reach) {
    pointers_[0] = copy_sources.pointers();
    if (limit > 0) offer_after(0);
    std::size_t branches = 0;
    while (offered_ > 0 && size_ < limit) {
      std::pop_heap(offers_.begin(), offers_.begin() + static_cast<std::ptrdiff_t>(offered_));
      Offer const best = offers_[--offered_];
      space_.tokens[size_] = best.token;
      space_.parents[size_] = static_cast<std::int32_t>(best.parent) - 1;
      if (begins_branch(space_.parents, size_)) {
        if (branches == space_.max_branches) continue;
        ++branches;
      }
      sources_[size_] = best.source;
      reaches_[size_++] = best.reach;
      depths_[size_] = depths_[best.parent] + 1;
      pointers_[size_] = pointers_[best.parent];
      copy_sources_.advance(pointers_[size_], best.token, [&](std::size_t at) { return token_at(size_, at); });
      if (size_ < limit) offer_after(size_);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<std::int32_t const> parents() const noexcept { return space_.parents.first(size_); }
  [[nodiscard]] std::span<float const> reaches() const noexcept { return std::span(reaches_).first(size_); }
  /// What each node is copied from (`MixerInput::source_of`).
  [[nodiscard]] std::span<Source const> sources() const noexcept { return std::span(sources_).first(size_); }

 private:
  // Nodes count from one here, and the context is node 0.
  struct Offer {
    float reach = 0;
    Token token = 0;
    std::uint32_t parent = 0;
    Source source = Source::context;

    [[nodiscard]] bool operator<(Offer const& other) const noexcept { return reach < other.reach; }
  };

  // Offers the candidates after `node`.
  void offer_after(std::size_t node) noexcept {
    std::size_t const position = context_.size() + depths_[node];
    float const reach = node == 0 ? 1.0F : reaches_[node - 1];
    auto const at = [&](std::size_t earlier) { return token_at(node, earlier); };
    Prediction prediction;
    MixerInput const input = copy_sources_.input(ContextHashes(position, at), pointers_[node], position, at);
    mixer_.predict(input, prediction);
    for (std::size_t c = 0; c < prediction.size; ++c) {
      Prediction::Candidate const& candidate = prediction.candidates[c];
      if (reach * candidate.probability < least_reach_) continue;
      offers_[offered_++] = {.reach = reach * candidate.probability,
                             .token = candidate.token,
                             .parent = static_cast<std::uint32_t>(node),
                             .source = input.source_of(candidate.token)};
      std::push_heap(offers_.begin(), offers_.begin() + static_cast<std::ptrdiff_t>(offered_));
    }
  }

  // The token at a position of the context or of the path to `node`.
  [[nodiscard]] Token token_at(std::size_t node, std::size_t position) const noexcept {
    if (position < context_.size()) return context_[position];
    while (context_.size() + depths_[node] > position + 1)
      node = static_cast<std::size_t>(space_.parents[node - 1] + 1);
    return space_.tokens[node - 1];
  }

  CopySources const& copy_sources_;
  Mixer const& mixer_;
  std::span<Token const> context_;
  TreeSpace space_;
  float least_reach_;
  std::size_t size_ = 0;
  std::size_t offered_ = 0;
  std::array<float, max_predicted_tokens> reaches_;
  std::array<Source, max_predicted_tokens> sources_;
  std::array<std::size_t, max_predicted_tokens + 1> depths_{};
  std::array<CopyPointers, max_predicted_tokens + 1> pointers_;
  std::array<Offer, max_predicted_tokens * Prediction::max_candidates> offers_;  // a heap
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
