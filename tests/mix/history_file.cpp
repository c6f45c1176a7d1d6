// SPDX-License-Identifier: MIT
#include <copyspec/mix/history_file.hpp>
#include "copyspec/cost/pass_cost.hpp"
#include "copyspec/mix/mixing_proposer.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/temporary_folder.hpp"

using copyspec::History;
using copyspec::HistoryFile;
using copyspec::MixingProposer;
using copyspec::PassCost;
using copyspec::Token;
using copyspec_test::contents;
using Folder = copyspec_test::TemporaryFolder;

namespace {

using Tokens = std::vector<Token>;
using Requests = std::vector<Tokens>;
using Weights = std::vector<float>;

constexpr std::size_t small = 8192;

Requests requests(History const& history) {
  Requests requests;
  history.for_each_request([&](std::size_t begin, std::size_t end) {
    requests.emplace_back();
    for (; begin < end; ++begin) requests.back().push_back(history.token(begin));
  });
  return requests;
}

std::string with_checksum(std::string bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (char const byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  for (unsigned i = 0; i < 64; i += 8) bytes.push_back(static_cast<char>(hash >> i & 255));
  return bytes;
}

// A file as it is documented, number by number.
std::string file_of(std::uint32_t version, std::uint32_t weights, std::uint64_t requests, std::uint64_t tokens,
                    std::vector<std::uint32_t> const& numbers) {
  std::string bytes = "copyhist";
  auto const put = [&](std::uint64_t number, unsigned bits) {
    for (unsigned i = 0; i < bits; i += 8) bytes.push_back(static_cast<char>(number >> i & 255));
  };
  put(version, 32);
  put(weights, 32);
  put(requests, 64);
  put(tokens, 64);
  for (std::uint32_t const number : numbers) put(number, 32);
  return with_checksum(bytes);
}

// What is said of bytes that are refused, by a history that stays as it is.
std::string refusal(std::string const& bytes) {
  History history(small);
  history.append(Tokens{1, 2, 3});
  std::string message;
  try {
    (void)HistoryFile::unpack(bytes, "the/file", history);
  } catch (copyspec::Error const& error) {
    message = error.what();
    CHECK(message.starts_with("the/file: "));
    CHECK(message.find('\n') == std::string::npos);
  }
  REQUIRE(requests(history) == Requests{{1, 2, 3}});
  return message;
}

}  // namespace

TEST_CASE("a file is, byte for byte, what the page says") {
  History history(small);
  history.append(Tokens{1, -5, 0x01020304});
  history.remove(history.append(Tokens{9, 9}));
  history.append({});
  history.append(Tokens{std::numeric_limits<Token>::max()});
  std::string const expected =
      file_of(1, 2, 3, 4, {3, 0, 1, 1, 0xffffffff, 0x01020304, 0x7fffffff, 0x3f800000, 0xc0000000});
  CHECK(HistoryFile::pack(history, Weights{1, -2}) == expected);
  History read(small);
  CHECK(HistoryFile::unpack(expected, "", read) == Weights{1, -2});
  CHECK(requests(read) == Requests{{1, -1, 0x01020304}, {}, {std::numeric_limits<Token>::max()}});
}

TEST_CASE("what was saved is loaded") {
  Folder const folder;
  std::mt19937 random(1);
  for (std::size_t round = 0; round < 30; ++round) {
    History history(30000);
    for (std::size_t i = 0; i < round * 3; ++i) {
      Tokens tokens(random() % 60);
      for (Token& token : tokens) token = static_cast<Token>(random() % 1000) - 1;
      history.append(tokens);
    }
    Weights weights(round);
    for (float& weight : weights) weight = static_cast<float>(random()) - 1e9F;
    HistoryFile::save(folder.file("history"), history, weights);
    CHECK(folder.files() == 1);
    History loaded(30000);
    CHECK(HistoryFile::load(folder.file("history"), loaded) == weights);
    CHECK(requests(loaded) == requests(history));
    CHECK(HistoryFile::pack(loaded, weights) == contents(folder.file("history")));
  }
}

TEST_CASE("what is loaded comes behind what is held, and of more than fits the newest stays") {
  History history(History::min_bytes());
  history.append(Tokens(20, 1));
  std::string const bytes = file_of(1, 0, 2, 50, [] {
    std::vector<std::uint32_t> numbers = {20, 30};
    numbers.resize(52, 7);
    return numbers;
  }());
  CHECK(HistoryFile::unpack(bytes, "", history).empty());
  CHECK(requests(history) == Requests{Tokens(20, 7), Tokens(30, 7)});
}

TEST_CASE("a file with any byte changed, cut off or added is refused, and nothing is changed") {
  History history(small);
  history.append(Tokens{1, 2, 3, 4});
  history.append(Tokens{5, 6});
  std::string const bytes = HistoryFile::pack(history, Weights{0.5F});
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CAPTURE(at);
    for (int const change : {1, 2, 16, 128, 255}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      CHECK_FALSE(refusal(damaged).empty());
    }
    CHECK_FALSE(refusal(bytes.substr(0, at)).empty());
    CHECK_FALSE(refusal(bytes.substr(at + 1)).empty());
    if (at != bytes.size() - 8) CHECK_FALSE(refusal(with_checksum(bytes.substr(0, at))).empty());
    CHECK_FALSE(refusal(bytes + bytes.substr(0, at + 1)).empty());
  }
}

