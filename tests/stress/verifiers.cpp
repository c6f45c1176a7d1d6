// SPDX-License-Identifier: MIT
// Composers on threads of their own, made from copies of one verifier, against the same composers one after the other.
// A program of its own, so that ThreadSanitizer can watch it.
#include <algorithm>
#include <array>
#include <copyspec/core/token.hpp>
#include <copyspec/decode/composer.hpp>
#include <copyspec/draft/proposer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/rejection_verifier.hpp>
#include <copyspec/verify/sampling_options.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <thread>
#include <vector>

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::PenaltyOptions;
using copyspec::RejectionVerifier;
using copyspec::SamplingOptions;
using copyspec::SamplingVerifier;
using copyspec::SequenceId;
using copyspec::Token;
using copyspec::testing::ToyModel;

namespace {

using Tokens = std::vector<Token>;

constexpr std::size_t vocabulary = 700;
constexpr std::size_t sequences = 3;
constexpr std::size_t threads = 4;

// What one composer generates, turn after turn.
template <class Verifier>
Tokens answers(Verifier const& verifier, std::size_t thread, std::size_t turns) {
  ToyModel<float> model({.vocabulary = vocabulary, .order = 1, .seed = 5});
  Composer composer(model, CopyProposer({.match_length = 1}), verifier);
  Tokens all;
  for (std::size_t turn = 0; turn < turns; ++turn)
    for (std::size_t i = 0; i < sequences; ++i) {
      auto const id = static_cast<SequenceId>(i);
      Tokens const prompt{static_cast<Token>(thread), static_cast<Token>(i), 7};
      composer.begin(id, prompt, {.max_new_tokens = 40});
      if (i + 1 < sequences) continue;
      composer.run();
      for (std::size_t j = 0; j < sequences; ++j) {
        auto const said = composer.sequence(static_cast<SequenceId>(j)).generated();
        all.insert(all.end(), said.begin(), said.end());
      }
    }
  return all;
}

// How many threads generated something else than a composer that runs alone.
template <class Verifier>
std::size_t wrong(Verifier const& verifier, std::size_t turns) {
  std::array<Tokens, threads> together;
  std::vector<std::thread> running;
  for (std::size_t thread = 0; thread < threads; ++thread)
    running.emplace_back([&, thread] { together[thread] = answers(verifier, thread, turns); });
  for (std::thread& thread : running) thread.join();
  std::size_t differ = 0;
  for (std::size_t thread = 0; thread < threads; ++thread)
    differ += together[thread] == answers(verifier, thread, turns) ? 0U : 1U;
  return differ;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t const turns = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 8;
  SamplingOptions const filters{.temperature = 0.7F, .top_k = 60, .top_p = 0.9F, .seed = 3};
  SamplingOptions everything = filters;
  everything.penalties = {.frequency = 0.2F, .window = PenaltyOptions::all_tokens};
  everything.dry.multiplier = 0.5F;
  everything.logprobs = 3;
  std::size_t const of_sampling = wrong(SamplingVerifier(everything), turns);
  std::size_t const of_rejection = wrong(RejectionVerifier(filters), turns);
  std::printf("%zu threads: %zu wrong with a SamplingVerifier, %zu with a RejectionVerifier\n", threads, of_sampling,
              of_rejection);
  return of_sampling + of_rejection == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
