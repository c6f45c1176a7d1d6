// SPDX-License-Identifier: MIT
#pragma once

/// The default proposer, and histories that requests share. `mix/history_file.hpp`, which needs POSIX, is included by name.

#include "mix/histories.hpp"
#include "mix/history.hpp"
#include "mix/mixing_proposer.hpp"
