// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "../../core/version.hpp"
#include "../../verify/logprobs.hpp"
#include "../generate_options.hpp"
#include "../output_delta.hpp"
#include "../sequence.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A turn from its caller's view: its options, and how much of the generated text was shown.
class Turn {
 public:
  [[nodiscard]] GenerateOptions const& options() const noexcept { return options_; }

  void begin(GenerateOptions options) {
    options_ = std::move(options);
    shown_ = 0;
    open_ = true;
  }

  /// Ends the turn without a last delta.
  void close() noexcept { open_ = false; }

  /// Calls `on_tokens(OutputDelta)` once if `sequence` has new output or has ended. If the callback throws, the next
  /// call repeats the same output. `logprobs` are those of all generated tokens, or empty.
  template <class OnTokens>
  void emit(Sequence const& sequence, LogprobsView logprobs, OnTokens& on_tokens) {
    if (!open_) return;
    std::size_t const end = sequence.released().size();
    if (end <= shown_ && sequence.running()) return;
    std::size_t const first = std::min(shown_, end);
    on_tokens(OutputDelta{.sequence = sequence.id(),
                          .tokens = sequence.released().subspan(first),
                          .sources = sequence.sources().subspan(first, end - first),
                          .logprobs = logprobs.subview(first, end - first),
                          .status = sequence.status()});
    shown_ = std::max(shown_, end);
    open_ = sequence.running();
  }

 private:
  GenerateOptions options_;
  std::size_t shown_ = 0;
  bool open_ = false;  // the last delta is still to come
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
