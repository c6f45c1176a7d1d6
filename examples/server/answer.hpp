// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../llama_cpp/vocabulary.hpp"
#include "copyspec/core/token.hpp"
#include "json.hpp"
#include "request.hpp"
#include "work.hpp"

namespace copyspec_server {

/// One answer as it grows, in the shape of either endpoint. Threads: one call at a time.
class Answer {
 public:
  /// The request and the vocabulary are borrowed.
  Answer(Request const& request, copyspec_llama::Vocabulary const& vocabulary, std::size_t index);

  /// Takes an event in. Returns the choices that a stream sends for it, an array that may be empty.
  [[nodiscard]] Json take(Event const& event);

  /// The first choice of a stream of chat.
  [[nodiscard]] Json role() const;
  /// The choice as a whole.
  [[nodiscard]] Json whole() const;

  [[nodiscard]] std::vector<copyspec::Token> const& tokens() const noexcept { return tokens_; }
  [[nodiscard]] Ending const& ending() const noexcept { return ending_; }

 private:
  void read_text(std::string_view text, bool ends);
  [[nodiscard]] bool read_call();
  void say(std::string const& text);
  void read_sources(Event const& event);
  [[nodiscard]] Json choice(Json delta, bool ends) const;
  [[nodiscard]] Json logprobs_of(Event const& event);
  [[nodiscard]] std::string finish_reason() const;

  Request const* request_;
  copyspec_llama::Vocabulary const* vocabulary_;
  std::size_t index_;
  std::vector<copyspec::Token> tokens_;
  Ending ending_;

  std::string unread_;   // text that may be part of a call
  std::string content_;  // what was said, without calls
  std::string new_content_;
  bool spoke_ = false;  // since the newest call
  std::vector<ToolCall> calls_;
  std::size_t new_calls_ = 0;  // of these, not sent yet
  Json logprobs_;
  std::size_t text_offset_ = 0;  // of the next token

  std::string open_run_;  // the bytes of the newest run of tokens of one source
  copyspec::Source open_source_ = copyspec::Source::model;
  Json runs_ = Json::array();  // not sent yet
};

}  // namespace copyspec_server
