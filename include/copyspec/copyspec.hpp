// SPDX-License-Identifier: MIT
#pragma once

#include "core/assert.hpp"
#include "core/error.hpp"
#include "core/token.hpp"
#include "core/version.hpp"

#include "draft.hpp"
#include "verify.hpp"

#include "cost.hpp"
#include "decode.hpp"
#include "draft_model.hpp"
#include "lookup.hpp"
#include "mix.hpp"
#include "model.hpp"
