// SPDX-License-Identifier: MIT
// The loader of a history on any bytes, and on the same bytes with the checksum that they should have: it refuses them,
// or they come out again as they were.

#include <copyspec/error.hpp>
#include <copyspec/history.hpp>
#include <copyspec/history_file.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string bytes(reinterpret_cast<char const*>(data), size);
  load(bytes);
  std::uint64_t checksum = 0xcbf29ce484222325;
  for (char const byte : bytes) checksum = (checksum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  for (unsigned i = 0; i < 64; i += 8) bytes.push_back(static_cast<char>(checksum >> i & 255));
  load(bytes);
  return 0;
}
