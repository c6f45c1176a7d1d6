// SPDX-License-Identifier: MIT
#include "metrics.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <copyspec/format.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

namespace copyspec_server {
namespace {

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(out(), "# HELP copyspec_{0} {1}\n# TYPE copyspec_{0} {2}\n", name, help, type);
  }
  template <class Number>
  void sample(std::string_view name, std::string_view labels, Number value) {
    fmt::format_to(out(), "copyspec_{}{} {}\n", name, labels, value);
  }
  template <class Number>
  void counter(std::string_view name, std::string_view help, Number value) {
    family(name, "counter", help);
    sample(name, "", value);
  }
  template <class Number>
  void gauge(std::string_view name, std::string_view help, Number value) {
    family(name, "gauge", help);
    sample(name, "", value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }
  std::string text_;
};

// Of the process, in bytes.
std::size_t resident_memory() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string prometheus_text(Counters const& counters) {
  Text text;
  text.family("requests_total", "counter", "Requests, by endpoint and HTTP status.");
  for (auto const& [kind, count] : counters.requests)
    text.sample("requests_total", fmt::format("{{endpoint=\"{}\",status=\"{}\"}}", kind.first, kind.second), count);
  text.counter("answers_total", "Answers that ended.", counters.answers);
  text.counter("prompt_tokens_total", "Tokens of prompts.", counters.prompt_tokens);
  text.counter("cached_prompt_tokens_total", "Tokens of prompts that the engine held already.",
               counters.cached_prompt_tokens);
  text.counter("generation_tokens_total", "Tokens of answers.", counters.generated_tokens);

  text.counter("passes_total", "Forward passes.", counters.passes);
  text.counter("failed_passes_total", "Forward passes that the engine refused.", counters.failed_passes);
  text.counter("pass_rows_total", "Rows of logits that passes computed.", counters.rows);
  text.counter("pass_tokens_total", "Tokens fed in passes.", counters.tokens_fed);
  text.counter("pass_seconds_total", "Time in forward passes.", counters.pass_seconds);
  text.counter("outside_pass_seconds_total", "Time between passes while answers were generated.",
               counters.outside_seconds);
  text.counter("preemptions_total", "Answers that made room for others, and went on later.", counters.preemptions);

  text.counter("spec_decode_num_drafts_total", "Drafts verified.", counters.drafts);
  auto const by_source = [&](std::string_view name, std::string_view help, auto member) {
    text.family(name, "counter", help);
    for (copyspec::Source const source : copyspec::draft_sources)
      text.sample(name, fmt::format("{{source=\"{}\"}}", source), counters.by_source[source].*member);
  };
  by_source("spec_decode_num_draft_tokens_total", "Tokens of drafts.", &copyspec::SourceCounters::Count::drafted);
  by_source("spec_decode_num_accepted_tokens_total", "Tokens of drafts that were accepted.",
            &copyspec::SourceCounters::Count::accepted);
  text.family("spec_decode_num_accepted_tokens_per_pos_total", "counter",
              "Tokens of drafts that were accepted, by their position in the draft.");
  for (std::size_t i = 0; i < counters.accepted_at.size(); ++i)
    text.sample("spec_decode_num_accepted_tokens_per_pos_total", fmt::format("{{position=\"{}\"}}", i),
                counters.accepted_at[i]);

  text.counter("queue_seconds_total", "Time that answers waited for their first pass.", counters.queue_seconds);
  text.counter("first_token_seconds_total", "Time from arrival to the first token, of all answers that had one.",
               counters.first_token_seconds);
  text.counter("first_tokens_total", "Answers that had a first token.", counters.first_tokens);
  text.gauge("requests_running", "Answers that are generated now.", counters.now.running);
  text.gauge("requests_waiting", "Prompts that wait.", counters.now.waiting);
  text.gauge("cache_tokens", "Tokens that the engine holds, shared ones once for each sequence.",
             counters.now.cache_tokens);
  text.gauge("resident_memory_bytes", "Memory of the process.", resident_memory());
  return text.take();
}

}  // namespace copyspec_server
