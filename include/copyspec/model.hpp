// SPDX-License-Identifier: MIT
#pragma once

/// Engine interface: model concepts and their laws, views of logits rows, and the shape of token trees.

#include "model/device_logits.hpp"
#include "model/device_model.hpp"
#include "model/engine.hpp"
#include "model/forking_model.hpp"
#include "model/logits.hpp"
#include "model/model.hpp"
#include "model/shifting_model.hpp"
#include "model/tree_model.hpp"
#include "model/tree_shape.hpp"
