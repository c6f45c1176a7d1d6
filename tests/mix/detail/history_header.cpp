// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/history_header.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>

using copyspec::detail::fnv1a;
using copyspec::detail::HistoryHeader;

namespace {

std::string bytes_of(HistoryHeader const& header) {
  std::string bytes;
  header.append_to(bytes);
  return bytes;
}

std::string refusal(std::string const& bytes, std::uint64_t size) {
  try {
    (void)HistoryHeader::read(bytes, size, "the/file");
  } catch (copyspec::Error const& error) {
    CHECK(std::string(error.what()).starts_with("the/file: "));
    return error.what();
  }
  return "";
}

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("numbers have their lowest byte first") {
  std::string bytes;
  copyspec::detail::put_little_endian(bytes, std::uint32_t{0x01020384});
  copyspec::detail::put_little_endian(bytes, std::uint64_t{0xf102030405060708});
  CHECK(bytes == std::string("\x84\x03\x02\x01\x08\x07\x06\x05\x04\x03\x02\xf1"));
  CHECK(copyspec::detail::get_little_endian<std::uint32_t>(bytes, 0) == 0x01020384);
  CHECK(copyspec::detail::get_little_endian<std::uint64_t>(bytes, 4) == 0xf102030405060708);
}

TEST_CASE("the hash is that of published examples, in one part or in two") {
  CHECK(fnv1a({}) == 0xcbf29ce484222325);
  std::string const text = "foobar";
  CHECK(fnv1a(text) == 0x85944171f73967e8);
  CHECK(fnv1a(std::span(text).subspan(2), fnv1a(std::span(text).first(2))) == fnv1a(text));
}

TEST_CASE("a header is read as it was written, for a file of the size that it says") {
  HistoryHeader const header{.weights = 5, .requests = 3, .tokens = 700};
  std::string const bytes = bytes_of(header);
  REQUIRE(bytes.size() == HistoryHeader::size);
  std::uint64_t const size = 32 + 4 * 708 + 8;
  HistoryHeader const read = HistoryHeader::read(bytes, size, "");
  CHECK(read.weights == 5);
  CHECK(read.requests == 3);
  CHECK(read.tokens == 700);
  for (std::uint64_t const other : {size - 4, size - 1, size + 1, size + 4, std::uint64_t{1} << 62})
    CHECK(contains(refusal(bytes, other), "do not make its " + std::to_string(other) + " bytes"));
}

TEST_CASE("counts that only fit after an overflow, or that no history has, are refused") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  CHECK(contains(refusal(bytes_of({.requests = most, .tokens = 4}), 52), "do not make"));
  CHECK(contains(refusal(bytes_of({.tokens = most / 4 + 2}), 44), "do not make"));
  constexpr std::uint64_t many = (std::uint64_t{1} << 31) + 1;
  CHECK(contains(refusal(bytes_of({.tokens = many}), 40 + 4 * many), "than a history can hold"));
  CHECK(contains(refusal(bytes_of({.requests = many}), 40 + 4 * many), "than a history can hold"));
  CHECK(refusal(bytes_of({.tokens = many - 1}), 40 + 4 * (many - 1)).empty());
}

TEST_CASE("what begins otherwise or ends early is refused") {
  std::string const bytes = bytes_of({});
  CHECK(refusal(bytes, 40).empty());
  CHECK(contains(refusal(bytes.substr(0, 7), 7), "is no history"));
  CHECK(contains(refusal(bytes.substr(0, 8), 8), "is cut off: it has 8 bytes"));
  CHECK(contains(refusal(bytes, 39), "is cut off: it has 39 bytes"));
  std::string newer = bytes;
  newer[8] = 2;
  CHECK(contains(refusal(newer, 40), "is of version 2"));
}
