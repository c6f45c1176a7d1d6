// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/predicted_chain.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/chain.hpp"
#include "support/copying_text.hpp"
#include "support/reading.hpp"

using copyspec::History;
using copyspec::Source;
using copyspec::Token;
using copyspec::detail::CopySources;
using copyspec::detail::MatchPointer;
using copyspec::detail::Mixer;
using copyspec::detail::predict_chain;
using copyspec_test::Chain;
using copyspec_test::predicted;

namespace {

// All that may be copied from, and what was read of it.
struct Texts {
  Tokens reference = {};  // followed by -1
  std::shared_ptr<History> history = nullptr;
  Tokens context = {};
  CopySources sources{0, history};

  Texts(Tokens const& reference_text, std::shared_ptr<History> shared, Tokens read_text)
      : history(std::move(shared)), context(std::move(read_text)) {
    sources.reserve(context.size() + 1000);
    if (reference_text.empty()) {
      read(sources, context);
      return;
    }
    reference = reference_text + Tokens{-1};
    sources.set_references(std::vector<Tokens>{reference_text});
    read(sources, context);
  }
};

// The same, slowly. The mixed part is the chain of so many tokens; where all of it follows a match, in the own text or
// else in the history, what comes there is appended token by token to a text that is written down as one.
Chain copied_on(Texts const& texts, Mixer const& mixer, std::size_t room, std::size_t mixed) {
  Chain chain = predicted(texts.sources, mixer, texts.context, std::min(room, mixed), mixed);
  if (chain.size() < mixed) return chain;
  Tokens own = texts.reference + texts.context + chain.tokens;
  auto const next = [&](MatchPointer const& match, bool in_history) {
    std::size_t const position = match.position + chain.size();
    return in_history ? texts.history->token(position) : own.at(position);
  };
  auto const followed = [&](MatchPointer const& match, bool in_history) {
    for (std::size_t i = 0; i < mixed; ++i)
      if ((in_history ? texts.history->token(match.position + i) : own.at(match.position + i)) != chain.tokens[i])
        return false;
    return true;
  };
  auto const [own_pointers, history_pointers] = texts.sources.pointers();
  bool const in_own = own_pointers.longest.active && followed(own_pointers.longest, false);
  bool const in_history = !in_own && history_pointers.longest.active && followed(history_pointers.longest, true);
  if (!in_own && !in_history) return chain;
  MatchPointer const& match = in_own ? own_pointers.longest : history_pointers.longest;
  float survival = 1;
  for (float const probability : chain.probabilities) survival *= probability;
  while (chain.size() < room) {
    Token const token = next(match, in_history);
    float const probability = mixer.survival()(match.length + static_cast<std::uint32_t>(chain.size()));
    survival *= probability;
    if (token < 0 || survival < 0.02F) break;
    bool const of_reference = match.position + chain.size() < texts.reference.size();
    chain.sources.push_back(in_history ? Source::history : of_reference ? Source::reference : Source::context);
    chain.tokens.push_back(token);
    chain.probabilities.push_back(probability);
    own.push_back(token);
  }
  return chain;
}

// What is learnt from a text with copies of any length.
Mixer experienced(unsigned seed = 7) {
  Random random(seed);
  Mixer mixer;
  CopySources sources(0, nullptr);
  sources.reserve(4000);
  Tokens text;
  while (text.size() < 3000) {
    text = text + copying_text(random, 60, 2000);
    std::size_t const from = below(random, text.size() - 50);
    Tokens const copy(text.begin() + static_cast<std::ptrdiff_t>(from),
                      text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), from + 200)));
    text = text + copy;
  }
  read_and_learn(sources, mixer, text);
  return mixer;
}

// A mixer that has learnt that copies end at this rate.
Mixer with_rate(Mixer mixer, float rate) {
  std::vector<float> numbers = mixer.learnt();
  // (ended + 1) / (exposed + 1)
  numbers[numbers.size() - 2] = rate >= 1 ? rate - 1 : 0;
  numbers[numbers.size() - 1] = rate >= 1 ? 0 : 1 / rate - 1;
  mixer.set_learnt(numbers, "");
  REQUIRE(mixer.survival().rate() == doctest::Approx(rate));
  return mixer;
}

Tokens any_text(Random& random, std::size_t count) {
  Tokens text(count);
  for (Token& token : text) token = static_cast<Token>(10 + below(random, 3000));
  return text;
}

