// SPDX-License-Identifier: MIT
// The loader of a history on any bytes that begin like one, and on the same bytes with the checksum that they should
// have; and, of other bytes, on a whole file of a proposer that they say the changes to. It refuses what it is given
// and changes nothing, or it comes out again as it was.

#include <copyspec/core/error.hpp>
#include <copyspec/core/token.hpp>
#include <copyspec/mix/history.hpp>
#include <copyspec/mix/history_file.hpp>
#include <copyspec/mix/mixing_proposer.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

void load(std::string const& bytes) {
  using copyspec::HistoryFile;
  copyspec::History history(100'000);
  try {
    std::vector<float> const weights = HistoryFile::unpack(bytes, "input", history);
    // It may say more than there is room for.
    if (history.counters().requests_evicted == 0 && history.capacity() > bytes.size() &&
        HistoryFile::pack(history, weights) != bytes)
      std::abort();
  } catch (copyspec::Error const&) {
    if (history.end() != 0) std::abort();
  }
}

std::string with_checksum(std::string bytes) {
  std::uint64_t checksum = 0xcbf29ce484222325;
  for (char const byte : bytes) checksum = (checksum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  for (unsigned i = 0; i < 64; i += 8) bytes.push_back(static_cast<char>(checksum >> i & 255));
  return bytes;
}

copyspec::MixingProposer fresh() {
  return copyspec::MixingProposer({.history = std::make_shared<copyspec::History>(8192)});
}

// Numbers of a file, each 32 bits behind the header, become others: six bytes say which and what.
std::string changed(std::string bytes, std::string_view changes) {
  constexpr std::size_t checksum = 8, header = 32;
  bytes.resize(bytes.size() - checksum);
  for (; changes.size() >= 6; changes.remove_prefix(6)) {
    auto const at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(changes[i])); };
    std::size_t const number = (at(0) << 8 | at(1)) % ((bytes.size() - header) / 4);
    bytes.replace(header + 4 * number, 4, changes.substr(2, 4));
  }
  return with_checksum(bytes);
}

void load_learnt(std::string const& bytes) {
  static copyspec::MixingProposer proposer = fresh();
  static std::vector<float> const before = proposer.learnt();
  try {
    copyspec::HistoryFile::unpack(bytes, "input", proposer);
    if (copyspec::HistoryFile::pack(*proposer.history(), proposer.learnt()) != bytes) std::abort();
    copyspec::MixingProposer copy = proposer;
    std::vector<copyspec::Token> space(8);
    (void)copy.propose(std::vector<copyspec::Token>{1, 2, 3, 4, 1, 2, 3}, space);
    proposer.set_learnt(before, "the numbers of a fresh mixer");
    proposer.history()->clear();
  } catch (copyspec::Error const&) {
    if (proposer.history()->counters().requests_held != 0 || proposer.learnt() != before) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string const bytes(reinterpret_cast<char const*>(data), size);
  if (bytes.starts_with('c')) {
    load(bytes);
    load(with_checksum(bytes));
    return 0;
  }
  static std::string const whole = [] {
    copyspec::MixingProposer const proposer = fresh();
    proposer.history()->append(std::vector<copyspec::Token>{1, 2, 3, 4, 5});
    return copyspec::HistoryFile::pack(*proposer.history(), proposer.learnt());
  }();
  load_learnt(changed(whole, bytes));
  return 0;
}
