// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "conversation.hpp"
#include "copyspec/decode/sequence.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// Shows one run of a conversation while it is decoded: how far it is and, if asked, what is said.
class RunDisplay {
 public:
  enum class Text : bool { hidden, streamed };

  /// `stage` says what is being done. All references are borrowed.
  RunDisplay(Progress& progress, Vocabulary const& vocabulary, Conversation const& conversation, std::string stage,
             Text text);

  /// To be called when turn `turn` begins, and after each pass.
  void operator()(std::size_t turn, copyspec::Sequence const& sequence);

 private:
  void begin_turn(std::size_t turn);
  void stream(copyspec::Sequence const& sequence);

  Progress* progress_;
  Vocabulary const* vocabulary_;
  Conversation const* conversation_;
  std::string stage_;
  Text text_;
  TextStream stream_;
  std::size_t turns_ = 0;  // begun
  std::size_t shown_ = 0;  // tokens of this turn
};

}  // namespace copyspec_llama
