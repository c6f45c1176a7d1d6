// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mutex>
#include <span>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "context_hashes.hpp"
#include "copy_sources.hpp"
#include "mixer.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Lets `sources` read what `context` has beyond what they have read: of a long text, the next piece
/// (`CopySources::begin_reading`). If `generated`, `mixer` learns from each token that was not read before. Returns
/// false while reference text is read, which comes first.
///
/// O(1) per token read, besides the lock. Allocates what `sources` have not reserved. Threads: `mutex` guards `mixer`,
/// and is locked only to learn.
inline bool read_context(CopySources& sources, std::span<Token const> context, Mixer& mixer, std::mutex& mutex,
                         bool generated) {
  std::size_t const end = sources.begin_reading(context);
  auto const token_at = [&](std::size_t position) { return context[position]; };
  ContextHashes contexts(sources.size(), token_at);
  std::unique_lock lock(mutex, std::defer_lock);
  std::size_t const known = sources.size_once_read();
  while (sources.size() < end) {
    if (std::size_t const position = sources.size(); generated && position >= known) {
      if (!lock.owns_lock()) lock.lock();
      Prediction prediction;
      mixer.predict(sources.input(contexts, sources.pointers(), position, token_at), prediction);
      mixer.learn(prediction, context[position]);
    }
    bool const follow = sources.size() + CopySources::followed >= context.size();
    contexts = sources.append(context, contexts, follow);
  }
  return end > 0;
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
