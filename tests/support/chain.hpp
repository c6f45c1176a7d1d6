// SPDX-License-Identifier: MIT
#pragma once

#include <copyspec/core/token.hpp>
#include <copyspec/mix/detail/copy_sources.hpp>
#include <copyspec/mix/detail/mixer.hpp>
#include <copyspec/mix/detail/predicted_chain.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "copying_text.hpp"

namespace copyspec_test {

using copyspec::Source;
using copyspec::Token;
using copyspec::detail::CopySources;
using copyspec::detail::Mixer;

// What `predict_chain` wrote.
struct Chain {
  Tokens tokens;
  std::vector<float> probabilities;
  std::vector<Source> sources;

  bool operator==(Chain const&) const = default;

  [[nodiscard]] std::size_t size() const { return tokens.size(); }
  [[nodiscard]] Chain first(std::size_t count) const {
    Chain chain = *this;
    chain.tokens.resize(count);
    chain.probabilities.resize(count);
    chain.sources.resize(count);
    return chain;
  }
  [[nodiscard]] bool all_of(Source source) const { return std::ranges::count(sources, source) == std::ssize(sources); }
};

// The chain after `given` in `room` tokens of space, which have a guard after them.
inline Chain predicted(CopySources const& copy_sources, Mixer const& mixer, Tokens const& context, std::size_t room,
                       std::size_t mixed, Tokens const& given = {}) {
  constexpr Token untouched = -77;
  Chain chain{.tokens = given + Tokens(room + 4 - given.size(), untouched),
              .probabilities = std::vector<float>(room + 4, -1.0F),
              .sources = std::vector<Source>(room + 4, Source::model)};
  std::size_t const length =
      predict_chain(copy_sources, mixer, context, std::span(chain.tokens).first(room), given.size(), mixed,
                    std::span(chain.probabilities).first(room), std::span(chain.sources).first(room));
  REQUIRE(length >= given.size());
  REQUIRE(length <= room);
  REQUIRE(std::ranges::all_of(std::span(chain.tokens).subspan(length), [](Token token) { return token == untouched; }));
  REQUIRE(std::ranges::count(std::span(chain.probabilities).subspan(room), -1.0F) == 4);
  REQUIRE(std::ranges::count(std::span(chain.sources).subspan(room), Source::model) == 4);
  return chain.first(length);
}

}  // namespace copyspec_test
