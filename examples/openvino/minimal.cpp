// SPDX-License-Identifier: MIT
//
// Continues tokens with OpenVINO, copying from them:
//
//   copyspec-openvino-minimal FILE TOKEN...
#include <copyspec/adapters/openvino.hpp>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/pass_curve.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <openvino/openvino.hpp>
#include <span>
#include <vector>

namespace {

void run(char const* file, std::vector<copyspec::Token> const& prompt) {
  ov::Core core;
  auto const graph = copyspec::adapters::read_openvino_gguf(file);
  copyspec::adapters::OpenVino model(core.compile_model(graph, "CPU", copyspec::adapters::openvino_exact()));
  auto const levels = copyspec::testing::measure_pass_curve(model, {.context = 64, .repetitions = 3});
  copyspec::MixingProposer const proposer({.pass_cost = copyspec::PassCost::remembered(levels, "measured")});
  copyspec::Composer composer(model, proposer, copyspec::GreedyVerifier());
  std::span<copyspec::Token const> const answer = composer.generate(prompt, {.max_new_tokens = 200});
  for (copyspec::Token const token : answer) std::printf("%d ", token);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: copyspec-openvino-minimal FILE TOKEN...\n");
    return 2;
  }
  std::vector<copyspec::Token> prompt;
  for (char** argument = argv + 2; argument < argv + argc; ++argument)
    prompt.push_back(static_cast<copyspec::Token>(std::strtol(*argument, nullptr, 10)));
  try {
    run(argv[1], prompt);
  } catch (std::exception const& error) {
    std::fprintf(stderr, "copyspec-openvino-minimal: %s\n", error.what());
    return 1;
  }
}
