// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <optional>

#include "copyspec/format.hpp"
#include "loop_share.hpp"
#include "report.hpp"
#include "statistics.hpp"

namespace copyspec_llama {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t shown_rows = 16;

// By rows from one on, relative to one row; with how many passes the curve goes by.
Json to_json(copyspec::PassCost const& cost) {
  Json curve = Json::array();
  for (std::size_t rows = 1; rows <= shown_rows; ++rows)
    curve.push_back({{"rows", rows}, {"relative", cost(rows)}, {"observed", cost.observed(rows)}});
  return {{"one_row_seconds", cost.seconds(1)}, {"curve", curve}};
}

Json to_json(copyspec::SamplingOptions const& sampling, std::uint64_t seed) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"seed", seed}};
}

Json to_json(Setup const& setup) {
  Json json{{"file", setup.file.string()},
            {"model", setup.model},
            {"threads", setup.threads},
            {"context", setup.context},
            {"batch", setup.batch},
            {"cache", setup.cache},
            {"bitwise", setup.bitwise},
            {"max_tokens", setup.max_tokens},
            {"sampling", to_json(setup.sampling, setup.seed)},
            {"grammar", setup.grammar},
            {"repetitions", setup.repetitions},
            {"pass_cost", to_json(setup.costs.copying)},
            {"pass_cost_before", to_json(setup.remembered)}};
  if (setup.draft_model.empty()) return json;
  json["draft_model"] = {{"file", setup.draft_file.string()},
                         {"model", setup.draft_model},
                         {"pass_cost", to_json(setup.costs.draft_model)},
                         {"draft_cost", setup.costs.draft_cost},
                         {"copying_pass_cost", to_json(setup.costs.copying_draft_model)}};
  return json;
}

// By the name of each source that a draft can have.
Json to_json(copyspec::SourceCounters const& counters) {
  Json json;
  for (copyspec::Source const source : copyspec::draft_sources)
    json[copyspec::name_of(source)] = {{"drafted", counters[source].drafted}, {"accepted", counters[source].accepted}};
  return json;
}

// By the key of each way, with a draft model.
Json to_json(ByWay<WayFigures> const& figures) {
  Json json;
  for (Way const way : figures.ways()) {
    WayFigures const& of = figures[way];
    Json over;
    for (Way const other : figures.ways()) over[name(other).key] = of.over[other];
    json[name(way).key] = {{"tokens_per_second", of.rate},
                           {"over", over},
                           {"tokens_per_pass", of.tokens_per_pass()},
                           {"tokens", of.tokens},
                           {"passes", of.passes},
                           {"drafted", of.drafted},
                           {"accepted", of.accepted},
                           {"by_source", to_json(of.by_source)},
                           {"outside_share", of.outside},
                           {"prefill_seconds", of.prefill}};
  }
  return json;
}

Json to_json(std::optional<Figures> const& figures) {
  if (!figures) return nullptr;
  WayFigures const& plain = figures->ways[Way::plain];
  WayFigures const& published = figures->ways[Way::published];
  WayFigures const& copying = figures->ways[Way::copying];
  Json json{{"repetitions_counted", figures->repetitions},
            {"plain_tokens_per_second", plain.rate},
            {"published_tokens_per_second", published.rate},
            {"copy_tokens_per_second", copying.rate},
            {"speed_up", copying.speed_up()},
            {"published_speed_up", published.speed_up()},
            {"over_published", copying.over[Way::published]},
            {"tokens_per_pass", copying.tokens_per_pass()},
            {"tokens", copying.tokens},
            {"passes", copying.passes},
            {"drafted", copying.drafted},
            {"accepted", copying.accepted},
            {"by_source", to_json(copying.by_source)},
            {"outside_share", copying.outside},
            {"prompt_tokens", figures->prompt_tokens},
            {"plain_prefill_seconds", plain.prefill},
            {"copy_prefill_seconds", copying.prefill}};
  if (figures->ways.size() > static_cast<std::size_t>(Way::draft_model)) json["ways"] = to_json(figures->ways);
  return json;
}