TEST_CASE("what is wrong is named") {
  CHECK(refusal("").find("is no history") != std::string::npos);
  CHECK(refusal("copyhis").find("is no history") != std::string::npos);
  CHECK(refusal("copyhist").find("is cut off: it has 8 bytes") != std::string::npos);
  CHECK(refusal(file_of(2, 0, 0, 0, {})).find("is of version 2") != std::string::npos);
  std::string damaged = file_of(1, 0, 1, 2, {2, 5, 6});
  damaged[40] ^= 1;
  CHECK(refusal(damaged).find("checksum") != std::string::npos);
  CHECK(refusal(file_of(1, 0, 1, 2, {3, 5, 6})).find("has requests of 3 tokens, but 2 tokens") != std::string::npos);
  CHECK(refusal(file_of(1, 0, 1, 2, {1, 5, 6})).find("has requests of 1 tokens, but 2 tokens") != std::string::npos);
  std::string const whole = file_of(1, 0, 1, 2, {2, 5, 6});
  CHECK(refusal(with_checksum(whole.substr(0, whole.size() - 8) + "abc")).find("its 55 bytes") != std::string::npos);
  CHECK(refusal(file_of(1, 0, 1, 2, {2, 5, 0xfffffffe})).find("token 1 is -2") != std::string::npos);
}

TEST_CASE("lengths are believed only where the size of the file bears them out") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint32_t most_weights = std::numeric_limits<std::uint32_t>::max();
  for (std::uint64_t const absurd :
       {most, most - 2, most / 2 + 2, most / 4 + 1, std::uint64_t{1} << 40, std::uint64_t{4}}) {
    CAPTURE(absurd);
    CHECK(refusal(file_of(1, 0, absurd, 2, {2, 5, 6})).find("do not make its 52 bytes") != std::string::npos);
    CHECK(refusal(file_of(1, 0, 1, absurd, {2, 5, 6})).find("do not make its") != std::string::npos);
    // Sums that come out right after an overflow.
    CHECK(refusal(file_of(1, 0, absurd, 3 - absurd, {2, 5, 6})).find("do not make its") != std::string::npos);
  }
  CHECK(refusal(file_of(1, most_weights, 1, 2, {2, 5, 6})).find("do not make its") != std::string::npos);
  CHECK_FALSE(refusal(file_of(1, 0, 2, 2, {most_weights, 3, 5, 6})).empty());
}

