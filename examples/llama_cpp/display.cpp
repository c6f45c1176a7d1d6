// SPDX-License-Identifier: MIT
#include "display.hpp"

#include <fmt/format.h>

#include <utility>

namespace copyspec_llama {

RunDisplay::RunDisplay(Progress& progress, Vocabulary const& vocabulary, Conversation const& conversation,
                       std::string stage, Text text)
    : progress_(&progress),
      vocabulary_(&vocabulary),
      conversation_(&conversation),
      stage_(std::move(stage)),
      text_(text) {
  progress_->begin(stage_);
}

void RunDisplay::operator()(std::size_t turn, copyspec::Sequence const& sequence) {
  if (turn == turns_) begin_turn(turn);
  if (sequence.generated().empty())
    progress_->update(
        fmt::format("turn {}, reading the prompt, {} of {} tokens", turn + 1, sequence.cached(), sequence.length()));
  else if (text_ == Text::hidden)
    progress_->update(fmt::format("turn {}, {} tokens", turn + 1, sequence.generated().size()));
  else
    stream(sequence);
}

void RunDisplay::begin_turn(std::size_t turn) {
  ++turns_;
  shown_ = 0;
  if (text_ == Text::hidden) return;
  progress_->clear();
  fmt::print("\n[{}, turn {}] {}\n\n", conversation_->name, turn + 1, shortened(conversation_->turns[turn], 100));
}

void RunDisplay::stream(copyspec::Sequence const& sequence) {
  progress_->clear();
  for (; shown_ < sequence.released().size(); ++shown_)
    stream_.write(vocabulary_->text(sequence.released()[shown_]), sequence.sources()[shown_]);
  if (!sequence.running()) stream_.end();
}

}  // namespace copyspec_llama
