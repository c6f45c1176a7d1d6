// SPDX-License-Identifier: MIT
#include <copyspec/cuda/detail/sampling_rule.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/model/logits.hpp>
#include <copyspec/verify/detail/row_logprobs.hpp>
#include <copyspec/verify/logprobs.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <copyspec/verify/token_sampler.hpp>
#include <copyspec/verify/tree_verification.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "cuda/support/host_sample.hpp"
#include "cuda/support/sampled_batch.hpp"

using copyspec::Token;
using copyspec::cuda::BatchVerdict;
using copyspec::cuda::RowSkipping;
using copyspec::cuda::SamplingParameters;
using copyspec::cuda::VerifyStatus;
using copyspec::detail::FilterRule;
using copyspec::detail::SamplingRule;

static_assert(std::is_trivially_copyable_v<SamplingRule>);

namespace {

using Random = std::mt19937;

std::uint32_t below(Random& random, std::size_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

SampledRun random_run(Random& random, std::uint32_t vocabulary) {
  constexpr std::array skippings = {RowSkipping::automatic, RowSkipping::never, RowSkipping::always};
  constexpr std::array<std::uint32_t, 5> capacities = {1, 3, 16, 64, 1024};
  return {{.options = {.tile = below(random, 3) == 0 ? 0 : 1 + below(random, vocabulary + 20),
                       .skipping = skippings[below(random, 3)]},
           .processors = 1 + below(random, 12),
           .team_size = 1 + below(random, 40),
           .order = below(random, 4),
           .threads = 1},
          capacities[below(random, capacities.size())]};
}

// What the library has on the host.
struct HostSampler {
  copyspec::TokenSampler sampler;
  copyspec::detail::RowLogprobs logprobs;

  std::optional<Token> draw(std::span<float const> row, copyspec::SamplingOptions const& options,
                            SamplingParameters const&, std::size_t position) {
    return sampler.draw(row, options, position);
  }

  float logprob(std::span<float const> row, Token token) {
    std::vector<copyspec::TokenLogprob> said;
    REQUIRE(logprobs.append(row, token, 0, said));
    return said[0].logprob;
  }
};

}  // namespace

#define EVERY_SCALAR float, Half, Brain

TEST_CASE_TEMPLATE("requests are judged as the sampler of the host draws", Scalar, EVERY_SCALAR) {
  Random random(1);
  std::size_t accepted = 0;
  std::size_t invalid = 0;
  for (int round = 0; round < 1500; ++round) {
    auto const batch = random_sampled_batch<Scalar>(random, {.max_requests = 4,
                                                             .max_draft_length = 5,
                                                             .vocabulary = 1 + below(random, round % 5 == 0 ? 700 : 60),
                                                             .trees = round % 2 == 0,
                                                             .values = 2 + below(random, 40)});
    SampledOutcome const outcome = host_sample(batch, random_run(random, batch.vocabulary));
    REQUIRE(outcome.verdicts == expected_verdicts(batch, HostSampler()));
    REQUIRE(outcome.verdicts == expected_verdicts(batch));
    REQUIRE(outcome.host.workspace_is_zero);
    REQUIRE_FALSE(outcome.host.misaligned);
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      BatchVerdict const& verdict = outcome.verdicts.verdicts.verdicts[request];
      accepted += static_cast<std::size_t>(verdict.accepted);
      invalid += verdict.status == VerifyStatus::invalid_row ? 1 : 0;
    }
  }
  CHECK(accepted > 3000);
  CHECK(invalid > 100);
}

TEST_CASE("no geometry, order or company changes what is drawn") {
  Random random(2);
  for (int round = 0; round < 20; ++round) {
    auto const batch = random_sampled_batch<float>(
        random, {.vocabulary = 30 + below(random, 300), .trees = round % 2 == 0, .right_in = 4});
    SampledVerdicts const expected = expected_verdicts(batch);
    for (int variant = 0; variant < 40; ++variant) {
      SampledRun run = random_run(random, batch.vocabulary);
      run.order = static_cast<std::uint32_t>(variant);
      run.threads = variant % 8 == 7 ? 3 : 1;
      REQUIRE(host_sample(batch, run).verdicts == expected);
    }
  }
}

