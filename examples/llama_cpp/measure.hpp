// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "conversation.hpp"
#include "copyspec/copy_proposer.hpp"
#include "decode.hpp"
#include "results.hpp"
#include "terminal.hpp"
#include "vocabulary.hpp"

namespace copyspec_llama {

/// Decodes each conversation plainly and with copying, one right after the other, as many times as asked. Which of the
/// two comes first alternates from one repetition to the next, so that what the machine does meanwhile falls on both.
/// Shows what copying says in the first repetition.
[[nodiscard]] std::vector<ConversationResult> measure(Decoder const& decoder, Vocabulary const& vocabulary,
                                                      std::span<Conversation const> conversations,
                                                      copyspec::CopyOptions const& options, std::size_t repetitions,
                                                      Progress& progress);

}  // namespace copyspec_llama
