// SPDX-License-Identifier: MIT
#include <copyspec/adapters/openvino/model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <copyspec/copyspec.hpp>
#include <copyspec/testing/compare_with_greedy.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/demo_graph.hpp"
#include "support/error_of.hpp"

namespace {

using copyspec::Composer;
using copyspec::GreedyVerifier;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::adapters::OpenVino;
using copyspec::adapters::OpenVinoError;
using copyspec::adapters::OpenVinoOptions;
using copyspec_test::demo_graph;
using copyspec_test::error_of;

// Between rows that should be equal; a state that went through f16 is off by 4e-3.
constexpr double rounding = 2e-4;

std::vector<Token> random_tokens(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % 49152);
  return tokens;
}

std::vector<float> feed(OpenVino& model, int id, std::span<Token const> tokens) {
  std::vector<float> row;
  while (!tokens.empty()) {
    auto const part = tokens.first(std::min(tokens.size(), model.max_tokens()));
    Segment const segment{SequenceId{id}, part, 1};
    auto const last = model.forward(std::span<Segment const>(&segment, 1)).row(0);
    row.assign(last.begin(), last.end());
    tokens = tokens.subspan(part.size());
  }
  return row;
}

double difference(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double(a[i]) - double(b[i])));
  return largest;
}

}  // namespace

TEST_CASE("the adapter keeps the laws of Model, of trees and of forks") {
  OpenVino model(demo_graph());
  auto const report = copyspec::testing::check_model_laws(model, {.length = 12, .tolerance = rounding, .seed = 5});
  for (auto const& violation : report.violations) FAIL_CHECK(violation);
  CHECK(report.largest_difference > 0);
  MESSAGE("largest difference between rows that should be equal: ", report.largest_difference);
}

TEST_CASE("dropping dead cells changes no row") {
  OpenVino model(demo_graph(), {.max_tokens = 128});
  auto const kept = random_tokens(40, 1);
  auto const next = random_tokens(3, 2);
  (void)feed(model, 0, random_tokens(OpenVino::spare_cells, 3));
  (void)feed(model, 1, std::span(kept).first(20));
  (void)feed(model, 0, random_tokens(4, 4));
  (void)feed(model, 1, std::span(kept).subspan(20));
  CHECK(model.truncate(SequenceId{0}, 0) == 0);
  CHECK(model.cells() == OpenVino::spare_cells + 44);
  auto const row = feed(model, 1, next);
  CHECK(model.cells() == 43);

  OpenVino fresh(demo_graph());
  (void)feed(fresh, 0, kept);
  CHECK(difference(row, feed(fresh, 0, next)) < rounding);

  // When nothing is held, nothing is left.
  CHECK(model.truncate(SequenceId{1}, 0) == 0);
  (void)feed(model, 2, next);
  CHECK(model.cells() == 3);
}

TEST_CASE("a pass that is cancelled loses nothing that was held, whenever that is") {
  OpenVino model(demo_graph());
  OpenVino fresh(demo_graph());
  auto const first = random_tokens(20, 6);
  auto const second = random_tokens(30, 7);
  auto const prompt = random_tokens(256, 8);
  auto const next = random_tokens(3, 9);
  for (OpenVino* each : {&model, &fresh}) {
    (void)feed(*each, 0, first);
    (void)feed(*each, 1, second);
  }
  auto const of_first = feed(fresh, 0, next);
  auto const of_second = feed(fresh, 1, next);
  auto const begin = std::chrono::steady_clock::now();
  (void)feed(model, 0, prompt);
  std::chrono::duration<double> const whole = std::chrono::steady_clock::now() - begin;
  model.truncate(SequenceId{0}, first.size());
  int cancelled = 0;
  constexpr int steps = 8;
  for (int step = 0; step < steps; ++step) {
    CAPTURE(step);
    std::thread cancels([&] {
      std::this_thread::sleep_for(whole * step / steps);
      model.cancel();
    });
    std::string const error = error_of<OpenVinoError>([&] { (void)feed(model, 0, prompt); });
    cancels.join();
    if (!error.empty()) {
      ++cancelled;
      CHECK(error.starts_with("OpenVINO: "));
    }
    REQUIRE(model.truncate(SequenceId{0}, first.size()) == first.size());
    CHECK(difference(feed(model, 0, next), of_first) < rounding);
    CHECK(difference(feed(model, 1, next), of_second) < rounding);
    model.truncate(SequenceId{0}, first.size());
    model.truncate(SequenceId{1}, second.size());
  }
  CHECK(cancelled > 0);
}

TEST_CASE("copying gives the text of greedy decoding") {
  OpenVino model(demo_graph(), {.max_tokens = 64});
  std::vector<Token> prompt;
  for (int repetition = 0; repetition < 4; ++repetition) {
    auto const part = random_tokens(24, 11);
    prompt.insert(prompt.end(), part.begin(), part.end());
  }
  constexpr std::size_t count = 40;
  std::size_t passes = 0;
  auto const comparison =
      copyspec::testing::compare_with_greedy(model, prompt,
                                             [&](std::span<Token const> asked) {
                                               Composer composer(model, copyspec::MixingProposer(), GreedyVerifier());
                                               auto const answer = composer.generate(asked, {.max_new_tokens = count});
                                               passes = composer.sequence(SequenceId{0}).counters().decode_passes;
                                               return std::vector<Token>(answer.begin(), answer.end());
                                             },
                                             {.max_new_tokens = count});
  if (comparison.divergence) FAIL_CHECK(comparison.divergence->describe());
  CHECK(comparison.agreed == count);
  CHECK(passes < count);
}

TEST_CASE("what does not fit is refused, and nothing changes") {
  OpenVino model(demo_graph(), {.max_tokens = 8, .context_limit = 10});
  std::vector<Token> tokens = random_tokens(9, 12);
  Segment segment{SequenceId{0}, tokens, 1};
  auto const pass = [&] {
    return error_of<OpenVinoError>([&] { (void)model.forward(std::span<Segment const>(&segment, 1)); });
  };
  CHECK(pass() == "a pass of 9 tokens exceeds max_tokens = 8");
  segment.tokens = segment.tokens.first(8);
  CHECK(pass() == "");
  CHECK(pass() == "sequence 0 would grow to 16 tokens, beyond the context limit of 10");
  segment.tokens = segment.tokens.first(1);
  tokens[0] = 49152;
  CHECK(pass() == "token 0 fed to sequence 0 is 49152, outside the vocabulary of 49152");
  tokens[0] = -1;
  CHECK(pass() == "token 0 fed to sequence 0 is -1, and the graph takes tokens alone");
  CHECK(model.cells() == 8);
  CHECK(error_of<OpenVinoError>([&] { (void)model.fork(SequenceId{0}, SequenceId{0}, 1); }) ==
        "a sequence cannot be forked to itself");
  CHECK(error_of<OpenVinoError>([] { OpenVino(demo_graph(), {.max_tokens = 0}); }) ==
        "max_tokens and context_limit have to be at least 1");
}
