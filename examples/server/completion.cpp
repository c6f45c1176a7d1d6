// SPDX-License-Identifier: MIT
#include "completion.hpp"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <limits>
#include <random>
#include <utility>

#include "copyspec/adapters/llama_cpp/grammar.hpp"
#include "copyspec/core/error.hpp"
#include "grammar_limits.hpp"
#include "hook_time.hpp"
#include "json_grammar.hpp"
#include "prediction.hpp"

namespace copyspec_server {

using copyspec::Token;

namespace {

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

std::string server_sent(std::string const& data) {
  return "data: " + data + "\n\n";
}

std::vector<Token> tokens_of(Prompt const& prompt, ChatPrompt const& format) {
  if (auto const* const text = std::get_if<std::string>(&prompt)) return format.tokens(*text);
  return std::get<std::vector<Token>>(prompt);
}

}  // namespace

Completion::Completion(Request request, ServedModel const& model, Tenant const& tenant, Clock::time_point deadline)
    : request_(std::move(request)),
      model_(&model),
      id_(fmt::format("{}-{:016x}{:016x}", request_.chat ? "chatcmpl" : "cmpl", random_number(), random_number())),
      created_(std::time(nullptr)),
      deadline_(deadline) {
  if (!request_.seed) request_.seed = static_cast<std::int64_t>(random_number() >> 1U);
  require_servable();
  make_work(tenant, deadline);
  std::size_t const answers = work_.size() * request_.n;
  for (std::size_t i = 0; i < answers; ++i) answers_.emplace_back(request_, model_->vocabulary, i);
  unfinished_ = answers;
}

void Completion::require_servable() const {
  auto const tokens = static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(&model_->engine.model())));
  for (auto const& [token, bias] : request_.logit_bias)
    if (static_cast<std::size_t>(token) >= tokens)
      throw ApiError::bad_request(fmt::format("logit_bias has token {}, of a vocabulary of {}", token, tokens),
                                  "logit_bias");
  for (Prompt const& prompt : request_.prompts)
    if (auto const* const list = std::get_if<std::vector<Token>>(&prompt))
      for (Token const token : *list)
        if (static_cast<std::size_t>(token) >= tokens)
          throw ApiError::bad_request(fmt::format("prompt has token {}, of a vocabulary of {}", token, tokens),
                                      "prompt");
  if (request_.n > model_->answers)
    throw ApiError::bad_request(fmt::format("n must be at most {} here", model_->answers), "n");
}

copyspec::RowHooksFactory Completion::hooks() const {
  llama_vocab const& vocabulary = *llama_model_get_vocab(&model_->engine.model());
  char const* param = request_.grammar ? "grammar" : request_.json_schema ? "response_format" : "tools";
  try {
    std::string grammar, after;
    if (request_.grammar) {
      grammar = *request_.grammar;
    } else if (request_.json_schema) {
      grammar = json_grammar(to_text(*request_.json_schema));
    } else if (request_.tool_choice != ToolChoice::none) {
      std::vector<std::pair<std::string, std::string>> tools;
      for (Tool const& tool : request_.tools) tools.emplace_back(tool.name, to_text(tool.parameters));
      grammar = tool_call_grammar(tools, request_.parallel_tool_calls);
      if (request_.tool_choice == ToolChoice::automatic) after = "<tool_call>";
    } else {
      return nullptr;
    }
    require_grammar_limits(grammar);
    // All other answers wait for each call.
    return within_time(copyspec::adapters::LlamaCppGrammar(vocabulary, grammar, "root", after).hooks(),
                       std::chrono::milliseconds(500));
  } catch (ApiError const&) {
    throw;
  } catch (std::exception const& error) {
    throw ApiError::bad_request(fmt::format("{}: {}", param, error.what()), param);
  }
}

copyspec::GenerateOptions Completion::options(std::vector<std::vector<Token>> references) const {
  copyspec::RowHooksFactory rules = hooks();
  copyspec::SamplingOptions sampling{.temperature = request_.temperature,
                                     .top_k = request_.top_k,
                                     .top_p = request_.top_p,
                                     .min_p = request_.min_p,
                                     .seed = static_cast<std::uint64_t>(*request_.seed),
                                     .penalties = {.frequency = request_.frequency_penalty,
                                                   .presence = request_.presence_penalty,
                                                   .window = copyspec::PenaltyOptions::all_tokens,
                                                   .scope = copyspec::PenaltyScope::generated},
                                     .logprobs = request_.logprobs,
                                     .hooks = std::move(rules)};
  for (auto const& [token, bias] : request_.logit_bias) sampling.logit_bias.push_back({.token = token, .bias = bias});
  return {.max_new_tokens = request_.max_tokens.value_or(std::numeric_limits<std::size_t>::max()),
          .min_new_tokens = request_.ignore_eos ? std::numeric_limits<std::size_t>::max() : request_.min_tokens,
          .stop = {.tokens = model_->vocabulary.ends()},
          .max_draft_length = request_.max_draft_tokens,
          .sampling = std::move(sampling),
          .references = std::move(references)};
}

