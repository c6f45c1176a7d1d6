// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/lookup/copy_proposer.hpp>

#include "random.hpp"

namespace copyspec_test {

using copyspec::CopyOptions;
using copyspec::Occurrence;

// Settings of a `CopyProposer` of any kind.
inline CopyOptions any_copy_options(Random& random) {
  return {.match_length = random.between(1, 8),
          .draft_length = random.between(1, 20),
          .occurrence = random.any_of({Occurrence::oldest, Occurrence::newest}),
          .extend_loops = random.one_in(2)};
}

}  // namespace copyspec_test
