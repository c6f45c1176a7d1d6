// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

#include "conversation.hpp"
#include "decode.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// Where `copy`, decoded in some way of copying, first differs from `plain`, if it does. Neither the way nor the logits
/// are filled in.
[[nodiscard]] std::optional<Difference> find_difference(Run const& plain, Run const& copy);

/// Fills the logits of `difference` in, by decoding the conversation once more plainly and with `drafts`, those of the
/// run it was found in, pass by pass as before.
void measure_margins(Difference& difference, RecordedDrafts const& drafts, Decoder const& decoder,
                     Conversation const& conversation);

}  // namespace copyspec_llama