TEST_CASE("a file that cannot be read is named") {
  Folder const folder;
  History history(small);
  for (std::string const& path : {folder.file("missing"), folder.path.string(), std::string()})
    CHECK_THROWS_WITH_AS((void)HistoryFile::load(path, history), doctest::Contains((path + ": cannot be read").c_str()),
                         copyspec::Error);
}

TEST_CASE("a save that fails leaves what was there, and nothing beside it") {
  Folder const folder;
  History history(small);
  history.append(Tokens{1});
  std::filesystem::create_directory(folder.file("in the way"));
  CHECK_THROWS_WITH_AS(HistoryFile::save(folder.file("in the way"), history, {}),
                       doctest::Contains("in the way: cannot be replaced: it is not a regular file"), copyspec::Error);
  CHECK(folder.files() == 1);
  CHECK_THROWS_WITH_AS(HistoryFile::save(folder.file("no/such/folder"), history, {}),
                       doctest::Contains("no/such/folder: no temporary file can be created beside it"),
                       copyspec::Error);
}

TEST_CASE("whether a file can be saved is found out without changing one") {
  Folder const folder;
  CHECK_NOTHROW(HistoryFile::require_writable(folder.file("history")));
  CHECK(folder.files() == 0);
  std::ofstream(folder.file("history")) << "something else";
  CHECK_NOTHROW(HistoryFile::require_writable(folder.file("history")));
  CHECK(contents(folder.file("history")) == "something else");
  CHECK(folder.files() == 1);
  CHECK_THROWS_AS(HistoryFile::require_writable(folder.path.string()), copyspec::Error);
  CHECK_THROWS_AS(HistoryFile::require_writable(folder.file("no/such/folder")), copyspec::Error);
}

TEST_CASE("a file that claims more than it has is refused at no cost, and so is one of holes") {
  Folder const folder;
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  std::string const path = folder.file("history");
  auto const refused = [&](std::uint64_t weights, std::uint64_t tokens, std::uint64_t size) {
    std::string const whole = file_of(1, static_cast<std::uint32_t>(weights), 0, tokens, {});
    std::ofstream(path, std::ios::binary).write(whole.data(), 32);
    std::filesystem::resize_file(path, size);
    History history(small);
    std::string message;
    std::size_t const allocated = allocated_bytes();
    try {
      (void)HistoryFile::load(path, history);
    } catch (copyspec::Error const& error) {
      message = error.what();
      CHECK(message.starts_with(path + ": "));
    }
    CHECK(allocated_bytes() - allocated < 4096);
    return message;
  };
  CHECK(refused(0, 0, huge).find("do not make its 1099511627776 bytes") != std::string::npos);
  CHECK(refused(0, huge / 4, 40).find("do not make its 40 bytes") != std::string::npos);
  CHECK(refused(0, huge / 4 - 10, huge).find("than a history can hold") != std::string::npos);
  CHECK(refused(0, 1 << 22, 40 + (4 << 22)).find("its checksum is wrong") != std::string::npos);
  CHECK(refused(1 << 22, 0, 40 + (4 << 22)).find("its checksum is wrong") != std::string::npos);
}

TEST_CASE("what is no regular file is not loaded, and not waited for") {
  Folder const folder;
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  History history(small);
  auto const refused = [&](std::string const& path, char const* reason) {
    CHECK_THROWS_WITH_AS((void)HistoryFile::load(path, history), doctest::Contains((path + ": " + reason).c_str()),
                         copyspec::Error);
  };
  refused(folder.file("pipe"), "cannot be read: it is a pipe");
  refused("/dev/zero", "cannot be read: it is a device");
  refused(folder.path.string(), "cannot be read: it is a directory");
  CHECK(history.end() == 0);
}

