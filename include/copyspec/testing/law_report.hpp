// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace testing {

/// How to check a model.
struct LawOptions {
  std::size_t length = 24;  ///< Tokens in each test sequence, at least 4.
  double tolerance = 0;     ///< Greatest difference between logits that counts as rounding.
  std::uint64_t seed = 1;   ///< Chooses the tokens.
  SequenceId first{0};
  /// A second sequence, for the laws about several sequences. If empty, the engine serves only one, and these laws are
  /// not checked.
  std::optional<SequenceId> second = SequenceId{1};
};

/// The result of checking a model.
struct LawReport {
  std::vector<std::string> violations;  ///< One sentence each, beginning with the name of the law.
  double largest_difference = 0;        ///< Between logits that should be equal, where no law is violated.

  [[nodiscard]] bool ok() const noexcept { return violations.empty(); }
};

}  // namespace testing
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
