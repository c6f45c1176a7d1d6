// SPDX-License-Identifier: MIT
#include "slots.hpp"

#include <algorithm>

#include "copyspec/core/assert.hpp"

namespace copyspec_server {

using copyspec::SequenceId;
using copyspec::Token;

namespace {

// Fewer are as soon fed.
constexpr std::size_t least_shared = 8;

std::size_t common_prefix(std::span<Token const> a, std::span<Token const> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

std::size_t Slots::free() const noexcept {
  return static_cast<std::size_t>(std::ranges::count(slots_, false, &Slot::busy));
}

std::size_t Slots::kept_tokens() const noexcept {
  std::size_t tokens = 0;
  for (Slot const& slot : slots_)
    if (!slot.busy) tokens += slot.tokens.size();
  return tokens;
}

std::size_t Slots::oldest_free(std::optional<std::size_t> kept) const {
  std::optional<std::size_t> oldest;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (!slots_[i].busy && i != kept && (!oldest || slots_[i].used < slots_[*oldest].used)) oldest = i;
  if (!oldest) oldest = kept;
  COPYSPEC_ASSERT(oldest.has_value(), "no id is free");
  return *oldest;
}

Slots::Place Slots::choose(std::span<Token const> prompt, std::string_view tenant) const {
  std::size_t best = 0, shared = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].tenant != tenant) continue;
    // The row after the last token is needed, so that one is fed.
    std::size_t const common = std::min(common_prefix(slots_[i].tokens, prompt), prompt.size() - 1);
    if (common <= shared) continue;
    best = i;
    shared = common;
  }
  if (shared < least_shared) return {.id = id_of(oldest_free(std::nullopt))};
  Slot const& source = slots_[best];
  if (source.busy) return {.id = id_of(oldest_free(std::nullopt)), .shared = shared, .from = id_of(best)};
  // A conversation that goes on stays where it is; another one that only begins alike is left alone if there is room.
  std::size_t const other = 2 * shared >= source.tokens.size() ? best : oldest_free(best);
  if (other == best) return {.id = id_of(best), .shared = shared};
  return {.id = id_of(other), .shared = shared, .from = id_of(best)};
}

void Slots::begin(SequenceId id, std::span<Token const> prompt, std::string_view tenant) {
  Slot& slot = at(id);
  slot.busy = true;
  slot.tokens.assign(prompt.begin(), prompt.end());
  slot.tenant = tenant;
  slot.used = ++uses_;
}

void Slots::end(SequenceId id, std::span<Token const> held) {
  Slot& slot = at(id);
  slot.busy = false;
  slot.tokens.assign(held.begin(), held.end());
  slot.used = ++uses_;
}

std::optional<SequenceId> Slots::evict() {
  std::optional<std::size_t> oldest;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (!slots_[i].busy && !slots_[i].tokens.empty() && (!oldest || slots_[i].used < slots_[*oldest].used)) oldest = i;
  if (!oldest) return std::nullopt;
  slots_[*oldest].tokens.clear();
  return id_of(*oldest);
}

}  // namespace copyspec_server