TEST_CASE("a symbolic link stays, and its file is saved and loaded") {
  Folder const folder;
  std::filesystem::create_directory(folder.file("there"));
  std::filesystem::create_symlink("there/history", folder.file("link"));
  std::filesystem::create_symlink("link", folder.file("history"));
  for (Token const token : {1, 2}) {
    History history(small);
    history.append(Tokens{token});
    HistoryFile::save(folder.file("history"), history, {});
    CHECK(std::filesystem::is_symlink(folder.file("history")));
    CHECK(std::filesystem::is_symlink(folder.file("link")));
    CHECK(folder.files() == 3);
    History loaded(small);
    (void)HistoryFile::load(folder.file("there/history"), loaded);
    CHECK(requests(loaded) == Requests{{token}});
  }
  std::filesystem::create_symlink("round", folder.file("round"));
  CHECK_THROWS_WITH_AS(HistoryFile::save(folder.file("round"), History(small), {}),
                       doctest::Contains("round: cannot be replaced: Too many levels of symbolic links"),
                       copyspec::Error);
}

TEST_CASE("a file is for its owner alone to read, and what a crash left beside it is removed") {
  Folder const folder;
  History history(small);
  history.append(Tokens{1});
  std::ofstream(folder.file("history.copyspec-abcdef")) << "half a fi";
  HistoryFile::save(folder.file("history"), history, {});
  CHECK(folder.files() == 1);
  using std::filesystem::perms;
  CHECK(std::filesystem::status(folder.file("history")).permissions() == (perms::owner_read | perms::owner_write));
  History loaded(small);
  CHECK(HistoryFile::load(folder.file("history"), loaded).empty());
  CHECK(requests(loaded) == Requests{{1}});
}

namespace {

MixingProposer proposer_with(std::size_t bytes) {
  return MixingProposer({.pass_cost = PassCost::marginal(0.03),
                         .history = std::make_shared<History>(bytes),
                         .turn_credit = std::numeric_limits<double>::infinity(),
                         .scope_credit = std::numeric_limits<double>::infinity()});
}

// Answers of which each copies parts of those before, said to copies of `proposer` one turn after the other, as a
// composer would: it learns from them, and its history has them then.
void answer(MixingProposer const& proposer, unsigned seed) {
  std::mt19937 random(seed);
  Tokens said;
  for (std::size_t turn = 0; turn < 8; ++turn) {
    MixingProposer copy = proposer;
    Tokens context = {1, 2, 3};
    Tokens space(48);
    for (std::size_t i = 0; i < 120; ++i) {
      (void)copy.propose(context, space);
      std::size_t const at = random() % (said.size() + 1);
      Token const copied = i % 12 > 2 && !said.empty() ? said[(at + i) % said.size()] : Token{-1};
      context.push_back(copied >= 0 ? copied : static_cast<Token>(random() % 40));
    }
    copy.on_turn_end(context, 3);
    said.insert(said.end(), context.begin() + 3, context.end());
  }
}

// All drafts of a copy of `proposer` while `text` is said token by token.
std::vector<Tokens> drafts(MixingProposer proposer, Tokens const& text) {
  std::vector<Tokens> drafts;
  Tokens space(48);
  for (std::size_t length = 1; length <= text.size(); ++length) {
    std::size_t const drafted = proposer.propose(std::span(text).first(length), space).length;
    drafts.emplace_back(space.begin(), space.begin() + static_cast<std::ptrdiff_t>(drafted));
  }
  return drafts;
}

// A text that the answers of `proposer` are repeated in.
Tokens echo(MixingProposer const& proposer) {
  Tokens text;
  for (Tokens const& request : requests(*proposer.history()))
    text.insert(text.end(), request.begin() + 20, request.end());
  return text;
}

}  // namespace

