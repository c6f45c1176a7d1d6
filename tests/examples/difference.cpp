// SPDX-License-Identifier: MIT
#include "examples/llama_cpp/difference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/draft/proposer.hpp"
#include "copyspec/lookup/copy_proposer.hpp"
#include "copyspec/model/model.hpp"
#include "copyspec/testing/toy_model.hpp"
#include "copyspec/verify/sampling_verifier.hpp"
#include "examples/llama_cpp/decode.hpp"
#include "examples/llama_cpp/measured_model.hpp"
#include "examples/llama_cpp/report.hpp"
#include "examples/llama_cpp/results.hpp"
#include "examples/llama_cpp/vocabulary.hpp"
#include "support/demo_model.hpp"

using copyspec::Token;
using namespace copyspec_llama;

namespace {

// A model that rounds differently when a pass has more than one row, as engines do: among the greatest logits of a row,
// neighbours swap places.
class Flipping {
 public:
  Flipping() : toy_({.vocabulary = 64, .order = 2}) {}

  [[nodiscard]] std::size_t vocabulary_size() const { return toy_.vocabulary_size(); }
  [[nodiscard]] std::size_t max_tokens() const { return toy_.max_tokens(); }
  [[nodiscard]] std::size_t context_limit() const { return toy_.context_limit(); }

  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    auto const rows = toy_.forward(batch);
    rows_.clear();
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      std::span<float const> const row = rows.row(i);
      for (std::size_t token = 0; token < row.size(); ++token)
        rows_.push_back(row[token] + (rows.rows() > 1 && token % 2 == 0 ? tilt : 0.0F));
    }
    return {rows_.data(), rows.rows(), rows.vocabulary()};
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) { return toy_.truncate(sequence, length); }

  static constexpr float tilt = 0.25F;

 private:
  copyspec::testing::ToyModel<float> toy_;
  std::vector<float> rows_;
};

struct Flip {
  Flipping model;
  MeasuredModel<Flipping> measured{model};
  Decoder<Flipping> decoder{.model = &measured,
                            .prompt =
                                [](Conversation const&, std::size_t turn, std::span<Token const>) {
                                  return std::vector<Token>{static_cast<Token>(turn + 3), 1, 8, 3};
                                },
                            .options = {.max_new_tokens = 200}};
  Conversation conversation{.name = "flip", .turns = {"first", "second"}};
  copyspec::CopyProposer copying{copyspec::published_rule};

  template <class Proposer>
  [[nodiscard]] Run decode(Proposer const& proposer) const {
    return copyspec_llama::decode(decoder, conversation, proposer, copyspec::SamplingVerifier(sampling_of(decoder)),
                                  [](std::size_t, copyspec::Sequence const&) {});
  }
};

}  // namespace

TEST_CASE("of answers that a near-tie makes differ, both logits are looked up in both passes") {
  Flip flip;
  std::optional<copyspec::SamplingOptions> sampling;
  SUBCASE("greedily, as the verifier was made") {}
  SUBCASE("greedily, as each turn asks for") {
    sampling = copyspec::SamplingOptions{.temperature = 0};
  }
  SUBCASE("drawn") {
    sampling = copyspec::SamplingOptions{.temperature = 0.2F, .seed = 7};
  }
  flip.decoder.options.sampling = sampling;

  Run const plain = flip.decode(copyspec::NoProposer());
  Run const copy = flip.decode(flip.copying);
  std::optional<Difference> difference = find_difference(plain, copy);
  REQUIRE(difference);
  CHECK(difference->plain != difference->copy);

  measure_margins(*difference, copy.drafts, flip.decoder, flip.conversation);
  Difference::Scores const& in_plain = difference->in_plain_pass;
  Difference::Scores const& in_copy = difference->in_copy_pass;
  CHECK(in_plain.plain > in_plain.copy);
  CHECK(in_copy.copy > in_copy.plain);
  // What flipped is near a tie: no further apart than what the rows differ by.
  float const scale = sampling && sampling->temperature > 0 ? 1 / sampling->temperature : 1;
  CHECK(in_plain.plain - in_plain.copy <= doctest::Approx(Flipping::tilt * scale));
  CHECK(in_copy.copy - in_copy.plain <= doctest::Approx(Flipping::tilt * scale));

  Repetition repetition(3);
  repetition[Way::plain] = plain;
  repetition[Way::copying] = repetition[Way::published] = copy;
  difference->way = Way::copying;
  std::vector<ConversationResult> const results{
      {.conversation = flip.conversation, .repetitions = {repetition}, .difference = difference}};
  Vocabulary const vocabulary(copyspec_test::demo_model());
  Setup const setup{.model = "a toy", .sampling = sampling_of(flip.decoder), .repetitions = 1};
  CHECK(text_report(setup, results, vocabulary).find("differ") != std::string::npos);
  CHECK(json_report(setup, results, vocabulary).find("\"identical\": false") != std::string::npos);
}

TEST_CASE("answers that are the same have no difference") {
  Flip flip;
  Run const plain = flip.decode(copyspec::NoProposer());
  CHECK_FALSE(find_difference(plain, flip.decode(copyspec::NoProposer())));
}
