// SPDX-License-Identifier: MIT
#pragma once

/// The test kit: laws of a model, a decoder against greedy decoding, a toy model.

#include "testing/compare_with_greedy.hpp"
#include "testing/model_laws.hpp"
#include "testing/toy_model.hpp"
