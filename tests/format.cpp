// SPDX-License-Identifier: MIT
#include <copyspec/format.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <type_traits>

using copyspec::SequenceCounters;
using copyspec::SequenceId;
using copyspec::SequenceStatus;
using copyspec::Source;
using copyspec::Verdict;
using copyspec::VerdictStatus;

TEST_CASE("enumerators have names") {
  CHECK(fmt::format("{} {} {} {} {} {}", Source::model, Source::context, Source::reference, Source::history,
                    Source::draft_model, Source::other) == "model context reference history draft-model other");
  CHECK(fmt::format("{}, {}", VerdictStatus::ok, VerdictStatus::invalid_row) == "ok, invalid row");
  CHECK(fmt::format("{}, {}, {}", SequenceStatus::idle, SequenceStatus::running, SequenceStatus::stopped) ==
        "idle, running, stopped");
  CHECK(fmt::format("{}, {}, {}", SequenceStatus::length, SequenceStatus::context_full, SequenceStatus::invalid_row) ==
        "length, context full, invalid row");
}

TEST_CASE("names are known at compile time") {
  static_assert(name_of(Source::history) == "history");
  static_assert(name_of(VerdictStatus::invalid_row) == "invalid row");
  static_assert(name_of(SequenceStatus::context_full) == "context full");
  CHECK(copyspec::name_of(Source::model) == "model");
}

TEST_CASE("a value that is no enumerator is called unknown") {
  CHECK(fmt::format("{}", Source{200}) == "unknown source");
  CHECK(fmt::format("{}", VerdictStatus{200}) == "unknown status");
  CHECK(fmt::format("{}", SequenceStatus{200}) == "unknown status");
}

TEST_CASE("enumerators take the format of a string") {
  CHECK(fmt::format("[{:>6}]", Source::other) == "[ other]");
  CHECK(fmt::format("[{:*<8}]", VerdictStatus::ok) == "[ok******]");
  CHECK(fmt::format("[{:.3}]", SequenceStatus::running) == "[run]");
}

TEST_CASE("a sequence id is a number and takes the format of one") {
  CHECK(fmt::format("{}", SequenceId{7}) == "7");
  CHECK(fmt::format("{}", SequenceId{-1}) == "-1");
  CHECK(fmt::format("{:03}", SequenceId{42}) == "042");
}

TEST_CASE("a verdict says how much was accepted and what comes next") {
  CHECK(fmt::format("{}", Verdict{.accepted = 3, .next = 17, .status = VerdictStatus::ok}) == "3 accepted, next 17");
  CHECK(fmt::format("{}", Verdict{.accepted = 2, .next = 9, .status = VerdictStatus::invalid_row}) ==
        "2 accepted, then invalid row");
}

TEST_CASE("counters are one line") {
  SequenceCounters const counters{.generated = 40,
                                  .decode_passes = 12,
                                  .prefill_passes = 1,
                                  .tokens_fed = 90,
                                  .draft_passes = 7,
                                  .drafted = 50,
                                  .accepted = 28};
  CHECK(fmt::format("{}", counters) == "40 tokens in 12 passes, 50 drafted, 28 accepted");
  CHECK(fmt::format("{}", SequenceCounters{}) == "0 tokens in 0 passes, 0 drafted, 0 accepted");
}

TEST_CASE("what is not the library's is formatted as before") {
  CHECK(fmt::format("{} {} {}", 1, "a", std::string("b")) == "1 a b");
  enum class Foreign { value };
  static_assert(fmt::is_formattable<Source>::value && !fmt::is_formattable<Foreign>::value);
}
