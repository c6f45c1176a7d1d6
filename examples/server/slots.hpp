// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"

namespace copyspec_server {

/// What an engine holds under the ids of its sequences, of those that answer and of those that ended and are kept,
/// since the next prompt may begin alike. Only prompts of the tenant whose tokens they are may use them, so that no
/// tenant can find out by time what another has sent.
class Slots {
 public:
  explicit Slots(std::size_t count) : slots_(count) {}

  /// Where to find the beginning of a prompt, and where to answer it.
  struct Place {
    copyspec::SequenceId id{};
    std::size_t shared = 0;  ///< How many of the first tokens need not be fed.
    /// The sequence from which they are copied first; without it, `id` holds them itself.
    std::optional<copyspec::SequenceId> from = {};
  };

  [[nodiscard]] std::size_t count() const noexcept { return slots_.size(); }
  [[nodiscard]] std::size_t free() const noexcept;
  /// Tokens held under the ids that are free.
  [[nodiscard]] std::size_t kept_tokens() const noexcept;

  /// Chooses a free id for `prompt`, and what to take over. Needs: one is free. O(tokens held by the tenant).
  [[nodiscard]] Place choose(std::span<copyspec::Token const> prompt, std::string_view tenant) const;

  /// An answer begins at `id`, after `prompt`.
  void begin(copyspec::SequenceId id, std::span<copyspec::Token const> prompt, std::string_view tenant);
  /// The answer at `id` ended. The engine holds `held`.
  void end(copyspec::SequenceId id, std::span<copyspec::Token const> held);
  /// The id whose tokens have not been used for longest among those that are free and hold any. They are forgotten
  /// here.
  [[nodiscard]] std::optional<copyspec::SequenceId> evict();

 private:
  struct Slot {
    bool busy = false;
    std::vector<copyspec::Token> tokens = {};  // the prompt while it is busy, then what the engine holds
    std::string tenant = {};
    std::uint64_t used = 0;
  };

  static copyspec::SequenceId id_of(std::size_t index) noexcept {
    return copyspec::SequenceId{static_cast<std::int32_t>(index)};
  }
  [[nodiscard]] Slot& at(copyspec::SequenceId id) { return slots_[static_cast<std::size_t>(id)]; }
  // The free slot that was not used for longest; `kept`, if there is another.
  [[nodiscard]] std::size_t oldest_free(std::optional<std::size_t> kept) const;

  std::vector<Slot> slots_;
  std::uint64_t uses_ = 0;
};

}  // namespace copyspec_server
