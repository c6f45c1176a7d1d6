// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/testing/law_report.hpp>

#include <algorithm>
#include <string>

namespace copyspec_test {

/// The violations, a line each.
inline std::string text(copyspec::testing::LawReport const& report) {
  std::string text;
  for (std::string const& violation : report.violations) text += violation + "\n";
  return text;
}

/// Whether a violation is of the law with this name.
inline bool breaks(copyspec::testing::LawReport const& report, std::string const& law) {
  return std::ranges::any_of(report.violations,
                             [&](std::string const& violation) { return violation.starts_with(law + ": "); });
}

}  // namespace copyspec_test
