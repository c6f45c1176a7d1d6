// SPDX-License-Identifier: MIT
#include <copyspec/cost/pass_cost_file.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <copyspec/core/error.hpp>
#include <copyspec/cost/pass_cost.hpp>
#include <copyspec/cost/pass_level.hpp>

#include "support/temporary_folder.hpp"

using copyspec::Error;
using copyspec::ErrorCode;
using copyspec::PassCost;
using copyspec::PassCostFile;
using copyspec::PassCostKey;
using copyspec_test::contents;
using copyspec_test::TemporaryFolder;

namespace {

PassCostKey const key{.model = "smol 135M, 0x1234",
                      .device = "a processor @ 2.1 GHz",
                      .engine = "llama.cpp 0.0.4389 AVX2",
                      .weights = "Q4_1",
                      .threads = 2};

PassCost learnt(unsigned seed) {
  std::mt19937 random(seed);
  PassCost cost;
  for (std::size_t i = 0; i < 300; ++i) {
    std::size_t const rows = 1 + random() % (i % 10 == 0 ? 512 : 12);
    cost.observe(rows, (1 + 0.31 * static_cast<double>(rows)) / 97 * (1 + static_cast<double>(random() % 100) / 700));
  }
  return cost;
}

void write(std::string const& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// What is said of a file, without its path.
std::string refusal(std::string const& path, PassCostKey const& of = key) {
  try {
    static_cast<void>(PassCostFile::load(path, of));
  } catch (Error const& error) {
    CHECK(error.code() == ErrorCode::file);
    std::string const message = error.what();
    REQUIRE(message.starts_with(path + ": "));
    return message.substr(path.size() + 2);
  }
  return "";
}

}  // namespace

TEST_CASE("pass costs that are loaded are those that were saved, and go on alike") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    PassCost cost = learnt(seed);
    PassCostFile::save(path, key, cost);
    PassCost loaded = PassCostFile::load(path, key);
    REQUIRE(loaded.levels() == cost.levels());
    REQUIRE(cost.levels().size() > 12);
    std::string const text = contents(path);
    PassCostFile::save(path, key, loaded);
    REQUIRE(contents(path) == text);
    // Its weights are those of what was just observed, so where levels are pooled they may differ a little.
    for (std::size_t rows = 1; rows <= 12; ++rows) REQUIRE(loaded(rows) == doctest::Approx(cost(rows)).epsilon(0.03));
    for (std::size_t i = 0; i < 40; ++i) loaded.observe(1 + i % 4, (1 + 0.31 * static_cast<double>(1 + i % 4)) / 90);
    REQUIRE(loaded.levels().size() >= 4);
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("a file is text that a reader understands") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  PassCost cost;
  cost.observe(1, 0.25);
  cost.observe(1, 0.25);
  cost.observe(70, 2);
  PassCostFile::save(path, key, cost);
  CHECK(contents(path) ==
        "copyspec pass costs 1\nmodel smol 135M, 0x1234\ndevice a processor @ 2.1 GHz\nengine llama.cpp 0.0.4389 AVX2\n"
        "weights Q4_1\nthreads 2\n1 rows 0.25 seconds 2 passes\n80 rows 2 seconds 1 passes\nend\n");
}

TEST_CASE("pass costs of another key are refused, and the message names both") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  PassCostFile::save(path, key, learnt(1));
  CHECK(refusal(path).empty());
  PassCostKey other = key;
  other.model = "smol 135M, 0x1235";
  CHECK(refusal(path, other) ==
        "line 2 has pass costs of the model \"smol 135M, 0x1234\", not of \"smol 135M, 0x1235\"");
  other = key;
  other.device += " ";
  CHECK(refusal(path, other).starts_with("line 3 has pass costs of the device \"a processor @ 2.1 GHz\", not of"));
  other = key;
  other.engine = "llama.cpp";
  CHECK(refusal(path, other).starts_with("line 4 has pass costs of the engine"));
  other = key;
  other.weights = "Q4_0";
  CHECK(refusal(path, other) == "line 5 has pass costs of the weights \"Q4_1\", not of \"Q4_0\"");
  other = key;
  other.threads = 20;
  CHECK(refusal(path, other) == "line 6 has pass costs of the threads \"2\", not of \"20\"");
}

