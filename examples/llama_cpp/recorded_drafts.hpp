// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/draft/first_draft.hpp"
#include "copyspec/draft/proposer.hpp"

namespace copyspec_llama {

/// The drafts of one run, each with the length of the context it was made for. What a proposer drafts may depend on
/// what passes cost at the time, so only a record can have the same passes again.
struct RecordedDrafts {
  struct Entry {
    std::size_t context = 0;
    std::size_t length = 0;
    std::size_t first = 0;  ///< In `tokens`.
  };
  std::vector<Entry> entries;
  std::vector<copyspec::Token> tokens;
};

/// Drafts as `Proposer` does, and keeps a record.
template <copyspec::DraftProposer Proposer>
class Recording : public copyspec::FirstDraft<Proposer> {
 public:
  /// `record` is borrowed.
  Recording(Proposer proposer, RecordedDrafts& record)
      : copyspec::FirstDraft<Proposer>(std::move(proposer)), record_(&record) {}

  [[nodiscard]] copyspec::Draft propose(std::span<copyspec::Token const> context, std::span<copyspec::Token> space) {
    copyspec::Draft const draft = copyspec::FirstDraft<Proposer>::propose(context, space);
    record_->entries.push_back({.context = context.size(), .length = draft.length, .first = record_->tokens.size()});
    record_->tokens.insert(record_->tokens.end(), space.begin(),
                           space.begin() + static_cast<std::ptrdiff_t>(draft.length));
    return draft;
  }

 private:
  RecordedDrafts* record_;
};

/// Drafts what is on a record.
class Playback {
 public:
  /// `record` is borrowed.
  explicit Playback(RecordedDrafts const& record) : record_(&record) {}

  [[nodiscard]] copyspec::Draft propose(std::span<copyspec::Token const> context,
                                        std::span<copyspec::Token> space) const {
    auto const entry = std::ranges::find(record_->entries, context.size(), &RecordedDrafts::Entry::context);
    if (entry == record_->entries.end()) return {};
    std::size_t const length = std::min(entry->length, space.size());
    std::ranges::copy(std::span(record_->tokens).subspan(entry->first, length), space.begin());
    return {.length = length};
  }
  static void truncate(std::size_t) {}

 private:
  RecordedDrafts const* record_;
};

}  // namespace copyspec_llama
