// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>

#include "request.hpp"

namespace copyspec_server {

/// The chat template of a model, which is a program in Jinja, run by llama.cpp's engine for it. Threads: any number of
/// calls.
class ChatTemplate {
 public:
  /// `begin` and `end` are the names of the tokens that begin and end a text, which templates may use; empty if there
  /// are none. Throws an exception if `source` is no program, or does not show what a user says.
  ChatTemplate(std::string const& source, std::string begin, std::string end);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// The text of `messages` and what begins an answer. The roles are system, user and assistant. What a template
  /// without a system role is to be told goes in front of what the user says first. Throws `ApiError` with the
  /// template's own words if it refuses these messages.
  [[nodiscard]] std::string text(std::span<Message const> messages) const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

}  // namespace copyspec_server
