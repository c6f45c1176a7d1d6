// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "batch.hpp"
#include "copyspec/cuda/detail/greedy_rule.hpp"
#include "copyspec/cuda/detail/verify_tile.hpp"
#include "copyspec/cuda/verify_geometry.hpp"
#include "host_team.hpp"

/// How the work items of a verification are run on the host.
struct HostRun {
  copyspec::cuda::VerifyOptions options = {};
  std::uint32_t processors = 4;
  std::uint32_t team_size = 8;
  std::uint32_t order = 0;                             // 0: as on a device; else the seed of a shuffle
  std::uint32_t threads = 1;                           // of the host
  std::vector<copyspec::detail::WorkItem> first = {};  // before all others
};

/// What a run leaves behind.
struct HostOutcome {
  Verdicts verdicts;
  bool workspace_is_zero = false;
  bool misaligned = false;
  std::size_t vectors_read = 0;
};

/// Runs `verify_tile` for every work item of `batch` on the host, with a rule that `make_rule(geometry)` gives and that
/// needs so much scratch memory.
template <class Scalar, class MakeRule>
[[nodiscard]] HostOutcome host_verify(Batch<Scalar> const& batch, HostRun const& run, MakeRule&& make_rule,
                                      std::size_t rule_scratch_bytes) {
  using namespace copyspec::cuda;
  using namespace copyspec::detail;
  constexpr LogitFormat format = LogitFormatOf<Scalar>::value;
  VerifyLimits const limits = batch.limits;
  HostOutcome outcome;
  outcome.verdicts = poisoned(limits);
  std::vector<std::uint64_t> memory(verify_workspace_bytes(limits) / 8 + 1);

  VerifyGeometry const geometry = verify_geometry(format, batch.vocabulary, limits, {run.processors, 8}, run.options);
  VerifyJob<std::decay_t<decltype(make_rule(geometry))>> job;
  job.rule = make_rule(geometry);
  job.logits = batch.logits.data() + batch.first_logit;
  job.row_stride = batch.stride * sizeof(Scalar);
  job.row_count = batch.row_count;
  job.vocabulary = batch.vocabulary;
  job.geometry = geometry;
  job.drafts = {.request_count = batch.use_count ? &batch.request_count : nullptr,
                .offsets = batch.offsets.data(),
                .tokens = batch.tokens.data(),
                .parents = batch.trees ? batch.parents.data() : nullptr,
                .token_capacity = static_cast<std::uint32_t>(batch.tokens.size()),
                .limits = limits};
  job.verdicts = view(outcome.verdicts);
  job.workspace = verify_workspace(memory.data(), limits);

  std::vector<WorkItem> items;
  for (std::uint32_t row = 0; row <= limits.max_draft_length; ++row)
    for (std::uint32_t request = 0; request < limits.max_requests; ++request)
      for (std::uint32_t tile = 0; tile < job.geometry.tiles; ++tile) items.push_back({tile, request, row});
  std::mt19937 random(run.order);
  if (run.order != 0) std::shuffle(items.begin(), items.end(), random);
  auto const is_first = [&](WorkItem const& item) {
    return std::ranges::any_of(run.first, [&](WorkItem const& other) {
      return item.tile == other.tile && item.request == other.request && item.row == other.row;
    });
  };
  std::erase_if(items, is_first);
  items.insert(items.begin(), run.first.begin(), run.first.end());

  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> vectors_read = 0;
  std::atomic<bool> misaligned = false;
  auto const work = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      HostTeam team(run.team_size, std::max(scratch_bytes(limits.max_draft_length), rule_scratch_bytes),
                    run.order % run.team_size);
      verify_tile<format>(job, items[i], team);
      vectors_read += team.vectors_read;
      if (team.misaligned) misaligned = true;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < run.threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();

  outcome.workspace_is_zero = std::ranges::all_of(memory, [](std::uint64_t word) { return word == 0; });
  outcome.misaligned = misaligned;
  outcome.vectors_read = vectors_read;
  return outcome;
}

/// The same for the greedy rule.
template <class Scalar>
[[nodiscard]] HostOutcome host_verify(Batch<Scalar> const& batch, HostRun const& run = {}) {
  return host_verify(
      batch, run, [](copyspec::detail::VerifyGeometry const&) { return copyspec::detail::GreedyRule{}; }, 0);
}
