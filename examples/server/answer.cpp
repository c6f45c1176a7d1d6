// SPDX-License-Identifier: MIT
#include "answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <copyspec/format.hpp>
#include <random>
#include <utility>

namespace copyspec_server {

using copyspec::Source;
using copyspec::Token;

namespace {

constexpr std::string_view call_begin = "<tool_call>";
constexpr std::string_view call_end = "</tool_call>";

// How many of the last bytes of `text` may be the beginning of `word`.
std::size_t open_bytes(std::string_view text, std::string_view word) {
  for (std::size_t count = std::min(text.size(), word.size() - 1); count > 0; --count)
    if (text.ends_with(word.substr(0, count))) return count;
  return 0;
}

// Of the last character of `text`, if it is not complete.
std::size_t open_character(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(text.size(), 3); ++back) {
    auto const byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80U) continue;
    std::size_t const length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

bool is_white(std::string_view text) {
  return text.find_first_not_of(" \n") == std::string_view::npos;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
}

std::string random_call_id() {
  std::random_device device;
  return fmt::format("call_{:08x}{:08x}{:08x}", device(), device(), device());
}

// JSON has no infinity; this is what OpenAI sends for it.
double finite(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0;
}

Json bytes_of(std::string_view text) {
  Json bytes = Json::array();
  for (char const byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

Json to_json(ToolCall const& call) {
  return {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

}  // namespace

Answer::Answer(Request const& request, copyspec_llama::Vocabulary const& vocabulary, std::size_t index)
    : request_(&request), vocabulary_(&vocabulary), index_(index) {
  if (!request.logprobs) return;
  logprobs_ = request.chat ? Json{{"content", Json::array()}, {"refusal", nullptr}}
                           : Json{{"tokens", Json::array()},
                                  {"token_logprobs", Json::array()},
                                  {"top_logprobs", Json::array()},
                                  {"text_offset", Json::array()}};
}

// Calls are read once they are complete; until then, nothing of one is content.
void Answer::read_text(std::string_view text, bool ends) {
  unread_ += text;
  std::size_t held = 0;
  if (request_->tool_choice != ToolChoice::none) {
    while (read_call()) {
    }
    std::size_t const begin = unread_.find(call_begin);
    held = begin == std::string::npos ? open_bytes(unread_, call_begin) : unread_.size() - begin;
    if (ends) held = 0;
    // White space alone waits, since a call may follow: there, and at the end after a call, it is not content.
    if (!spoke_ && is_white(std::string_view(unread_).substr(0, unread_.size() - held))) {
      if (!ends) return;
      if (!calls_.empty()) unread_.clear();
    }
  }
  say(unread_.substr(0, unread_.size() - held));
  unread_.erase(0, unread_.size() - held);
}

void Answer::say(std::string const& text) {
  spoke_ = spoke_ || !text.empty();
  new_content_ += text;
  content_ += text;
}

// The first complete call in what is unread. What stands before it is content.
bool Answer::read_call() {
  std::size_t const begin = unread_.find(call_begin);
  if (begin == std::string::npos) return false;
  std::string_view const after = std::string_view(unread_).substr(begin + call_begin.size());
  // What ends a call may also stand in a string of its arguments.
  for (std::size_t end = after.find(call_end); end != std::string_view::npos; end = after.find(call_end, end + 1)) {
    Json const call = parse_inner(after.substr(0, end)).value_or(Json());
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) continue;
    std::string const said = unread_.substr(0, begin);
    if (spoke_ || !is_white(said)) say(said);
    spoke_ = false;
    calls_.push_back({.id = random_call_id(),
                      .name = call["name"].get<std::string>(),
                      .arguments = to_text(call.value("arguments", Json::object()))});
    ++new_calls_;
    unread_.erase(0, begin + call_begin.size() + end + call_end.size());
    return true;
  }
  return false;
}

// Runs of tokens of one source, each a text of whole characters.
void Answer::read_sources(Event const& event) {
  auto const close = [&](std::size_t keep) {
    std::string const run = open_run_.substr(0, open_run_.size() - keep);
    open_run_.erase(0, run.size());
    if (!run.empty()) runs_.push_back({{"text", run}, {"source", fmt::format("{}", open_source_)}});
  };
  for (std::size_t i = 0; i < event.tokens.size(); ++i) {
    if (event.sources[i] != open_source_) {
      close(open_character(open_run_));
      open_source_ = event.sources[i];
    }
    open_run_ += vocabulary_->text(event.tokens[i]);
  }
  close(event.ending ? 0 : open_character(open_run_));
}

Json Answer::logprobs_of(Event const& event) {
  if (!request_->logprobs || event.logprobs.empty()) return nullptr;
  auto const name = [this](Token token) { return vocabulary_->name(token); };
  if (request_->chat) {
    Json content = Json::array();
    for (auto const& entries : event.logprobs) {
      auto const described = [&](copyspec::TokenLogprob const& entry) -> Json {
        std::string const text = name(entry.token);
        return {{"token", text}, {"logprob", finite(entry.logprob)}, {"bytes", bytes_of(text)}};
      };
      Json token = described(entries.front());
      token["top_logprobs"] = Json::array();
      for (std::size_t i = 1; i < entries.size(); ++i) token["top_logprobs"].push_back(described(entries[i]));
      content.push_back(std::move(token));
    }
    // What a stream has sent is not sent again.
    if (!request_->stream)
      for (Json const& token : content) logprobs_["content"].push_back(token);
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }
  Json added{{"tokens", Json::array()},
             {"token_logprobs", Json::array()},
             {"top_logprobs", Json::array()},
             {"text_offset", Json::array()}};
  for (auto const& entries : event.logprobs) {
    Json top = Json::object();
    for (std::size_t i = 1; i < entries.size(); ++i) top[name(entries[i].token)] = finite(entries[i].logprob);
    std::string const text = name(entries.front().token);
    added["tokens"].push_back(text);
    added["token_logprobs"].push_back(finite(entries.front().logprob));
    added["top_logprobs"].push_back(std::move(top));
    added["text_offset"].push_back(text_offset_);
    text_offset_ += characters(text);
  }
  if (!request_->stream)
    for (auto& [field, values] : added.items())
      for (Json const& value : values) logprobs_[field].push_back(value);
  return added;
}

std::string Answer::finish_reason() const {
  if (!calls_.empty() && ending_.status == copyspec::SequenceStatus::stopped) return "tool_calls";
  return ending_.status == copyspec::SequenceStatus::stopped ? "stop" : "length";
}

Json Answer::choice(Json delta, bool ends) const {
  Json const reason = ends ? Json(finish_reason()) : Json();
  if (request_->chat)
    return {{"index", index_}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", reason}};
  return {{"index", index_}, {"text", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", reason}};
}

Json Answer::take(Event const& event) {
  tokens_.insert(tokens_.end(), event.tokens.begin(), event.tokens.end());
  if (event.ending) ending_ = *event.ending;
  read_text(event.text, event.ending.has_value());
  Json logprobs = logprobs_of(event);
  if (request_->show_sources) read_sources(event);

  Json choices = Json::array();
  std::string const said = std::exchange(new_content_, {});
  auto const first_call = calls_.end() - static_cast<std::ptrdiff_t>(std::exchange(new_calls_, 0));
  if (!said.empty() || !logprobs.is_null() || !runs_.empty()) {
    choices.push_back(choice(request_->chat ? Json{{"content", said}} : Json(said), false));
    choices.back()["logprobs"] = std::move(logprobs);
    if (!runs_.empty()) choices.back()["sources"] = std::exchange(runs_, Json::array());
  }
  for (auto call = first_call; call != calls_.end(); ++call) {
    Json described = to_json(*call);
    described["index"] = call - calls_.begin();
    choices.push_back(choice({{"tool_calls", Json::array({std::move(described)})}}, false));
  }
  if (event.ending && ending_.error.empty())
    choices.push_back(choice(request_->chat ? Json::object() : Json(""), true));
  return choices;
}

Json Answer::role() const {
  return choice({{"role", "assistant"}, {"content", ""}}, false);
}

Json Answer::whole() const {
  if (!request_->chat)
    return {{"index", index_}, {"text", content_}, {"logprobs", logprobs_}, {"finish_reason", finish_reason()}};
  Json message{{"role", "assistant"}, {"content", content_}, {"refusal", nullptr}};
  if (!calls_.empty()) {
    if (content_.empty()) message["content"] = nullptr;
    message["tool_calls"] = Json::array();
    for (ToolCall const& call : calls_) message["tool_calls"].push_back(to_json(call));
  }
  Json choice{
      {"index", index_}, {"message", std::move(message)}, {"logprobs", logprobs_}, {"finish_reason", finish_reason()}};
  return choice;
}

}  // namespace copyspec_server
