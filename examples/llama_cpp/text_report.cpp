// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "copyspec/format.hpp"
#include "loop_share.hpp"
#include "report.hpp"
#include "statistics.hpp"

namespace copyspec_llama {
namespace {

using Row = std::vector<std::string>;

// The first column to the left, the others to the right, each as wide as its longest cell. A row without cells is a
// rule; one of a single cell is a title.
std::string table(std::span<Row const> rows) {
  std::vector<std::size_t> widths(rows.front().size());
  std::size_t width = 0;
  for (std::size_t column = 0; column < widths.size(); ++column) {
    for (Row const& row : rows)
      if (row.size() > 1) widths[column] = std::max(widths[column], row[column].size());
    width += widths[column] + (column == 0 ? 0 : 2);
  }
  std::string text;
  auto const out = std::back_inserter(text);
  for (Row const& row : rows) {
    if (row.empty()) {
      fmt::format_to(out, "{:->{}}\n", "", width);
      continue;
    }
    fmt::format_to(out, "{:<{}}", row[0], row.size() > 1 ? widths[0] : 0);
    for (std::size_t column = 1; column < row.size(); ++column)
      fmt::format_to(out, "  {:>{}}", row[column], widths[column]);
    text += '\n';
  }
  return text;
}

std::string times(double quotient) {
  return fmt::format("{:.2f}x", quotient);
}

// With a draft model, the columns of its ways stand behind that of the published rule.
Row header(bool with_draft_model) {
  Row row{"prompt", "tokens", "in loops", "plain t/s", "copying t/s", "speed-up", "published"};
  if (with_draft_model) row.insert(row.end(), {"draft model", "published+draft", "copying+draft"});
  row.insert(row.end(), {"tokens/pass", "drafted", "accepted", "outside", "output"});
  return row;
}

Row row(std::string name, std::string tokens, std::string loops, std::optional<Figures> const& figures,
        bool with_draft_model, std::string output) {
  Row row{std::move(name), std::move(tokens), std::move(loops)};
  if (figures) {
    ByWay<WayFigures> const& of = figures->ways;
    WayFigures const& copying = of[Way::copying];
    row.insert(row.end(), {fmt::format("{:.1f}", of[Way::plain].rate), fmt::format("{:.1f}", copying.rate),
                           times(copying.speed_up()), times(of[Way::published].speed_up())});
    if (with_draft_model)
      for (Way const way : {Way::draft_model, Way::published_draft_model, Way::copying_draft_model})
        row.push_back(times(of[way].speed_up()));
    row.insert(row.end(), {fmt::format("{:.2f}", copying.tokens_per_pass()), fmt::format("{}", copying.drafted),
                           fmt::format("{}", copying.accepted), fmt::format("{:.2f}%", 100 * copying.outside)});
  }
  row.resize(header(with_draft_model).size() - 1, "-");
  row.push_back(std::move(output));
  return row;
}

bool has_draft_model(ConversationResult const& result) {
  return result.repetitions.front().size() > static_cast<std::size_t>(Way::draft_model);
}

Row row(ConversationResult const& result) {
  std::vector<std::string> tokens;
  std::vector<std::string> loops;
  for (TurnResult const& turn : result.repetitions.front()[Way::copying].turns) {
    tokens.push_back(fmt::format("{}{}", turn.tokens.size(), turn.complete() ? "" : "*"));
    loops.push_back(fmt::format("{:.0f}%", 100 * loop_share(turn.tokens)));
  }
  return row(result.conversation.name, fmt::format("{}", fmt::join(tokens, ", ")),
             fmt::format("{}", fmt::join(loops, ", ")), figures(std::array{ResultRef(result)}), has_draft_model(result),
             result.difference ? "differs" : "identical");
}

Row row(Summary const& summary, bool with_draft_model) {
  std::size_t const members = summary.counted.size() + summary.left_out.size();
  std::string const name = summary.left_out.empty()
                               ? fmt::format("{} ({})", summary.name, members)
                               : fmt::format("{} ({} of {})", summary.name, summary.counted.size(), members);
  auto const identical =
      std::ranges::count_if(summary.counted, [](ConversationResult const& result) { return !result.difference; });
  std::optional<Figures> const of_all = figures(summary.counted);
  return row(name, of_all ? fmt::format("{}", of_all->ways[Way::copying].tokens) : "-", "", of_all, with_draft_model,
             fmt::format("{} of {} identical", identical, summary.counted.size()));
}

std::string say(Difference const& difference, std::string_view name, Vocabulary const& vocabulary,
                copyspec::SamplingOptions const& sampling) {
  auto const token = [&](copyspec::Token id) { return fmt::format("{:?} ({})", vocabulary.name(id), id); };
  auto const scores = [](Difference::Scores const& of) {
    return fmt::format("{:.5f} and {:.5f}, a margin of {:.2g}", of.plain, of.copy, std::abs(of.plain - of.copy));
  };
  return fmt::format(
      "{}: {} differs in turn {} from token {} on: plain says {}, copying {}. Their {} are {} in the plain pass, "
      "and {} in the drafted one. What follows has another context and is not compared.\n",
      name, copyspec_llama::name(difference.way).text, difference.turn + 1, difference.position + 1,
      token(difference.plain), token(difference.copy),
      sampling.temperature == 0 ? "logits" : "sums of logit / temperature and noise", scores(difference.in_plain_pass),
      scores(difference.in_copy_pass));
}

// The curve that drafts were cut by, at row counts that passes were seen of.
std::string say(copyspec::PassCost const& cost) {
  std::vector<std::string> points;
  for (std::size_t rows = 2; rows <= copyspec::PassCost::most_rows; ++rows)
    if (cost.observed(rows) > 0) points.push_back(fmt::format("{} x {:.2f}", rows, cost(rows)));
  return fmt::format("Learnt: a pass of one row takes {:.1f} ms; of more rows, times as long: {}.\n",
                     1000 * cost.seconds(1), points.empty() ? "none seen" : fmt::format("{}", fmt::join(points, ", ")));
}

// What was known of it before.
std::string remembered(copyspec::PassCost const& cost) {
  if (cost.seconds(1) == 0) return "";
  return fmt::format("Remembered: passes of {} row counts, one row {:.1f} ms.\n", cost.levels().size(),
                     1000 * cost.seconds(1));
}

// What the drafts of the library's default saved and cost, and in which turn they lost most.
std::string accounts(std::span<ConversationResult const> results) {
  double all = 0;
  double least = 0;
  std::string where;
  for (ConversationResult const& result : results)
    for (Repetition const& repetition : result.repetitions)
      for (std::size_t turn = 0; turn < repetition[Way::copying].turns.size(); ++turn) {
        double const account = repetition[Way::copying].turns[turn].account;
        all += account;
        if (account >= least) continue;
        least = account;
        where = fmt::format("{}, turn {}", result.conversation.name, turn + 1);
      }
  return fmt::format(
      "Account: copying saved {:.1f} passes more than its drafts cost. {}\n", all,
      where.empty() ? "No turn lost any." : fmt::format("The turn that lost most, {}, lost {:.1f}.", where, -least));
}

// What each way did, where there are many.
std::string by_way(std::span<Summary const> summaries) {
  std::vector<Row> rows{{"way", "t/s", "speed-up", "over copying", "tokens/pass", "drafted", "accepted",
                         "of the context", "of the draft model", "outside"}};
  for (Summary const& summary : summaries) {
    std::optional<Figures> const of_all = figures(summary.counted);
    if (!of_all) continue;
    rows.emplace_back();
    rows.push_back({fmt::format("{} ({})", summary.name, summary.counted.size())});
    for (Way const way : of_all->ways.ways()) {
      WayFigures const& of = of_all->ways[way];
      auto const from = [&](copyspec::Source source) {
        auto const& [drafted, accepted] = of.by_source[source];
        return fmt::format("{} of {}", accepted, drafted);
      };
      rows.push_back({std::string(name(way).text), fmt::format("{:.1f}", of.rate), times(of.speed_up()),
                      times(of.over[Way::copying]), fmt::format("{:.2f}", of.tokens_per_pass()),
                      fmt::format("{}", of.drafted), fmt::format("{}", of.accepted), from(copyspec::Source::context),
                      from(copyspec::Source::draft_model), fmt::format("{:.2f}%", 100 * of.outside)});
    }
  }
  return table(rows);
}

std::string say_of_draft_model(Setup const& setup, std::span<Summary const> summaries) {
  std::string text = fmt::format("\n{}\nThe draft model: {}, {}.", by_way(summaries),
                                 setup.draft_file.filename().string(), setup.draft_model);
  text +=
      " It drafts five tokens a pass where it is alone or behind the published rule,\nwhich is asked first. What it "
      "takes to read prompts is in these times. of the context, of the draft model: accepted of\nwhat was drafted "
      "from there.\n";
  LearntCosts const& costs = setup.costs;
  if (costs.draft_model.seconds(1) == 0) return text + "Copying with the draft model has never asked it.\n";
  return text + "With the draft model. " + say(costs.copying_draft_model) + "Of the draft model. " +
         say(costs.draft_model) +
         fmt::format("One token of the draft model costs {:.2f} of a pass of one row.\n", costs.draft_cost);
}

// What was copied from each text that anything was.
std::string say(copyspec::SourceCounters const& counters) {
  std::vector<std::string> parts;
  for (copyspec::Source const source : copyspec::draft_sources)
    if (counters[source].drafted > 0)
      parts.push_back(fmt::format("{} {} of {}", source, counters[source].accepted, counters[source].drafted));
  return parts.empty() ? "" : fmt::format("Accepted of what was drafted, by source: {}.\n", fmt::join(parts, ", "));
}

// A line for each token of the answers, as copying gave them first.
std::string logprobs(ConversationResult const& result, Vocabulary const& vocabulary) {
  std::string text;
  auto const out = std::back_inserter(text);
  std::vector<TurnResult> const& turns = result.repetitions.front()[Way::copying].turns;
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    for (std::size_t i = 0; i < turns[turn].logprobs.size(); ++i) {
      if (i == 0) fmt::format_to(out, "\nLog-probabilities of {}, turn {}:\n", result.conversation.name, turn + 1);
      std::vector<std::string> parts;
      for (auto const& [token, logprob] : turns[turn].logprobs[i])
        parts.push_back(fmt::format("{:8.3f} {:?}", logprob, vocabulary.name(token)));
      fmt::format_to(out, "{}{}{}\n", parts.front(), parts.size() > 1 ? "  likeliest:" : "",
                     fmt::join(parts.begin() + 1, parts.end(), ""));
    }
  }
  return text;
}

// Why a copy-heavy conversation does not count.
std::string cut_turns(ConversationResult const& result) {
  std::vector<std::size_t> cut;
  std::vector<TurnResult> const& turns = result.repetitions.front()[Way::copying].turns;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (!turns[i].complete()) cut.push_back(i + 1);
  }
  return fmt::format("{} (turn{} {})", result.conversation.name, cut.size() > 1 ? "s" : "", fmt::join(cut, " and "));
}

}  // namespace

