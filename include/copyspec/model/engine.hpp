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

/// One sequence's part of a pass. `tokens` are fed after the tokens that the model already holds for `sequence`. A
/// logits row is requested after each of the last `rows` tokens (0 <= rows <= tokens.size()).
struct Segment {
  SequenceId sequence{};
  std::span<Token const> tokens;
  std::size_t rows = 0;
};

/// The view that an engine's `forward` returns.
template <class M>
using LogitsOf = decltype(std::declval<M&>().forward(std::declval<std::span<Segment const>>()));

/// What can be fed and truncated, wherever its rows are stored. `Model` and `DeviceModel` refine it by the view that
/// `forward` returns. `model.hpp` gives the meaning and the laws of the expressions.
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

/// An `Engine` that says whether it knows placeholders: negative tokens in prompts, each a position whose embedding the
/// engine has from elsewhere, of an image or a sound. An engine without the function knows none.
template <class M>
concept PlaceholderEngine = Engine<M> && requires(M const& constant) {
  { constant.knows_placeholders() } -> std::same_as<bool>;
};

/// Whether prompts for `model` may have placeholders.
template <class M>
[[nodiscard]] bool knows_placeholders(M const& model) {
  if constexpr (PlaceholderEngine<M>) return model.knows_placeholders();
  static_cast<void>(model);
  return false;
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
