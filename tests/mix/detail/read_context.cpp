// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/read_context.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/context_hashes.hpp>
#include <copyspec/mix/detail/copy_sources.hpp>
#include <copyspec/mix/detail/mixer.hpp>
#include <copyspec/mix/detail/own_text.hpp>
#include <copyspec/mix/detail/prediction.hpp>

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

using copyspec::Token;
using copyspec::detail::ContextHashes;
using copyspec::detail::CopySources;
using copyspec::detail::Mixer;
using copyspec::detail::Prediction;
using copyspec::detail::read_context;
using Tokens = std::vector<Token>;

namespace {

Tokens rhyme(std::size_t length) {
  Tokens tokens;
  for (std::size_t i = 0; i < length; ++i) tokens.push_back(static_cast<Token>(i % 7 * (i % 5 + 1)));
  return tokens;
}

// The probability that `mixer` gives what follows `context`, all of which is read.
float best_after(CopySources const& sources, Mixer const& mixer, std::span<Token const> context) {
  auto const token_at = [&](std::size_t position) { return context[position]; };
  Prediction prediction;
  mixer.predict(sources.input(ContextHashes(context.size(), token_at), sources.pointers(), context.size(), token_at),
                prediction);
  REQUIRE(prediction.size > 0);
  return prediction.candidates[prediction.best].probability;
}

}  // namespace

TEST_CASE("what is new is read, and learnt from if it was generated") {
  Tokens const text = rhyme(200);
  std::mutex mutex;
  Mixer const fresh;
  Mixer untaught, taught;
  CopySources prompt(0, nullptr), answer(0, nullptr);
  prompt.reserve(text.size());
  answer.reserve(text.size());
  {
    std::lock_guard const lock(mutex);  // a prompt needs no lock
    CHECK(read_context(prompt, text, untaught, mutex, false));
  }
  CHECK(read_context(answer, std::span(text).first(90), taught, mutex, true));
  CHECK(answer.size() == 90);
  CHECK(read_context(answer, text, taught, mutex, true));
  CHECK(prompt.has_read(text.size()));
  CHECK(answer.has_read(text.size()));
  CHECK(best_after(prompt, untaught, text) == best_after(prompt, fresh, text));
  CHECK(best_after(answer, taught, text) > best_after(answer, fresh, text));
  CHECK(mutex.try_lock());
  mutex.unlock();
}

TEST_CASE("what was read before is not learnt from again") {
  Tokens const text = rhyme(200);
  std::mutex mutex;
  Mixer once, twice;
  CopySources sources(0, nullptr), again(0, nullptr);
  sources.reserve(text.size());
  again.reserve(text.size());
  CHECK(read_context(sources, text, once, mutex, true));
  CHECK(read_context(again, text, twice, mutex, true));
  again.reserve(100 * text.size());  // forgets, so that all is read again
  REQUIRE(again.size() == 0);
  CHECK(read_context(again, text, twice, mutex, true));
  CHECK(again.size() == text.size());
  CHECK(best_after(sources, once, text) == best_after(again, twice, text));
}

TEST_CASE("reference text comes first, and where it is long and read again, in pieces") {
  Tokens const text = rhyme(20);
  std::mutex mutex;
  Mixer mixer;
  CopySources sources(0, nullptr);
  sources.reserve(text.size());
  std::vector<Tokens> const references{rhyme(300000)};
  REQUIRE(sources.set_references(references));
  REQUIRE(read_context(sources, text, mixer, mutex, false));
  sources.reserve(1000000);
  REQUIRE(sources.size() == 0);
  std::size_t calls = 1;
  while (!read_context(sources, text, mixer, mutex, false)) {
    CHECK(sources.size() == 0);
    CHECK_FALSE(sources.has_read(text.size()));
    ++calls;
  }
  CHECK(calls > 1);
  CHECK(sources.size() == text.size());
}
