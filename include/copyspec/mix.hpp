// SPDX-License-Identifier: MIT
#pragma once

/// The default proposer, and histories shared between requests. `mix/history_file.hpp` needs POSIX and must be included
/// by name.

#include "mix/histories.hpp"
#include "mix/history.hpp"
#include "mix/mixing_options.hpp"
#include "mix/mixing_proposer.hpp"
#include "mix/mixing_scope.hpp"
