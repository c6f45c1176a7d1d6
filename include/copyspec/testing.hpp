// SPDX-License-Identifier: MIT
#pragma once

/// The test kit: checks the laws of a model, times its passes, compares their bits, compares a decoder with greedy
/// decoding, and provides a toy model.

#include "testing/bitwise.hpp"
#include "testing/compare_with_greedy.hpp"
#include "testing/model_laws.hpp"
#include "testing/pass_curve.hpp"
#include "testing/toy_model.hpp"
