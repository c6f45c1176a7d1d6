// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../../core/error.hpp"
#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/model.hpp"
#include "../../model/tree_model.hpp"
#include "../../model/tree_shape.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// The parents of the tree that a segment ends in; none for a chain.
[[nodiscard]] inline std::span<std::int32_t const> parents_of(Segment const&) noexcept {
  return {};
}
[[nodiscard]] inline std::span<std::int32_t const> parents_of(TreeSegment const& segment) noexcept {
  return segment.parents;
}

/// What a message calls a sequence.
[[nodiscard]] inline std::string sequence_name(SequenceId sequence) {
  return "sequence " + std::to_string(static_cast<std::int32_t>(sequence));
}

/// What an engine can take.
struct SegmentLimits {
  Token vocabulary_size = 0;
  std::size_t context_limit = 0;
  std::string_view negative_token;  ///< What a message says of a token below zero, after the token.
};

/// Checks what an engine is given of one sequence, of which it holds `held` tokens, before it is. Throws an `Exception`
/// that names the token or the limit if a token is outside the vocabulary, if the sequence would grow too long, if more
/// rows are requested than tokens are fed, or if what is fed is no tree after a token or has more than `branches_left`
/// branches. Returns how many branches it has. O(tokens), and O(nodes) for each branch. Allocates for messages only.
template <class Exception, class AnySegment>
[[nodiscard]] std::size_t require_segment(AnySegment const& segment, std::size_t held, std::size_t branches_left,
                                          SegmentLimits const& limits) {
  if (held + segment.tokens.size() > limits.context_limit)
    raise_error<Exception>(ErrorCode::engine, sequence_name(segment.sequence) + " would grow to " +
                                                  std::to_string(held + segment.tokens.size()) +
                                                  " tokens, beyond the context limit of " +
                                                  std::to_string(limits.context_limit));
  for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
    Token const token = segment.tokens[i];
    if (token >= 0 && token < limits.vocabulary_size) continue;
    std::string const why = token < 0 ? std::string(limits.negative_token)
                                      : ", outside the vocabulary of " + std::to_string(limits.vocabulary_size);
    raise_error<Exception>(ErrorCode::unknown_token, "token " + std::to_string(i) + " fed to " +
                                                         sequence_name(segment.sequence) + " is " +
                                                         std::to_string(token) + why);
  }
  std::span<std::int32_t const> const parents = parents_of(segment);
  TreeSize const size = tree_size(parents, branches_left);
  if (size.nodes < parents.size() || (!parents.empty() && segment.rows != parents.size() + 1) ||
      segment.rows > segment.tokens.size())
    raise_error<Exception>(ErrorCode::engine, "what is fed of " + sequence_name(segment.sequence) +
                                                  " is no tree after a token, or has more than the " +
                                                  std::to_string(branches_left) + " branches that are left");
  return size.branches;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
