// SPDX-License-Identifier: MIT
#pragma once

/// A draft model beside copying.

#include "draft_model/model_proposer.hpp"