void Completion::make_work(Tenant const& tenant, Clock::time_point deadline) {
  if (!request_.prediction.empty())
    prediction_ = model_->vocabulary.tokens(request_.prediction, false, copyspec_llama::ControlNames::text);
  if (prediction_.size() > model_->context_limit)
    throw ApiError::bad_request("the prediction is longer than any answer can be", "prediction");
  std::vector<std::vector<Token>> references;
  if (!prediction_.empty()) references.push_back(prediction_);
  copyspec::GenerateOptions options = this->options(std::move(references));
  options.scope = tenant.scope;
  std::vector<std::vector<Token>> prompts;
  if (request_.chat) {
    // Functions that must not be called are not described either.
    std::span<Tool const> const tools =
        request_.tool_choice == ToolChoice::none ? std::span<Tool const>() : std::span<Tool const>(request_.tools);
    prompts.push_back(model_->prompt.tokens(request_.messages, tools));
  } else {
    for (Prompt const& prompt : request_.prompts) prompts.push_back(tokens_of(prompt, model_->prompt));
  }
  for (std::vector<Token>& prompt : prompts) {
    if (prompt.empty()) throw ApiError::bad_request("the prompt is empty", request_.chat ? "messages" : "prompt");
    if (prompt.size() >= model_->context_limit)
      throw ApiError::bad_request(
          fmt::format("the prompt has {} tokens: with one of the answer, that is more than the {} there is room for",
                      prompt.size(), model_->context_limit),
          request_.chat ? "messages" : "prompt", "context_length_exceeded");
    prompt_tokens_ += prompt.size();
    work_.push_back({.prompt = std::move(prompt),
                     .options = options,
                     .stop = request_.stop,
                     .min_tokens = request_.min_tokens,
                     .answers = request_.n,
                     .first_answer = work_.size() * request_.n,
                     .tenant = tenant.name,
                     .deadline = deadline,
                     .channel = channel_});
  }
}

Json Completion::envelope(char const* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", request_.model},
          {"system_fingerprint", "copyspec"}};
}

std::string Completion::event(Json choices) const {
  Json body = envelope(request_.chat ? "chat.completion.chunk" : "text_completion");
  body["choices"] = std::move(choices);
  if (request_.include_usage) body["usage"] = nullptr;
  return server_sent(to_text(body));
}

std::string Completion::stream_begin() const {
  std::string text;
  if (request_.chat)
    for (Answer const& answer : answers_) text += event(Json::array({answer.role()}));
  return text;
}

std::string Completion::take(Event one) {
  Answer& answer = answers_[one.answer];
  std::string text;
  Json choices = answer.take(one);
  if (request_.stream)
    for (Json& choice : choices) text += event(Json::array({std::move(choice)}));
  if (!one.ending) return text;
  --unfinished_;
  accepted_prediction_ += prediction_overlap(prediction_, answer.tokens());
  std::string error = one.ending->error;
  int status = one.ending->error_status;
  if (error.empty() && one.ending->status == copyspec::SequenceStatus::invalid_row)
    error = "the model returned logits that are not numbers";
  if (error.empty() && one.ending->status == copyspec::SequenceStatus::all_excluded) {
    error = "the rules of this request allow no token here";
    status = 400;
  }
  if (error.empty() || failure_) return text;
  failure_.emplace(status, status < 500 ? "invalid_request_error" : "server_error", error);
  if (request_.stream) text += server_sent(failure_->body());
  return text;
}

std::string Completion::stream_end() const {
  std::string text;
  if (request_.include_usage && !failure_) {
    Json body = envelope(request_.chat ? "chat.completion.chunk" : "text_completion");
    body["choices"] = Json::array();
    body["usage"] = usage();
    text += server_sent(to_text(body));
  }
  return text + server_sent("[DONE]");
}

std::string Completion::body() const {
  Json body = envelope(request_.chat ? "chat.completion" : "text_completion");
  body["choices"] = Json::array();
  for (Answer const& answer : answers_) body["choices"].push_back(answer.whole());
  body["usage"] = usage();
  return to_text(body);
}

Json Completion::usage() const {
  std::size_t completion = 0, cached = 0;
  copyspec::SequenceCounters all;
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    completion += answers_[i].tokens().size();
    copyspec::SequenceCounters const& counters = answers_[i].ending().counters;
    all.draft_passes += counters.draft_passes;
    all.decode_passes += counters.decode_passes;
    all.drafted += counters.drafted;
    all.accepted += counters.accepted;
    // All answers to a prompt read it once.
    if (i % request_.n == 0) cached += answers_[i].ending().cached_tokens;
  }
  return {{"prompt_tokens", prompt_tokens_},
          {"completion_tokens", completion},
          {"total_tokens", prompt_tokens_ + completion},
          {"prompt_tokens_details", {{"cached_tokens", cached}}},
          {"completion_tokens_details",
           {{"accepted_prediction_tokens", accepted_prediction_},
            {"rejected_prediction_tokens", prediction_.size() * answers_.size() - accepted_prediction_}}},
          {"speculation",
           {{"passes", all.decode_passes},
            {"drafts", all.draft_passes},
            {"draft_tokens", all.drafted},
            {"accepted_tokens", all.accepted}}}};
}

}  // namespace copyspec_server