std::string text_report(Setup const& setup, std::span<ConversationResult const> results, Vocabulary const& vocabulary) {
  bool const with_draft_model = !setup.draft_model.empty();
  std::vector<Row> rows{header(with_draft_model)};
  for (ConversationResult const& result : results) rows.push_back(row(result));
  std::vector<Summary> const summarised = summaries(results);
  rows.emplace_back();
  for (Summary const& summary : summarised) rows.push_back(row(summary, with_draft_model));

  std::string text = table(rows);
  auto const out = std::back_inserter(text);
  text +=
      "\nt/s: tokens a second from the last token of the prompt to the end of the answer. outside: share of that time "
      "with copying\nthat is not spent in forward passes. in loops: share of an answer in which up to 40 tokens are "
      "said three times or more in a row.\n";
  text +=
      "published: the speed-up of the CopySpec paper's rule, three tokens matched and ten drafted, on the same "
      "prompts.\n";
  text += remembered(setup.remembered);
  text += say(setup.costs.copying);
  text += accounts(results);
  if (std::optional<Figures> const all = figures(summarised.back().counted))
    text += say(all->ways[Way::copying].by_source);
  if (with_draft_model) text += say_of_draft_model(setup, summarised);
  if (setup.repetitions > 1) fmt::format_to(out, "Medians of {} repetitions.\n", setup.repetitions);
  if (!std::ranges::all_of(results, &ConversationResult::complete))
    text += "*: the model did not end this answer, it was cut short.\n";
  for (Summary const& summary : summarised) {
    std::vector<std::string> names;
    std::ranges::transform(summary.left_out, std::back_inserter(names), cut_turns);
    if (!names.empty())
      fmt::format_to(out, "Not counted as {}, because an answer was cut short: {}.\n", summary.name,
                     fmt::join(names, ", "));
  }
  if (std::optional<Figures> const all = figures(summarised.back().counted))
    fmt::format_to(out,
                   "Reading {} tokens of prompts took {:.1f} s plainly and {:.1f} s with copying, not counted above.\n",
                   all->prompt_tokens, all->ways[Way::plain].prefill, all->ways[Way::copying].prefill);
  for (ConversationResult const& result : results) {
    for (std::size_t i = 0; i < result.repetitions.size(); ++i) {
      if (collapsed(result, i))
        fmt::format_to(out, "{}: repetition {} took several times as long as the best one and is not counted.\n",
                       result.conversation.name, i + 1);
    }
    if (result.difference) text += say(*result.difference, result.conversation.name, vocabulary, setup.sampling);
  }
  for (ConversationResult const& result : results) text += logprobs(result, vocabulary);
  return text;
}

}  // namespace copyspec_llama
