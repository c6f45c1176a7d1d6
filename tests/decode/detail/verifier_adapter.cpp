// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/verifier_adapter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <copyspec/decode/composer.hpp>
#include <copyspec/lookup/copy_proposer.hpp>
#include <copyspec/model/device_logits.hpp>
#include <copyspec/model/device_model.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <copyspec/verify/greedy_verifier.hpp>
#include <cstddef>
#include <span>
#include <vector>

#include "copyspec/cuda/detail/pack_drafts.hpp"
#include "cuda/support/batch.hpp"
#include "cuda/support/host_verify.hpp"
#include "support/allocation_counter.hpp"

using copyspec::Composer;
using copyspec::CopyProposer;
using copyspec::DeviceLogitsView;
using copyspec::DeviceModel;
using copyspec::GreedyVerifier;
using copyspec::LogitsView;
using copyspec::NoProposer;
using copyspec::Segment;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::SequenceVerifier;
using copyspec::Token;
using copyspec::Verdict;
using copyspec::VerdictStatus;
using copyspec::VerifyInput;
using copyspec::detail::VerifierAdapter;
using copyspec::testing::ToyModelOptions;

namespace {

using Toy = copyspec::testing::ToyModel<float>;
using Tokens = std::vector<Token>;

// A model whose rows are said to lie on a device.
class DeviceToy {
 public:
  explicit DeviceToy(ToyModelOptions const& options) : toy_(options) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }

  DeviceLogitsView<float> forward(std::span<Segment const> batch) {
    LogitsView<float> const rows = toy_.forward(batch);
    return {rows.data(), rows.rows(), rows.vocabulary()};
  }

  std::size_t truncate(SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

 private:
  Toy toy_;
};

// Runs on the host what a device would run, in an order that changes with every pass.
struct HostDevice {
  void verify(DeviceLogitsView<float> rows, std::span<VerifyInput const> trials, std::span<Verdict> verdicts) {
    ++*calls;
    Batch<float> batch;
    batch.vocabulary = static_cast<std::uint32_t>(rows.vocabulary());
    batch.stride = rows.stride();
    batch.row_count = rows.rows();
    batch.logits.assign(rows.data(), rows.data() + rows.rows() * rows.stride());
    auto const size = copyspec::detail::size_of(trials);
    batch.limits = size.limits;
    batch.request_count = static_cast<std::int32_t>(trials.size());
    batch.offsets.resize(trials.size() + 1);
    batch.tokens.resize(size.drafted);
    copyspec::detail::pack_drafts(trials, batch.offsets, batch.tokens);
    HostOutcome const outcome =
        host_verify(batch, {.options = {.tile = 5, .skipping = copyspec::cuda::RowSkipping::always},
                            .team_size = 3,
                            .order = static_cast<std::uint32_t>(*calls)});
    for (std::size_t i = 0; i < trials.size(); ++i) {
      auto const& verdict = outcome.verdicts.verdicts[i];
      verdicts[i] = {.accepted = static_cast<std::size_t>(verdict.accepted),
                     .next = verdict.next,
                     .status = verdict.status == copyspec::cuda::VerifyStatus::ok ? VerdictStatus::ok
                                                                                  : VerdictStatus::invalid_row};
    }
  }

  std::size_t* calls;
};

// VerifierAdapter as `GreedyVerifier` does, on rows that it is told are elsewhere, and allocates nothing.
struct Plain {
  void verify(DeviceLogitsView<float> rows, std::span<VerifyInput const> trials, std::span<Verdict> verdicts) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < trials.size(); ++i) {
      LogitsView<float> const view(rows.data(), rows.rows(), rows.vocabulary(), rows.stride());
      verdicts[i] = GreedyVerifier{}.verify(view.subview(first, trials[i].rows()), trials[i].tokens, trials[i].length);
      first += trials[i].rows();
    }
  }
};

Tokens copy(std::span<Token const> tokens) {
  return {tokens.begin(), tokens.end()};
}

constexpr ToyModelOptions small{.vocabulary = 17, .order = 2, .max_tokens = 40};

}  // namespace

