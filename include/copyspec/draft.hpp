// SPDX-License-Identifier: MIT
#pragma once

/// Proposers of drafts: the concepts, and how to combine several.

#include "draft/best_draft.hpp"
#include "draft/first_draft.hpp"
#include "draft/proposer.hpp"
#include "draft/tree_proposer.hpp"
