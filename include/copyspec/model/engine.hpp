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

/// The functions of an engine, one concept each, so that a compiler names the one that is missing or wrong. Counts may
/// have any integral type.
template <class M>
concept HasVocabularySize = requires(M const& model) {
  { model.vocabulary_size() } -> std::integral;
};
/// See `HasVocabularySize`.
template <class M>
concept HasMaxTokens = requires(M const& model) {
  { model.max_tokens() } -> std::integral;
};
/// See `HasVocabularySize`.
template <class M>
concept HasContextLimit = requires(M const& model) {
  { model.context_limit() } -> std::integral;
};
/// See `HasVocabularySize`. What `forward` returns is a view of logits, which has a `Scalar`.
template <class M>
concept HasForward = requires {
  typename LogitsOf<M>::Scalar;
};
/// See `HasVocabularySize`.
template <class M>
concept HasTruncate = requires(M& model, SequenceId sequence, std::size_t length) {
  { model.truncate(sequence, length) } -> std::integral;
};

/// What can be fed and truncated, wherever its rows are stored. `Model` and `DeviceModel` refine it by the view that
/// `forward` returns. `model.hpp` gives the meaning and the laws of the expressions.
template <class M>
concept Engine = HasVocabularySize<M> && HasMaxTokens<M> && HasContextLimit<M> && HasForward<M> && HasTruncate<M>;

namespace detail {

/// Says which function of an engine is missing, by a static assertion.
template <class M>
consteval bool require_engine() {
  static_assert(HasVocabularySize<M>, "the engine has no `std::size_t vocabulary_size() const`: see model/model.hpp");
  static_assert(HasMaxTokens<M>, "the engine has no `std::size_t max_tokens() const`: see model/model.hpp");
  static_assert(HasContextLimit<M>, "the engine has no `std::size_t context_limit() const`: see model/model.hpp");
  static_assert(HasForward<M>,
                "the engine has no `LogitsView<float> forward(std::span<Segment const>)`: see model/model.hpp");
  static_assert(HasTruncate<M>,
                "the engine has no `std::size_t truncate(SequenceId, std::size_t)`: see model/model.hpp");
  return true;
}

/// A count as an engine returned it.
template <std::integral Count>
[[nodiscard]] constexpr std::size_t as_count(Count count) noexcept {
  return static_cast<std::size_t>(count);
}

}  // namespace detail

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