TEST_CASE("a proposer that was loaded drafts as the one that was saved, bit for bit") {
  Folder const folder;
  MixingProposer const proposer = proposer_with(200'000);
  answer(proposer, 1);
  HistoryFile::save(folder.file("history"), proposer);
  MixingProposer loaded = proposer_with(200'000);
  std::vector<float> const fresh = loaded.learnt();
  HistoryFile::load(folder.file("history"), loaded);
  CHECK(loaded.learnt() == proposer.learnt());
  CHECK(loaded.learnt() != fresh);
  CHECK(requests(*loaded.history()) == requests(*proposer.history()));
  Tokens const text = echo(proposer);
  std::vector<Tokens> const expected = drafts(proposer, text);
  CHECK(std::ranges::any_of(expected, [](Tokens const& draft) { return draft.size() > 10; }));
  CHECK(drafts(loaded, text) == expected);
  // They have learnt the same on the way, too.
  HistoryFile::save(folder.file("again"), loaded);
  HistoryFile::save(folder.file("history"), proposer);
  CHECK(contents(folder.file("again")) == contents(folder.file("history")));
}

TEST_CASE("what a pass costs is not loaded") {
  Folder const folder;
  HistoryFile::save(folder.file("history"), proposer_with(small));
  MixingProposer loaded({.pass_cost = PassCost::marginal(0.5), .history = std::make_shared<History>(small)});
  HistoryFile::load(folder.file("history"), loaded);
  CHECK(loaded.pass_cost()(2) == 1.5);
}

TEST_CASE("a file of a history alone is loaded, and what was learnt stays") {
  MixingProposer proposer = proposer_with(small);
  answer(proposer, 2);
  std::vector<float> const learnt = proposer.learnt();
  proposer.history()->clear();
  HistoryFile::unpack(file_of(1, 0, 1, 2, {2, 5, 6}), "", proposer);
  CHECK(proposer.learnt() == learnt);
  CHECK(requests(*proposer.history()) == Requests{{5, 6}});
}

TEST_CASE("a file whose weights a proposer cannot have learnt is refused whole") {
  MixingProposer const saved = proposer_with(small);
  saved.history()->append(Tokens{7, 8, 9});
  Weights const learnt = saved.learnt();
  auto const refused = [&](std::string const& bytes) {
    MixingProposer proposer = proposer_with(small);
    proposer.history()->append(Tokens{1, 2, 3});
    std::string message;
    try {
      HistoryFile::unpack(bytes, "the/file", proposer);
    } catch (copyspec::Error const& error) {
      message = error.what();
      CHECK(message.starts_with("the/file: "));
    }
    REQUIRE(requests(*proposer.history()) == Requests{{1, 2, 3}});
    REQUIRE(proposer.learnt() == learnt);
    return message;
  };
  auto const packed = [&](Weights const& weights) { return HistoryFile::pack(*saved.history(), weights); };
  CHECK(refused(packed(Weights(learnt.begin(), learnt.end() - 1))).find("learnt numbers, a mixer has") !=
        std::string::npos);
  CHECK(refused(packed({1, 2})).find("has 2 learnt numbers") != std::string::npos);
  for (std::size_t const at : {std::size_t{0}, std::size_t{1}, learnt.size() - 1}) {
    Weights damaged = learnt;
    damaged[at] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(refused(packed(damaged)).empty());
  }
  std::string const whole = packed(learnt);
  CHECK(refused(whole.substr(0, whole.size() - 100)).find("is cut off or damaged") != std::string::npos);
  CHECK_FALSE(refused(with_checksum(whole.substr(0, whole.size() - 12))).empty());
  std::string flipped = whole;
  flipped[flipped.size() / 2] ^= 1;
  CHECK(refused(flipped).find("checksum") != std::string::npos);
  std::string newer = whole.substr(0, whole.size() - 8);
  newer[8] = 2;
  CHECK(refused(with_checksum(newer)).find("is of version 2") != std::string::npos);
  CHECK_THROWS_WITH_AS(
      [&] {
        Folder const folder;
        MixingProposer proposer = proposer_with(small);
        HistoryFile::load(folder.file("missing"), proposer);
      }(),
      doctest::Contains("cannot be read"), copyspec::Error);
}
