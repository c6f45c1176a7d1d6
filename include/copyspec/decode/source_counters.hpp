// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>

#include "../core/assert.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// How many draft tokens came from each source, and how many of them became generated tokens. `Source::model` has none.
class SourceCounters {
 public:
  struct Count {
    std::size_t drafted = 0;   ///< Fed in drafts, all nodes of trees.
    std::size_t accepted = 0;  ///< Draft tokens that became generated tokens.

    friend bool operator==(Count const&, Count const&) = default;
  };

  [[nodiscard]] constexpr Count& operator[](Source source) noexcept { return counts_[index(source)]; }
  [[nodiscard]] constexpr Count const& operator[](Source source) const noexcept { return counts_[index(source)]; }

  constexpr SourceCounters& operator+=(SourceCounters const& more) noexcept {
    for (std::size_t i = 0; i < detail::source_count; ++i) {
      counts_[i].drafted += more.counts_[i].drafted;
      counts_[i].accepted += more.counts_[i].accepted;
    }
    return *this;
  }

  /// The counts added since the counters were equal to `before`.
  [[nodiscard]] constexpr SourceCounters since(SourceCounters const& before) const noexcept {
    SourceCounters added = *this;
    for (std::size_t i = 0; i < detail::source_count; ++i) {
      added.counts_[i].drafted -= before.counts_[i].drafted;
      added.counts_[i].accepted -= before.counts_[i].accepted;
    }
    return added;
  }

  friend bool operator==(SourceCounters const&, SourceCounters const&) = default;

 private:
  static constexpr std::size_t index(Source source) noexcept {
    auto const index = static_cast<std::size_t>(source);
    COPYSPEC_ASSERT(index < detail::source_count, "a source");
    return index;
  }

  std::array<Count, detail::source_count> counts_{};
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
