// SPDX-License-Identifier: MIT
#include <copyspec/decode/detail/prompt_check.hpp>

#include <doctest/doctest.h>
#include <copyspec/core/error.hpp>

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace {

using copyspec::Token;
using Tokens = std::vector<Token>;

copyspec::EngineLimits const limits{.vocabulary_size = 100, .max_tokens = 9, .context_limit = 300};

}  // namespace

TEST_CASE("a vocabulary has the tokens from zero to its size less one") {
  CHECK(copyspec::detail::in_vocabulary(0, 100));
  CHECK(copyspec::detail::in_vocabulary(99, 100));
  CHECK_FALSE(copyspec::detail::in_vocabulary(100, 100));
  CHECK_FALSE(copyspec::detail::in_vocabulary(-1, 100));
  CHECK_FALSE(copyspec::detail::in_vocabulary(std::numeric_limits<Token>::min(), 100));
  CHECK_FALSE(copyspec::detail::in_vocabulary(std::numeric_limits<Token>::max(), 100));
}

TEST_CASE("a prompt that cannot be answered is refused, and what is wrong with it is named") {
  auto const refusal = [&](Tokens const& tokens, std::size_t length) -> std::string {
    try {
      copyspec::detail::check_prompt(tokens, length, limits);
    } catch (copyspec::Error const& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refusal({5}, 0) == "");
  CHECK(refusal({}, 1) == "");
  CHECK(refusal({0, 99}, 0) == "");
  CHECK(refusal(Tokens(299, 1), 0) == "");
  CHECK(refusal(Tokens(99, 1), 200) == "");
  CHECK(refusal({}, 0).find("empty") != std::string::npos);
  CHECK(refusal(Tokens(300, 1), 0).find("the prompt of 300 tokens does not fit") != std::string::npos);
  CHECK(refusal(Tokens(100, 1), 200).find("200 are taken by earlier turns") != std::string::npos);
  CHECK(refusal({}, 300).find("the context limit is 300") != std::string::npos);
  CHECK(refusal({1, 2, 100, -1}, 0).find("token 2 of the prompt is 100") != std::string::npos);
  CHECK(refusal({1, -1}, 0).find("outside the vocabulary of 100") != std::string::npos);
}

TEST_CASE("the tokens before the first unknown one are counted") {
  CHECK(copyspec::detail::known_prefix(Tokens{}, 100) == 0);
  CHECK(copyspec::detail::known_prefix(Tokens{0, 99}, 100) == 2);
  CHECK(copyspec::detail::known_prefix(Tokens{0, 100, 1}, 100) == 1);
  CHECK(copyspec::detail::known_prefix(Tokens{-1, 0}, 100) == 0);
}