TEST_CASE("whole drafts are judged as by the verifier of the host, chains and trees") {
  Random random(3);
  std::size_t accepted = 0;
  for (int round = 0; round < 400; ++round) {
    auto batch = random_sampled_batch<float>(
        random, {.max_requests = 1, .max_draft_length = 8, .vocabulary = 50, .trees = round % 2 == 0, .right_in = 6});
    if (batch.request_count == 0) continue;
    std::size_t const position = 1 + below(random, 50);
    batch.parameters[0] = SamplingParameters::of(batch.options[0], position);
    auto const begin = static_cast<std::size_t>(batch.offsets[0]);
    std::size_t const length = static_cast<std::size_t>(batch.offsets[1]) - begin;
    std::vector<Token> tokens(position, 7);
    tokens.insert(tokens.end(), batch.tokens.begin() + batch.offsets[0], batch.tokens.begin() + batch.offsets[1]);
    std::vector<std::int32_t> parents(batch.parents.begin() + batch.offsets[0],
                                      batch.parents.begin() + batch.offsets[1]);
    if (!batch.trees)
      for (std::size_t i = 0; i < length; ++i) parents[i] = static_cast<std::int32_t>(i) - 1;
    copyspec::SamplingVerifier verifier;
    verifier.begin_turn({.options = &batch.options[0], .vocabulary = batch.vocabulary, .answer = position});
    copyspec::LogitsView<float> const rows(batch.row(begin).data(), length + 1, batch.vocabulary, batch.stride);
    copyspec::Verdict const expected = verify_tree(verifier, rows, std::span<Token const>(tokens).first(position),
                                                   std::span(tokens).subspan(position), std::span(parents));
    SampledOutcome const outcome = host_sample(batch, random_run(random, 50));
    BatchVerdict const& verdict = outcome.verdicts.verdicts.verdicts[0];
    REQUIRE(static_cast<std::size_t>(verdict.accepted) == expected.accepted);
    REQUIRE((verdict.status == VerifyStatus::ok) == (expected.status == copyspec::VerdictStatus::ok));
    if (verdict.status == VerifyStatus::ok) REQUIRE(verdict.next == expected.next);
    auto const said = verifier.logprobs();
    for (std::size_t i = 0; i < said.size(); ++i) REQUIRE(outcome.verdicts.logprobs[i] == said[i][0].logprob);
    accepted += expected.accepted;
  }
  CHECK(accepted > 300);
}

TEST_CASE("rows behind a token that was not drawn are left unread, and what they hold does not matter") {
  Random random(4);
  std::size_t saved = 0;
  for (int round = 0; round < 200; ++round) {
    auto batch = random_sampled_batch<float>(random, {.vocabulary = 40, .trees = round % 2 == 0, .right_in = 2});
    SampledVerdicts const expected = expected_verdicts(batch);
    SampledRun skipping;
    skipping.options = {.tile = 16, .skipping = RowSkipping::always};
    SampledRun reading = skipping;
    reading.options.skipping = RowSkipping::never;
    std::size_t const all = host_sample(batch, reading).host.vectors_read;
    saved += all - std::min(all, host_sample(batch, skipping).host.vectors_read);
    std::size_t const room = batch.limits.max_draft_length;
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      std::vector<bool> alive(room + 1, false);
      alive[0] = true;
      for (std::size_t i = 0; i < static_cast<std::size_t>(expected.verdicts.verdicts[request].accepted); ++i)
        alive[static_cast<std::size_t>(expected.verdicts.path[request * room + i]) + 1] = true;
      auto const begin = static_cast<std::size_t>(batch.offsets[request]);
      std::size_t const length = static_cast<std::size_t>(batch.offsets[request + 1]) - begin;
      for (std::size_t row = 0; row <= length; ++row)
        if (!alive[row]) std::ranges::fill(batch.row(begin + request + row), special<float>(not_a_number));
    }
    REQUIRE(host_sample(batch, random_run(random, 40)).verdicts == expected);
    REQUIRE(host_sample(batch, skipping).verdicts == expected);
  }
  CHECK(saved > 10000);
}

TEST_CASE("a request that cannot be drawn so is answered with that, and harms no other") {
  Random random(5);
  std::size_t wrong = 0;
  for (int round = 0; round < 300; ++round) {
    auto batch = random_sampled_batch<Half>(random, {.vocabulary = 30, .trees = round % 2 == 0});
    SampledVerdicts expected = expected_verdicts(batch);
    std::size_t const room = batch.limits.max_draft_length;
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      if (below(random, 2) == 0) continue;
      SamplingParameters& parameters = batch.parameters[request];
      switch (below(random, 4)) {
        case 0:
          parameters.inverse_temperature = special<float>(below(random, 2) == 0 ? not_a_number : infinity);
          break;
        case 1:
          parameters.filters.scale = 0;
          break;
        case 2:
          parameters.filters.top_share = ~std::uint64_t{0};
          break;
        default:
          parameters.filters.typical_share = 5;
      }
      ++wrong;
      expected.verdicts.verdicts[request] = {0, -1, VerifyStatus::bad_sampling};
      std::fill_n(expected.verdicts.emitted.begin() + static_cast<std::ptrdiff_t>(request * (room + 1)), room + 1, -1);
      std::fill_n(expected.verdicts.path.begin() + static_cast<std::ptrdiff_t>(request * room), room, -1);
      std::fill_n(expected.logprobs.begin() + static_cast<std::ptrdiff_t>(request * (room + 1)), room + 1, 0.0F);
    }
    SampledOutcome const outcome = host_sample(batch, random_run(random, 30));
    REQUIRE(outcome.verdicts == expected);
    REQUIRE(outcome.host.workspace_is_zero);
  }
  CHECK(wrong > 200);
}