static_assert(DeviceModel<DeviceToy>);
static_assert(SequenceVerifier<GreedyVerifier, LogitsView<float>>);
static_assert(!SequenceVerifier<GreedyVerifier, DeviceLogitsView<float>>);

TEST_CASE("a stream from rows on a device is the stream from rows on the host, with drafts and without") {
  std::size_t accepted = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    ToyModelOptions options = small;
    options.seed = seed;
    Toy host(options);
    DeviceToy device(options);
    std::size_t calls = 0;
    Composer reference(host, NoProposer(), GreedyVerifier());
    Composer plain(device, NoProposer(), HostDevice{&calls});
    DeviceToy other(options);
    Composer copying(other, CopyProposer({.match_length = 2}), HostDevice{&calls});
    for (std::size_t i = 0; i < 4; ++i) {
      Tokens const prompt = {static_cast<Token>(i), 3, static_cast<Token>(seed), 5, 6};
      auto const id = static_cast<SequenceId>(i);
      reference.begin(id, prompt, {.max_new_tokens = 50 + i});
      plain.begin(id, prompt, {.max_new_tokens = 50 + i});
      copying.begin(id, prompt, {.max_new_tokens = 50 + i});
    }
    reference.run();
    plain.run();
    copying.run();
    for (std::size_t i = 0; i < 4; ++i) {
      auto const id = static_cast<SequenceId>(i);
      CHECK(copy(plain.sequence(id).generated()) == copy(reference.sequence(id).generated()));
      CHECK(copy(copying.sequence(id).generated()) == copy(reference.sequence(id).generated()));
      accepted += copying.sequence(id).counters().accepted;
    }
  }
  CHECK(accepted > 200);
}

TEST_CASE("a pass is judged once, and only where there are rows") {
  DeviceToy model({.vocabulary = 17, .order = 2, .max_tokens = 8});
  std::size_t calls = 0;
  Composer composer(model, NoProposer(), HostDevice{&calls});
  composer.begin(SequenceId{0}, Tokens(20, 1), {.max_new_tokens = 2});
  auto const nobody = [](copyspec::OutputDelta const&) {};
  composer.step(nobody);
  composer.step(nobody);
  CHECK(calls == 0);
  composer.step(nobody);
  CHECK(calls == 1);
  composer.begin(SequenceId{1}, Tokens(2, 1), {.max_new_tokens = 1});
  composer.step(nobody);
  CHECK(calls == 2);
  CHECK(composer.sequence(SequenceId{0}).generated().size() == 2);
  CHECK(composer.sequence(SequenceId{1}).generated().size() == 1);
}

TEST_CASE("each sequence has its own copy of a verifier of sequences") {
  struct Counting {
    Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) {
      ++count;
      return {.accepted = 0, .next = static_cast<Token>(rows.rows() + tokens.size() + length + count)};
    }
    std::size_t count = 0;
  };
  std::vector<float> const data(4 * 2);
  LogitsView<float> const rows(data.data(), 4, 2);
  Tokens const tokens = {1, 2, 3};
  std::array<VerifyInput, 2> const trials = {VerifyInput{SequenceId{0}, tokens, 2},
                                             VerifyInput{SequenceId{1}, tokens, 2}};
  VerifierAdapter<Counting, LogitsView<float>> judges{Counting()};
  auto first = judges.begin_sequence();
  auto second = judges.begin_sequence();
  CHECK(judges.verdict(first, rows, trials, 0, 0).next == 2 + 3 + 2 + 1);
  CHECK(judges.verdict(first, rows, trials, 0, 0).next == 2 + 3 + 2 + 2);
  CHECK(judges.verdict(second, rows, trials, 1, 2).next == 2 + 3 + 2 + 1);
}

