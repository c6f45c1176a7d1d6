// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

#include "conversation.hpp"
#include "decode.hpp"
#include "results.hpp"

namespace copyspec_llama {

/// Where the answers of a repetition first differ, if they do. The logits are not filled in.
[[nodiscard]] std::optional<Difference> find_difference(Repetition const& repetition, std::size_t index);

/// Fills the logits of `difference`, which was found in `repetition`, in, by decoding the conversation once more in
/// both ways, pass by pass as before.
void measure_margins(Difference& difference, Repetition const& repetition, Decoder const& decoder,
                     Conversation const& conversation);

}  // namespace copyspec_llama
