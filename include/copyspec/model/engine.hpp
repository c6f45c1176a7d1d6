// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// One sequence's share of a pass: `tokens` are fed after the tokens that the model already holds of `sequence`, and
/// a row of logits is wanted after each of the last `rows` of them (0 <= rows <= tokens.size()).
struct Segment {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::size_t rows = 0;
};

/// The view that an engine's `forward` returns.
template <class M>
using LogitsOf = decltype(std::declval<M&>().forward(std::declval<std::span<Segment const>>()));

/// What can be fed and cut back, wherever its rows lie. `Model` and `DeviceModel` refine it by the view that `forward`
/// returns; the meaning of the expressions, and their laws, are in `model.hpp`.
template <class M>
concept Engine = requires(M& model, M const& constant, std::span<Segment const> batch, SequenceId sequence,
                          std::size_t length) {
  typename LogitsOf<M>::Scalar;
  { constant.vocabulary_size() } -> std::convertible_to<std::size_t>;
  { constant.max_tokens() } -> std::convertible_to<std::size_t>;
  { constant.context_limit() } -> std::convertible_to<std::size_t>;
  { model.forward(batch) } -> std::same_as<LogitsOf<M>>;
  { model.truncate(sequence, length) } -> std::convertible_to<std::size_t>;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