TEST_CASE("what cannot be saved is refused, and an older file stays") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  PassCostFile::save(path, key, learnt(1));
  std::string const before = contents(path);
  PassCostKey lines = key;
  lines.engine = "llama.cpp\nend";
  CHECK_THROWS_WITH_AS(PassCostFile::save(path, lines, learnt(1)),
                       (path + ": the engine of pass costs is one line of text").c_str(), Error);
  lines.engine.clear();
  CHECK_THROWS_AS(PassCostFile::save(path, lines, learnt(1)), Error);
  CHECK_THROWS_WITH_AS(PassCostFile::save(path, key, PassCost()),
                       (path + ": no pass was observed, there is nothing to save").c_str(), Error);
  CHECK_THROWS_AS(PassCostFile::save(path, key, PassCost::marginal(0.1)), Error);
  CHECK_THROWS_AS(PassCostFile::save(folder.file("no/costs"), key, learnt(1)), Error);
  CHECK_THROWS_AS(PassCostFile::require_writable(folder.file("no/costs")), Error);
  PassCostFile::require_writable(path);
  CHECK(contents(path) == before);
  CHECK(folder.files() == 1);
}

TEST_CASE("files that are none, cut off or damaged are refused") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  CHECK(refusal(path) == "cannot be read: No such file or directory");
  CHECK(refusal(folder.path.string()) == "cannot be read: it is a directory, not a regular file");
  write(path, "");
  CHECK(refusal(path) == "line 1 is missing or cut off");
  write(path, "a text\n");
  CHECK(refusal(path) == "line 1 is not \"copyspec pass costs 1\"");
  write(path, std::string(70000, 'x'));
  CHECK(refusal(path) == "is too long for pass costs: 70000 bytes");

  PassCost cost;
  for (std::size_t rows = 1; rows <= 4; ++rows) cost.observe(rows, 0.5 + static_cast<double>(rows));
  PassCostFile::save(path, key, cost);
  std::string const good = contents(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    write(path, good.substr(0, size));
    REQUIRE_FALSE(refusal(path).empty());
  }
  write(path, good + "end\n");
  CHECK(refusal(path) == "line 12 comes after the end");

  auto const with = [&](std::string const& line) {
    std::string text = good;
    std::string const old = "2 rows 2.5 seconds 1 passes";
    write(path, text.replace(text.find(old), old.size(), line));
    return refusal(path);
  };
  CHECK(with("2 rows 2.5 seconds 1 passes").empty());
  CHECK(with("2 rows 1e-05 seconds 7 passes").empty());
  for (char const* const line :
       {"", "2", "2 rows", "2 rows 2.5", "2 rows 2.5 seconds", "2 rows 2.5 seconds 1", " 2 rows 2.5 seconds 1 passes",
        "2 rows 2.5 seconds 1 passes ", "2 rows 2.50 seconds 1 passes", "+2 rows 2.5 seconds 1 passes",
        "2 rows 2.5 seconds 1 pass", "two rows 2.5 seconds 1 passes", "2 rows 2,5 seconds 1 passes",
        "2 rows 2.5 seconds 99999999999999999999 passes", "2 rows 2.5 seconds -1 passes",
        "2 rows nan seconds 1 passes x"})
    CHECK(with(line) == "line 8 is no row count with its seconds and passes");
  CHECK(with("2 rows nan seconds 1 passes") == "passes of 2 rows cannot take nan seconds");
  CHECK(with("2 rows inf seconds 1 passes") == "passes of 2 rows cannot take inf seconds");
  CHECK(with("2 rows -1 seconds 1 passes") == "passes of 2 rows cannot take -1.000000 seconds");
  CHECK(with("2 rows 0 seconds 1 passes") == "passes of 2 rows cannot take 0.000000 seconds");
  CHECK(with("2 rows 1e+300 seconds 1 passes").starts_with("passes of 2 rows cannot take 1000000"));
  CHECK(with("2 rows 2.5 seconds 0 passes") == "passes of 2 rows were never observed");
  CHECK(with("1 rows 2.5 seconds 1 passes") == "passes of 1 rows come after passes of 1");
  CHECK(with("600 rows 2.5 seconds 1 passes") == "passes of 600 rows are not tracked");
  CHECK(with("65 rows 2.5 seconds 1 passes") == "passes of 65 rows are not tracked");
}

TEST_CASE("bytes that change at random never do harm") {
  TemporaryFolder const folder;
  std::string const path = folder.file("costs");
  PassCostFile::save(path, key, learnt(3));
  std::string const good = contents(path);
  std::mt19937 random(5);
  std::size_t loaded = 0;
  for (std::size_t round = 0; round < 2000; ++round) {
    std::string text = good;
    for (std::size_t changes = 1 + random() % 3; changes > 0; --changes)
      text[random() % text.size()] = static_cast<char>(random() % 2 == 0 ? '0' + random() % 10 : random() % 256);
    write(path, text);
    if (!refusal(path).empty()) continue;
    ++loaded;
    PassCost const cost = PassCostFile::load(path, key);
    for (std::size_t rows = 1; rows < 600; rows += 7) REQUIRE(cost(rows) > 0);
  }
  CHECK(loaded > 50);
}
