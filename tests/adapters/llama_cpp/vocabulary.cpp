// SPDX-License-Identifier: MIT
#include <copyspec/adapters/llama_cpp/vocabulary.hpp>

#include <doctest/doctest.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/demo_model.hpp"
#include "support/random_model.hpp"

using copyspec::adapters::check_same_vocabulary;
using copyspec::adapters::LlamaCppError;
using copyspec_test::demo_model;
using copyspec_test::RandomModel;

namespace {

// A small vocabulary with texts.
struct Texts {
  std::vector<std::string> texts{"<unk>", "<s>", "</s>", "<0x0A>"};
  std::vector<std::int32_t> types{LLAMA_TOKEN_TYPE_UNKNOWN, LLAMA_TOKEN_TYPE_CONTROL, LLAMA_TOKEN_TYPE_CONTROL,
                                  LLAMA_TOKEN_TYPE_BYTE};
  std::uint32_t begins = 1;
  std::uint32_t ends = 2;

  explicit Texts(std::size_t count = 64) {
    while (texts.size() < count) texts.push_back("word" + std::to_string(texts.size()));
    types.resize(count, LLAMA_TOKEN_TYPE_NORMAL);
  }

  [[nodiscard]] RandomModel build() const {
    auto const count = static_cast<std::uint32_t>(texts.size());
    return copyspec_test::random_llama()
        .count("vocab_size", count)
        .texts(texts, types)
        .tokenizer("bos_token_id", begins)
        .tokenizer("eos_token_id", ends)
        .build();
  }
};

std::string error_of(RandomModel const& model, RandomModel const& draft_model) {
  REQUIRE(model != nullptr);
  REQUIRE(draft_model != nullptr);
  try {
    check_same_vocabulary(*model, *draft_model);
  } catch (LlamaCppError const& error) {
    return error.what();
  }
  return "";
}

bool begins_with(std::string const& text, std::string_view beginning) {
  INFO(text);
  return text.starts_with(beginning);
}

}  // namespace

TEST_CASE("vocabularies that are the same are, whatever the models are besides") {
  CHECK_NOTHROW(check_same_vocabulary(demo_model(), demo_model()));
  CHECK(error_of(Texts().build(), Texts().build()).empty());
  CHECK(error_of(copyspec_test::make_random_llama(), copyspec_test::make_random_mamba()).empty());
}

TEST_CASE("the first difference is named") {
  RandomModel const model = Texts().build();
  auto const other = [&](std::function<void(Texts&)> const& change) {
    Texts texts;
    change(texts);
    return error_of(model, texts.build());
  };
  CHECK(begins_with(other([](Texts& of) { of.texts[17] = "other"; }),
                    "token 17 is \"word17\" to the model and \"other\" to the draft model"));
  CHECK(begins_with(other([](Texts& of) {
                      of.texts[63] = "other";
                      of.types[9] = LLAMA_TOKEN_TYPE_USER_DEFINED;
                    }),
                    "the attribute of token 9 is 4 to the model and 16 to the draft model"));
  CHECK(
      begins_with(other([](Texts& of) { of.begins = 5; }), "the token that begins a text is 1 to the model and 5 to"));
  CHECK(begins_with(other([](Texts& of) { of.ends = 6; }), "the token that ends a text is 2 to the model and 6 to"));
  CHECK(begins_with(error_of(model, Texts(63).build()), "the number of tokens is 64 to the model and 63 to"));
  CHECK(begins_with(error_of(model, copyspec_test::make_random_llama()), "the type of vocabulary is 1 to the model"));
  CHECK(begins_with(
      error_of(copyspec_test::make_random_llama(), copyspec_test::random_llama().count("vocab_size", 65).build()),
      "the number of tokens is 64 to the model and 65 to"));
}
