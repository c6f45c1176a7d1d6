// SPDX-License-Identifier: MIT
#pragma once

/// Adapter for OpenVINO: its compiled models as a `Model`, and how a GGUF file becomes one.

#include "openvino/error.hpp"
#include "openvino/graph.hpp"
#include "openvino/model.hpp"
