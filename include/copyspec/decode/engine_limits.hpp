// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../core/version.hpp"
#include "../model/engine.hpp"
#include "../model/tree_model.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// The limits of an engine that a `DecodeBatch` must know. A batch receives them once. Members have the meaning of the
/// functions of `Model` and `TreeModel` with the same names.
struct EngineLimits {
  std::size_t vocabulary_size = 0;
  std::size_t max_tokens = 0;
  std::size_t context_limit = 0;
  std::size_t max_branches = 0;  ///< Zero: no trees are drafted.
  bool placeholders = false;     ///< Whether prompts may have negative tokens (`PlaceholderEngine`).
};

/// The limits of an `Engine`, with branches if it is a `TreeModel`.
template <Engine M>
[[nodiscard]] EngineLimits limits_of(M const& model) {
  EngineLimits limits{.vocabulary_size = detail::as_count(model.vocabulary_size()),
                      .max_tokens = detail::as_count(model.max_tokens()),
                      .context_limit = detail::as_count(model.context_limit()),
                      .placeholders = knows_placeholders(model)};
  if constexpr (TreeModel<M>) limits.max_branches = detail::as_count(model.max_branches());
  return limits;
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
