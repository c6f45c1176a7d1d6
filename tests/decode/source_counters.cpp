// SPDX-License-Identifier: MIT
#include <copyspec/decode/source_counters.hpp>

#include <doctest/doctest.h>

using copyspec::draft_sources;
using copyspec::Source;
using copyspec::SourceCounters;
using Count = SourceCounters::Count;

TEST_CASE("counters by source are added and taken apart, each by itself") {
  SourceCounters counters;
  for (Source const source : draft_sources) CHECK(counters[source] == Count{});
  counters[Source::history].drafted += 3;
  counters[Source::history].accepted += 2;
  SourceCounters more;
  more[Source::history] = {.drafted = 10, .accepted = 1};
  more[Source::context] = {.drafted = 5, .accepted = 4};
  SourceCounters const before = counters;
  counters += more;
  CHECK(counters[Source::history] == Count{.drafted = 13, .accepted = 3});
  CHECK(counters[Source::context] == Count{.drafted = 5, .accepted = 4});
  CHECK(counters[Source::reference] == Count{});
  CHECK(counters[Source::other] == Count{});
  CHECK(counters.since(before) == more);
  CHECK(counters.since(counters) == SourceCounters{});
  CHECK(counters != before);
}