TEST_CASE("whatever drafts and parameters hold, there is an answer, and nothing is left behind") {
  Random random(6);
  auto const anything = [&]() -> std::uint64_t {
    constexpr std::array<std::uint64_t, 6> edges = {0, 1, ~std::uint64_t{0}, FilterRule::whole, 0x7F800000U, 1000};
    return below(random, 2) == 0 ? edges[below(random, edges.size())] : (std::uint64_t{random()} << 32U) + random();
  };
  std::size_t judged = 0;
  for (int round = 0; round < 600; ++round) {
    auto batch = random_sampled_batch<float>(random, {.max_requests = 4, .vocabulary = 20, .trees = round % 2 == 0});
    for (SamplingParameters& parameters : batch.parameters) {
      parameters.seed = anything();
      parameters.position = anything();
      parameters.filters.top_k = anything();
      if (below(random, 2) == 0) parameters.filters.top_share = anything();
      parameters.logprobs = static_cast<std::uint32_t>(anything());
      auto const number = [&] { return copyspec::detail::float_from_bits(static_cast<std::uint32_t>(anything())); };
      if (below(random, 2) == 0) parameters.filters.farthest = number();
      if (below(random, 2) == 0) parameters.filters.scale = number();
      if (below(random, 2) == 0) parameters.inverse_temperature = number();
    }
    for (std::int32_t& parent : batch.parents)
      if (below(random, 8) == 0) parent = static_cast<std::int32_t>(random());
    for (Token& token : batch.tokens)
      if (below(random, 12) == 0) token = static_cast<Token>(random());
    for (std::int32_t& offset : batch.offsets)
      if (below(random, 8) == 0) offset = static_cast<std::int32_t>(below(random, 12)) - 1;
    SampledOutcome const outcome = host_sample(batch, random_run(random, 20));
    REQUIRE(outcome.host.workspace_is_zero);
    SampledOutcome const again = host_sample(batch, random_run(random, 20));
    REQUIRE(outcome.verdicts == again.verdicts);
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      REQUIRE(outcome.verdicts.verdicts.verdicts[request].accepted >= 0);
      judged += outcome.verdicts.verdicts.verdicts[request].status == VerifyStatus::ok ? 1U : 0U;
    }
  }
  CHECK(judged > 200);
}

TEST_CASE("the same request draws the same, wherever in whatever batch it stands") {
  Random random(7);
  for (int round = 0; round < 100; ++round) {
    auto const batch = random_sampled_batch<Brain>(random, {.max_requests = 6, .vocabulary = 90, .invalid_in = 1000});
    SampledVerdicts const together = host_sample(batch, random_run(random, 90)).verdicts;
    for (std::size_t request = 0; request < static_cast<std::size_t>(batch.request_count); ++request) {
      SampledBatch<Brain> alone = batch;
      auto const begin = static_cast<std::size_t>(batch.offsets[request]);
      std::int32_t const length = batch.offsets[request + 1] - batch.offsets[request];
      alone.limits = {.max_requests = 1, .max_draft_length = static_cast<std::uint32_t>(length)};
      alone.use_count = false;
      alone.request_count = 1;
      alone.offsets = {0, length};
      alone.tokens.erase(alone.tokens.begin(), alone.tokens.begin() + batch.offsets[request]);
      alone.first_logit += (begin + request) * batch.stride;
      alone.row_count = static_cast<std::size_t>(length) + 1;
      alone.parameters = {batch.parameters[request]};
      alone.options = {batch.options[request]};
      BatchVerdict const& expected = together.verdicts.verdicts[request];
      BatchVerdict const verdict = host_sample(alone, random_run(random, 90)).verdicts.verdicts.verdicts[0];
      REQUIRE(verdict.accepted == expected.accepted);
      REQUIRE(verdict.next == expected.next);
      REQUIRE(verdict.status == expected.status);
    }
  }
}

TEST_CASE("of a row that turned out not to matter, nothing is drawn") {
  SampledBatch<float> batch;
  batch.limits = {.max_requests = 1, .max_draft_length = 1};
  batch.request_count = 1;
  batch.vocabulary = 32;
  batch.stride = 32;
  batch.row_count = 2;
  batch.logits.assign(2 * 32, 0.0F);
  batch.options = {{.top_p = 0.5F, .seed = 0}};
  batch.parameters = {SamplingParameters::of(batch.options[0], 0)};
  batch.offsets = {0, 0};
  SampledRun run;
  run.options = {.tile = 16, .skipping = RowSkipping::always};
  std::size_t const alone = host_sample(batch, run).host.vectors_read;
  batch.tokens = {(host_sample(batch, run).verdicts.verdicts.verdicts[0].next + 1) % 32};
  batch.offsets = {0, 1};
  // The first tile of row 1 is read before it is known to be dead, the second is not.
  run.first = {{0, 0, 1}, {0, 0, 0}, {1, 0, 0}, {1, 0, 1}};
  CHECK(host_sample(batch, run).host.vectors_read == alone + 4);
  CHECK(host_sample(batch, run).verdicts == expected_verdicts(batch));
}
