// SPDX-License-Identifier: MIT
#pragma once

#include "core/assert.hpp"
#include "core/error.hpp"
#include "core/token.hpp"
#include "core/version.hpp"
#include "cost.hpp"
#include "decode.hpp"
#include "draft.hpp"
#include "draft_model.hpp"
#include "lookup.hpp"
#include "mix.hpp"
#include "model.hpp"
#include "verify.hpp"
