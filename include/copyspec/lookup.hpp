// SPDX-License-Identifier: MIT
#pragma once

/// Prompt lookup by the published rule of CopySpec, and its index.

#include "lookup/copy_proposer.hpp"
#include "lookup/ngram_index.hpp"
#include "lookup/rolling_hash.hpp"
