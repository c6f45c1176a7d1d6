// SPDX-License-Identifier: MIT
#pragma once

/// What an engine offers: concepts with their laws, rows of logits, the shape of token trees.

#include "model/device_logits.hpp"
#include "model/device_model.hpp"
#include "model/engine.hpp"
#include "model/logits.hpp"
#include "model/model.hpp"
#include "model/tree_model.hpp"
#include "model/tree_shape.hpp"
