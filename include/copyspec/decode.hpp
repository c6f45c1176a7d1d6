// SPDX-License-Identifier: MIT
#pragma once

/// The decoding loop: for one sequence or many, over any model.

#include "decode/batch.hpp"
#include "decode/batch_sequences.hpp"
#include "decode/composer.hpp"
#include "decode/engine_limits.hpp"
#include "decode/generate_options.hpp"
#include "decode/output_delta.hpp"
#include "decode/pass_plan.hpp"
#include "decode/pass_times.hpp"
#include "decode/sequence.hpp"
#include "decode/sequence_counters.hpp"
#include "decode/sequence_status.hpp"
#include "decode/source_counters.hpp"
#include "decode/stop.hpp"
#include "decode/text_stream.hpp"