TEST_CASE("judging a whole pass allocates nothing") {
  DeviceToy model(small);
  Composer composer(model, NoProposer(), Plain());
  for (std::size_t i = 0; i < 3; ++i)
    composer.begin(static_cast<SequenceId>(i), Tokens{1, 2, 3}, {.max_new_tokens = 20});
  std::vector<float> const data(3 * 4, 1.0F);
  VerifierAdapter<Plain, DeviceLogitsView<float>> judges{Plain()};
  judges.reserve(3);
  Tokens const tokens = {1};
  std::array<VerifyInput, 3> trials;
  trials.fill({SequenceId{0}, tokens, 1});
  VerifierAdapter<Plain, DeviceLogitsView<float>>::Own own = judges.begin_sequence();
  std::size_t const before = allocations();
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(judges.verdict(own, DeviceLogitsView<float>(data.data(), 3, 4), trials, i, i).next == 0);
  CHECK(allocations() == before);
}

namespace {

struct Rejected {};

// Judges row after row, and throws at this position of the context.
struct ThrowsAt {
  std::size_t position = 0;
  std::size_t* calls = nullptr;
  Verdict verify(LogitsView<float> rows, std::span<Token const> tokens, std::size_t length) const {
    if (calls != nullptr) ++*calls;
    Verdict const all = GreedyVerifier{}.verify(rows, tokens, length);
    if (length + all.accepted >= position && length <= position) throw Rejected{};
    return all;
  }
};

// Rows that give these tokens.
std::vector<float> giving(Tokens const& tokens) {
  std::vector<float> rows(tokens.size() * 4);
  for (std::size_t i = 0; i < tokens.size(); ++i) rows[i * 4 + static_cast<std::size_t>(tokens[i])] = 1;
  return rows;
}

}  // namespace

TEST_CASE("of a draft in which the verifier throws, what it accepts before is its verdict") {
  Tokens const tokens{3, 3, 0, 1, 2, 3};  // a context of two, and a draft
  std::vector<float> const data = giving({9 % 4, 0, 1, 2, 3, 1});
  LogitsView<float> const rows(data.data(), 6, 4);
  VerifyInput const input{SequenceId{0}, tokens, 2};
  for (std::size_t position = 2; position <= 6; ++position) {
    CAPTURE(position);
    VerifierAdapter<ThrowsAt, LogitsView<float>> verifiers{ThrowsAt{position}};
    auto own = verifiers.begin_sequence();
    std::array<VerifyInput, 1> const inputs{input};
    CHECK_THROWS_AS((void)verifiers.verdict(own, rows, inputs, 0, 1), Rejected);
    Verdict const verdict = verifiers.verdict_before_throw(own, rows, input, 1);
    CHECK(verdict.accepted == position - 2);
    CHECK(verdict.status == VerdictStatus::invalid_row);
  }
}

TEST_CASE("a verifier that throws no more is believed up to the end of the draft, row by row") {
  Tokens const tokens{3, 3, 0, 1, 3};
  std::vector<float> const data = giving({0, 1, 2, 3});
  LogitsView<float> const rows(data.data(), 4, 4);
  VerifyInput const input{SequenceId{0}, tokens, 2};
  std::size_t calls = 0;
  VerifierAdapter<ThrowsAt, LogitsView<float>> verifiers{ThrowsAt{100, &calls}};
  auto own = verifiers.begin_sequence();
  Verdict const verdict = verifiers.verdict_before_throw(own, rows, input, 0);
  CHECK(verdict.accepted == 2);
  CHECK(verdict.next == 2);
  CHECK(verdict.status == VerdictStatus::ok);
  CHECK(calls == 3);
}

TEST_CASE("nothing is accepted where one row alone may not be judged") {
  struct Drawn : ThrowsAt {
    void drawn_from(std::span<std::span<float const> const>) {}
  };
  static_assert(VerifierAdapter<Drawn, LogitsView<float>>::needs_drawn);
  std::vector<float> const data = giving({0, 1});
  Tokens const tokens{3, 0};
  VerifierAdapter<Drawn, LogitsView<float>> verifiers{Drawn{{100}}};
  auto own = verifiers.begin_sequence();
  Verdict const verdict =
      verifiers.verdict_before_throw(own, {data.data(), 2, 4}, VerifyInput{SequenceId{0}, tokens, 1}, 0);
  CHECK(verdict.accepted == 0);
  CHECK(verdict.status == VerdictStatus::invalid_row);
}
