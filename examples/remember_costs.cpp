// SPDX-License-Identifier: MIT
//
// What passes cost is learnt, saved, and known to the next process. Run it twice.

#include <fmt/core.h>

#include <copyspec/copyspec.hpp>
#include <copyspec/cost/pass_cost_file.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <filesystem>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  std::string const path = argc > 1 ? argv[1] : "pass_costs";
  try {
    copyspec::testing::ToyModel model({.vocabulary = 512, .order = 3});
    std::vector<copyspec::Token> const prompt = {7, 1, 8, 2};

    copyspec::PassCostKey const key{
        .model = "toy", .device = "this machine", .engine = "toy model", .weights = "none", .threads = 1};
    copyspec::MixingOptions options;
    if (std::filesystem::exists(path)) options.pass_cost = copyspec::PassCostFile::load(path, key);
    copyspec::MixingProposer const proposer(options);
    fmt::print("known before: passes of {} row counts\n", proposer.pass_cost().levels().size());

    copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
    composer.generate(prompt, {.max_new_tokens = 500});

    copyspec::PassCostFile::save(path, key, proposer.pass_cost());
    fmt::print("saved: passes of {} row counts\n", proposer.pass_cost().levels().size());
  } catch (copyspec::Error const& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
