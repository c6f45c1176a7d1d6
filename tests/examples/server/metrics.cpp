// SPDX-License-Identifier: MIT
#include "examples/server/metrics.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "copyspec/core/token.hpp"

using copyspec_server::Counters;
using copyspec_server::Metrics;
using copyspec_server::prometheus_text;

namespace {

// A page in the text format of Prometheus: the samples by name and labels.
struct Page {
  std::map<std::string, std::string> types;  // of the families
  std::map<std::string, double> samples;
};

Page read_page(std::string const& text) {
  static std::regex const help("# HELP ([a-z_]+) [A-Z][^\\n]*\\.");
  static std::regex const type("# TYPE ([a-z_]+) (counter|gauge)");
  static std::regex const sample("([a-z_]+)(\\{([a-z]+=\"[^\"\\\\]*\"(,[a-z]+=\"[^\"\\\\]*\")*)\\})? ([0-9.e+-]+)");
  Page page;
  REQUIRE(text.ends_with('\n'));
  std::istringstream lines(text);
  std::string family, described;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      described = match[1];
      CHECK_FALSE(page.types.contains(described));
    } else if (std::regex_match(line, match, type)) {
      family = match[1];
      CHECK(family == described);
      page.types[family] = match[2];
    } else {
      REQUIRE(std::regex_match(line, match, sample));
      CHECK(match[1] == family);
      std::size_t end = 0;
      double const value = std::stod(match[5], &end);
      CHECK(end == match[5].str().size());
      CHECK(page.samples.emplace(match[1].str() + match[2].str(), value).second);
    }
  }
  return page;
}

Counters some_counters() {
  Counters counters;
  counters.requests[{"/v1/chat/completions", 200}] = 2;
  counters.requests[{"/v1/chat/completions", 400}] = 3;
  counters.requests[{"/v1/completions", 200}] = 4;
  counters.answers = 5;
  counters.generated_tokens = std::uint64_t{1} << 62;
  counters.pass_seconds = 1234567.25;
  counters.outside_seconds = 1e-9;
  counters.queue_seconds = 1e20;
  counters.drafts = 6;
  counters.by_source[copyspec::Source::context] = {.drafted = 8, .accepted = 7};
  counters.accepted_at[0] = 9;
  counters.accepted_at.back() = 1;
  counters.now = {.running = 10, .waiting = 11, .cache_tokens = 12};
  return counters;
}

}  // namespace

TEST_CASE("each line of the page is well formed, behind a HELP and a TYPE of its family") {
  for (Counters const& counters : {Counters(), some_counters()}) {
    Page const page = read_page(prometheus_text(counters));
    for (auto const& family : page.types) {
      std::string const& name = family.first;
      std::string const& type = family.second;
      CAPTURE(name);
      CHECK(name.starts_with("copyspec_"));
      CHECK((type == "counter") == name.ends_with("_total"));
    }
    CHECK(page.types.size() > 15);
  }
}

TEST_CASE("each family has samples, once there was a request") {
  Page const page = read_page(prometheus_text(some_counters()));
  std::set<std::string> sampled;
  for (auto const& [name, value] : page.samples) sampled.insert(name.substr(0, name.find('{')));
  for (auto const& family : page.types) CHECK_MESSAGE(sampled.contains(family.first), family.first);
}

TEST_CASE("the page says what was counted") {
  std::map<std::string, double> const samples = read_page(prometheus_text(some_counters())).samples;
  CHECK(samples.at("copyspec_requests_total{endpoint=\"/v1/chat/completions\",status=\"200\"}") == 2);
  CHECK(samples.at("copyspec_requests_total{endpoint=\"/v1/chat/completions\",status=\"400\"}") == 3);
  CHECK(samples.at("copyspec_requests_total{endpoint=\"/v1/completions\",status=\"200\"}") == 4);
  CHECK(samples.at("copyspec_answers_total") == 5);
  CHECK(samples.at("copyspec_generation_tokens_total") == 0x1p62);
  CHECK(samples.at("copyspec_pass_seconds_total") == 1234567.25);
  CHECK(samples.at("copyspec_outside_pass_seconds_total") == 1e-9);
  CHECK(samples.at("copyspec_queue_seconds_total") == 1e20);
  CHECK(samples.at("copyspec_spec_decode_num_drafts_total") == 6);
  CHECK(samples.at("copyspec_spec_decode_num_draft_tokens_total{source=\"context\"}") == 8);
  CHECK(samples.at("copyspec_spec_decode_num_accepted_tokens_total{source=\"context\"}") == 7);
  CHECK(samples.at("copyspec_spec_decode_num_accepted_tokens_total{source=\"history\"}") == 0);
  CHECK(samples.at("copyspec_spec_decode_num_accepted_tokens_per_pos_total{position=\"0\"}") == 9);
  CHECK(samples.at("copyspec_spec_decode_num_accepted_tokens_per_pos_total{position=\"47\"}") == 1);
  CHECK(samples.at("copyspec_requests_running") == 10);
  CHECK(samples.at("copyspec_requests_waiting") == 11);
  CHECK(samples.at("copyspec_cache_tokens") == 12);
  CHECK(samples.at("copyspec_resident_memory_bytes") > 1e6);
  // Each number that is counted is on the page.
  Counters const nothing;
  std::map<std::string, double> const empty = read_page(prometheus_text(nothing)).samples;
  for (auto const& sample : empty)
    if (sample.first != "copyspec_resident_memory_bytes") CHECK_MESSAGE(sample.second == 0, sample.first);
}

TEST_CASE("threads may count at the same time") {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 1000; ++round)
        metrics.update([](Counters& counters) {
          ++counters.answers;
          ++counters.requests[{"x", 200}];
        });
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(metrics.read().answers == 4000);
  CHECK(metrics.read().requests[{"x", 200}] == 4000);
}
