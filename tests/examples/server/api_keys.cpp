// SPDX-License-Identifier: MIT
#include "examples/server/api_keys.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"
#include "support/error_of.hpp"
#include "support/random.hpp"
#include "support/temporary_folder.hpp"

using copyspec_server::ApiKeys;
using copyspec_test::error_of;
using copyspec_test::TemporaryFolder;

namespace {

struct KeyFile {
  TemporaryFolder folder;
  std::string path = folder.file("keys");

  [[nodiscard]] ApiKeys read(std::string_view text) const {
    std::ofstream(path, std::ios::binary) << text;
    return ApiKeys::read(path);
  }
  [[nodiscard]] std::string refusal(std::string_view text) const {
    return error_of<copyspec::Error>([&] { static_cast<void>(read(text)); });
  }
};

}  // namespace

TEST_CASE("a file has a name and a key a line, and nothing else counts") {
  KeyFile const file;
  for (std::string_view const text : {"ann k1\nbob k2\n", "ann k1\nbob k2", "# x\n\nann k1\n\n#ann k1\nbob k2\n",
                                      "ann  \tk1 \n  bob k2\n", "ann k1\r\nbob k2\r\n"}) {
    CAPTURE(text);
    ApiKeys const keys = file.read(text);
    CHECK(keys.required());
    CHECK(keys.find("k1") == "ann");
    CHECK(keys.find("k2") == "bob");
    for (std::string_view const wrong : {"", "k", "k3", "k11", "K1", "ann", "k1 ", "k1\r"})
      CHECK_FALSE(keys.find(wrong));
  }
  // One who has two keys has two names; a key may have any bytes but white space.
  CHECK(file.read("a \"'=:/#\xff").find("\"'=:/#\xff") == "a");
}

TEST_CASE("a file that cannot be read, or has no key, or a line that is none, is refused by its name") {
  KeyFile const file;
  CHECK(error_of<copyspec::Error>([&] { static_cast<void>(ApiKeys::read(file.path)); }) ==
        file.path + ": cannot be read");
  CHECK_FALSE(error_of<copyspec::Error>([&] { static_cast<void>(ApiKeys::read(file.folder.path)); }).empty());
  for (std::string_view const text : {"", "\n", "# ann k1\n"}) CHECK(file.refusal(text) == file.path + ": has no key");
  for (std::string_view const text : {"ann\n", "ann k1\nbob\n", "ann k1 k2\n", "ann k1 # a note\n"})
    CHECK(file.refusal(text) == file.path + ": has a line that is not a name and a key");
  CHECK(file.refusal("ann k1\nann k2\n") == file.path + ": has the name or the key of ann twice");
  CHECK(file.refusal("ann k1\nbob k1\n") == file.path + ": has the name or the key of bob twice");
}

TEST_CASE("a line of white space is as an empty one") {
  KeyFile const file;
  CHECK(file.refusal("ann k1\r\n\r\nbob k2\r\n").empty());
  CHECK(file.refusal("ann k1\n  \nbob k2\n").empty());
}

TEST_CASE("without keys, none is required and none is known") {
  ApiKeys const keys;
  CHECK_FALSE(keys.required());
  CHECK_FALSE(keys.find(""));
  CHECK_FALSE(keys.find("x"));
}

TEST_CASE("a key is found as a plain comparison finds it, whatever was given") {
  copyspec_test::Random random(3);
  auto const any_text = [&](std::size_t least) {
    std::string text(random.between(least, 4), '\0');
    for (char& byte : text) byte = random.any_of({'\0', 'a', 'b'});
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (std::size_t i = random.below(5); i > 0; --i) {
      std::string const key = any_text(1);
      bool known = false;
      for (auto const& pair : pairs) known = known || pair.second == key;
      if (!known) pairs.emplace_back("name" + std::to_string(i), key);
    }
    ApiKeys const keys(pairs);
    std::string const given = any_text(0);
    std::optional<std::string> expected;
    for (auto const& [name, key] : pairs)
      if (key == given) expected = name;
    CHECK(keys.find(given) == expected);
  }
}
