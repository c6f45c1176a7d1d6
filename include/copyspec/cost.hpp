// SPDX-License-Identifier: MIT
#pragma once

/// What a pass of n rows costs, and how long a draft should be. `cost/pass_cost_file.hpp` needs POSIX and must be
/// included by name.

#include "cost/draft_length.hpp"
#include "cost/pass_cost.hpp"
#include "cost/pass_level.hpp"
#include "cost/pass_report.hpp"