Tokens part(Tokens const& text, std::size_t begin, std::size_t end) {
  return {text.begin() + static_cast<std::ptrdiff_t>(begin), text.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

TEST_CASE("a chain of one match goes on as a copy of the sequence's own text") {
  Random random(1);
  Mixer const mixer = with_rate(experienced(), 0.5F);
  Tokens const text = any_text(random, 900);
  Texts const texts({}, nullptr, text + part(text, 100, 200));
  auto const match = texts.sources.pointers().own.longest;
  REQUIRE(match.active);
  for (std::size_t const mixed : {1U, 8U, 48U}) {
    Chain const chain = predicted(texts.sources, mixer, texts.context, 512, mixed);
    CHECK(chain.tokens == part(text, 200, 712));
    CHECK(chain.all_of(Source::context));
    // The first tokens are predicted one by one, the others are right as often as such a match goes on.
    CHECK(chain.first(mixed) == predicted(texts.sources, mixer, texts.context, mixed, mixed));
    for (std::size_t i = mixed; i < chain.size(); ++i)
      REQUIRE(chain.probabilities[i] == mixer.survival()(match.length + static_cast<std::uint32_t>(i)));
    CHECK(chain == copied_on(texts, mixer, 512, mixed));
    // In less space it is the same, cut.
    for (std::size_t const room : {0U, 1U, 47U, 48U, 49U, 300U})
      CHECK(predicted(texts.sources, mixer, texts.context, room, mixed) == chain.first(room));
  }
}

TEST_CASE("a copy of reference text ends where that ends") {
  Random random(2);
  Mixer const mixer = with_rate(experienced(), 0.2F);
  Tokens const text = any_text(random, 300);
  Texts const texts(text, nullptr, part(text, 50, 90));
  Chain const chain = predicted(texts.sources, mixer, texts.context, 512, 48);
  CHECK(chain.tokens == part(text, 90, 300));
  CHECK(chain.all_of(Source::reference));
  CHECK(chain == copied_on(texts, mixer, 512, 48));
  // The next text is another.
  CopySources two(0, nullptr);
  two.reserve(500);
  two.set_references(std::vector<Tokens>{text, any_text(random, 400)});
  read(two, texts.context);
  Chain const of_two = predicted(two, mixer, texts.context, 512, 48);
  CHECK(of_two.tokens == chain.tokens);
  CHECK(of_two.all_of(Source::reference));
}

TEST_CASE("a copy of an answer in the history ends where that ends") {
  Random random(3);
  Mixer const mixer = with_rate(experienced(), 0.2F);
  auto const history = std::make_shared<History>(std::size_t{1} << 18);
  Tokens const text = any_text(random, 300);
  history->append(any_text(random, 100));
  history->append(text);
  history->append(any_text(random, 400));
  Texts const texts({}, history, part(text, 50, 90));
  for (std::size_t const mixed : {0U, 4U, 10U}) {
    Chain const chain = predicted(texts.sources, mixer, texts.context, 512, mixed);
    CHECK(chain.tokens == part(text, 90, 300));
    CHECK(chain.all_of(Source::history));
    CHECK(chain == copied_on(texts, mixer, 512, mixed));
    auto const match = texts.sources.pointers().history.longest;
    for (std::size_t i = mixed; i < chain.size(); ++i)
      REQUIRE(chain.probabilities[i] == mixer.survival()(match.length + static_cast<std::uint32_t>(i)));
  }
}

TEST_CASE("a copy goes on into itself, and reads nothing that is not written yet") {
  Mixer const mixer = with_rate(experienced(), 0.2F);
  for (std::size_t const period : {1U, 2U, 3U, 7U, 50U, 211U}) {
    CAPTURE(period);
    Tokens text;
    while (text.size() < 2 * period + 60) text = text + counting(10, period);
    Texts const texts({}, nullptr, text);
    // In space that is full of tokens, too.
    Tokens space(512, 3);
    std::vector<float> probabilities(512);
    std::vector<Source> sources(512);
    std::size_t const length = predict_chain(texts.sources, mixer, text, space, 0, 48, probabilities, sources);
    CHECK(length == 512);
    for (std::size_t i = 0; i < length; ++i) REQUIRE(space[i] == static_cast<Token>(10 + (text.size() + i) % period));
    CHECK(predicted(texts.sources, mixer, text, 512, 48).tokens == space);
    CHECK(predicted(texts.sources, mixer, text, 512, 1).tokens == space);
  }
}

TEST_CASE("a chain that has left its match does not go on as a copy") {
  Random random(4);
  Mixer const mixer = with_rate(experienced(), 0.2F);
  Tokens const text = any_text(random, 900);
  Texts const texts({}, nullptr, text + part(text, 100, 200));
  // Given what comes there, and something else.
  Chain const after_match = predicted(texts.sources, mixer, texts.context, 400, 48, part(text, 200, 210));
  CHECK(after_match.tokens == part(text, 200, 600));
  Chain const after_other = predicted(texts.sources, mixer, texts.context, 400, 0, part(text, 200, 209) + Tokens{5000});
  CHECK(after_other.size() == 10);
  Chain const after_same = predicted(texts.sources, mixer, texts.context, 400, 0, part(text, 200, 210));
  CHECK(after_same.tokens == after_match.tokens);
  // A few tokens are mixed after what is given.
  for (std::size_t i = 58; i < 400; ++i) REQUIRE(after_same.probabilities[i] == after_match.probabilities[i]);
}

TEST_CASE("a copy ends where it is right less often than every fiftieth time") {
  Random random(5);
  Tokens const text = any_text(random, 900);
  Texts const texts({}, nullptr, text + part(text, 100, 200));
  std::size_t shorter = 0;
  std::size_t before = 512;
  for (float const rate : {0.2F, 2.0F, 4.0F, 8.0F, 20.0F, 33.0F}) {
    CAPTURE(rate);
    Mixer const mixer = with_rate(experienced(), rate);
    Chain const chain = predicted(texts.sources, mixer, texts.context, 512, 8);
    CHECK((chain.size() < before || before == 512));
    before = chain.size();
    if (chain.size() == 512) continue;
    ++shorter;
    float survival = 1;
    for (float const probability : chain.probabilities) survival *= probability;
    CHECK(survival >= 0.02F);
    auto const length = texts.sources.pointers().own.longest.length + static_cast<std::uint32_t>(chain.size());
    CHECK(survival * mixer.survival()(length) < 0.02F);
  }
  CHECK(shorter >= 4);
}

TEST_CASE("chains go on as copies where all that was mixed follows one match, and nowhere else") {
  Random random(6);
  std::size_t from_own = 0;
  std::size_t from_reference = 0;
  std::size_t from_history = 0;
  std::size_t lost = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    Mixer const mixer = with_rate(experienced(static_cast<unsigned>(round % 4)), round % 3 == 0 ? 3.0F : 0.3F);
    std::size_t const vocabulary = 20 + below(random, 300);
    Tokens const earlier = copying_text(random, 500, vocabulary);
    auto const history = round % 2 == 0 ? nullptr : std::make_shared<History>(std::size_t{1} << 18);
    if (history != nullptr)
      for (std::size_t begin = 0; begin < 500; begin += 125) history->append(part(earlier, begin, begin + 125));
    Tokens const reference = round % 4 < 2 ? Tokens{} : part(earlier, 200, 400);
    Tokens const text = copying_text(random, 500, vocabulary, earlier);
    for (int i = 0; i < 20; ++i) {
      std::size_t const begin = below(random, 400);
      Texts const texts(reference, history,
                        part(text, 0, 100) + part(i % 2 == 0 ? earlier : text, begin, begin + 1 + below(random, 60)));
      std::size_t const mixed = below(random, 12);
      std::size_t const room = below(random, 4) == 0 ? below(random, 20) : 512;
      Chain const chain = predicted(texts.sources, mixer, texts.context, room, mixed);
      REQUIRE(chain == copied_on(texts, mixer, room, mixed));
      if (room < 20 || chain.size() < mixed) continue;
      if (chain.size() == mixed)
        ++lost;
      else
        ++(chain.sources[mixed] == Source::history     ? from_history
           : chain.sources[mixed] == Source::reference ? from_reference
                                                       : from_own);
    }
  }
  CHECK(from_own > 20);
  CHECK(from_reference > 20);
  CHECK(from_history > 20);
  CHECK(lost > 20);
}

TEST_CASE("a long copy allocates nothing") {
  Random random(8);
  Mixer const mixer = experienced();
  Tokens const text = any_text(random, 900);
  Texts const texts({}, std::make_shared<History>(std::size_t{1} << 18), text + part(text, 100, 300));
  Tokens space(512);
  std::vector<float> probabilities(512);
  std::vector<Source> sources(512);
  std::size_t const before = allocations();
  CHECK(predict_chain(texts.sources, mixer, texts.context, space, 0, 48, probabilities, sources) > 300);
  CHECK(allocations() == before);
}
