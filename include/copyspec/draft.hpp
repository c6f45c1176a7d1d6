// SPDX-License-Identifier: MIT
#pragma once

/// Proposers of drafts: the concepts, and how to combine several.

// First, so that a compiler which names a hook of a proposer does so in its first lines.
#include "draft/proposer_traits.hpp"

#include "draft/best_draft.hpp"
#include "draft/draft_scope.hpp"
#include "draft/first_draft.hpp"
#include "draft/offering_proposer.hpp"
#include "draft/proposer.hpp"
#include "draft/share_rows.hpp"
#include "draft/tree_proposer.hpp"
