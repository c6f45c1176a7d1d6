// SPDX-License-Identifier: MIT
//
// An answer is copied from what earlier answers said, and from a text that it will resemble.

#include <fmt/core.h>

#include <copyspec/copyspec.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <string_view>
#include <vector>

namespace {

template <class Composer>
void show(std::string_view what, Composer const& composer, copyspec::SequenceId id) {
  copyspec::SequenceCounters const& counters = composer.sequence(id).counters();
  fmt::print("{}: {} tokens in {} passes\n", what, counters.generated, counters.decode_passes);
}

}  // namespace

int main() {
  copyspec::testing::ToyModel model({.vocabulary = 512, .order = 3});
  std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};
  std::vector<copyspec::Token> file;

  copyspec::Histories histories(1 << 30, 64 << 20);  // bytes in all, bytes for each scope
  copyspec::MixingProposer proposer({.history = histories.scope("tenant 17")});
  {
    copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
    for (copyspec::SequenceId const id : {copyspec::SequenceId{0}, copyspec::SequenceId{1}}) {
      composer.begin(id, prompt, {.max_new_tokens = 200});
      composer.run();
      show(id == copyspec::SequenceId{0} ? "asked first" : "asked again", composer, id);
    }
    auto const answer = composer.sequence(copyspec::SequenceId{0}).generated();
    file.assign(answer.begin(), answer.end());
  }

  copyspec::SequenceId const id{2};
  copyspec::Composer composer(model, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  composer.begin(id, prompt, {.max_new_tokens = 200, .references = {file}});
  composer.run();
  show("with the answer as reference", composer, id);
}