Json to_json(Run const& run) {
  Json turns = Json::array();
  for (TurnResult const& turn : run.turns)
    turns.push_back({{"prompt_tokens", turn.prompt_tokens},
                     {"tokens", turn.tokens.size()},
                     {"end", copyspec::name_of(turn.status)},
                     {"passes", turn.passes},
                     {"drafted", turn.drafted},
                     {"accepted", turn.accepted},
                     {"by_source", to_json(turn.by_source)},
                     {"account", turn.account},
                     {"prefill_seconds", turn.prefill},
                     {"generation_seconds", turn.generation},
                     {"forward_seconds", turn.forward}});
  return turns;
}

Json to_json(Difference const& difference, Vocabulary const& vocabulary) {
  auto const token = [&](copyspec::Token id) { return Json{{"id", id}, {"text", vocabulary.name(id)}}; };
  auto const scores = [](Difference::Scores const& of) { return Json{{"plain", of.plain}, {"copy", of.copy}}; };
  return {{"way", name(difference.way).text},
          {"repetition", difference.repetition + 1},
          {"turn", difference.turn + 1},
          {"token", difference.position + 1},
          {"plain", token(difference.plain)},
          {"copy", token(difference.copy)},
          {"scores_in_plain_pass", scores(difference.in_plain_pass)},
          {"scores_in_copy_pass", scores(difference.in_copy_pass)}};
}

// The token itself, then the likeliest.
Json to_json(std::vector<copyspec::TokenLogprob> const& logprobs, Vocabulary const& vocabulary) {
  Json json = Json::array();
  for (auto const& [token, logprob] : logprobs)
    json.push_back({{"id", token}, {"text", vocabulary.name(token)}, {"logprob", logprob}});
  return json;
}

Json to_json(ConversationResult const& result, Vocabulary const& vocabulary) {
  Json answers = Json::array();
  for (TurnResult const& turn : result.repetitions.front()[Way::copying].turns) {
    std::string text;
    for (copyspec::Token const token : turn.tokens) text += vocabulary.text(token);
    answers.push_back({{"text", text}, {"loop_share", loop_share(turn.tokens)}, {"complete", turn.complete()}});
    for (std::vector<copyspec::TokenLogprob> const& token : turn.logprobs)
      answers.back()["logprobs"].push_back(to_json(token, vocabulary));
  }
  Json repetitions = Json::array();
  for (std::size_t i = 0; i < result.repetitions.size(); ++i) {
    repetitions.push_back({{"collapsed", collapsed(result, i)}});
    for (Way const way : result.repetitions[i].ways())
      repetitions.back()[name(way).key] = to_json(result.repetitions[i][way]);
  }
  return {{"name", result.conversation.name},
          {"group", name(result.conversation.group)},
          {"prompts", result.conversation.turns},
          {"answers", answers},
          {"figures", to_json(figures(std::array{ResultRef(result)}))},
          {"identical", !result.difference},
          {"difference", result.difference ? to_json(*result.difference, vocabulary) : Json()},
          {"repetitions", repetitions}};
}

Json names(std::span<ResultRef const> results) {
  Json names = Json::array();
  for (ConversationResult const& result : results) names.push_back(result.conversation.name);
  return names;
}

}  // namespace

std::string json_report(Setup const& setup, std::span<ConversationResult const> results, Vocabulary const& vocabulary) {
  Json report{{"setup", to_json(setup)}, {"conversations", Json::array()}, {"summaries", Json::array()}};
  for (ConversationResult const& result : results) report["conversations"].push_back(to_json(result, vocabulary));
  for (Summary const& summary : summaries(results))
    report["summaries"].push_back({{"name", summary.name},
                                   {"counted", names(summary.counted)},
                                   {"left_out", names(summary.left_out)},
                                   {"figures", to_json(figures(summary.counted))}});
  // A model may have said, and been given, what is not UTF-8.
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace copyspec_llama
