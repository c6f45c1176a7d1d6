// SPDX-License-Identifier: MIT
#include "support/composer_fixture.hpp"

namespace copyspec_test {

Composer<WatchedModel, HostileProposer, GreedyVerifier> drafting_right(WatchedModel& model,
                                                                       ToyModelOptions const& options) {
  return Composer<WatchedModel, HostileProposer, GreedyVerifier>(model, always_right(options));
}

}  // namespace copyspec_test
