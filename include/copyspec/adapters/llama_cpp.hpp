// SPDX-License-Identifier: MIT
#pragma once

/// llama.cpp as a `Model`.

#include "llama_cpp/error.hpp"
#include "llama_cpp/grammar.hpp"
#include "llama_cpp/model.hpp"
#include "llama_cpp/vocabulary.hpp"
