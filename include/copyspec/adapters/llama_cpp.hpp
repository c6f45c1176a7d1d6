// SPDX-License-Identifier: MIT
#pragma once

/// Adapter for llama.cpp: its contexts as a `Model`, its grammars as `RowHooks`.

#include "llama_cpp/error.hpp"
#include "llama_cpp/grammar.hpp"
#include "llama_cpp/model.hpp"
#include "llama_cpp/vocabulary.hpp"
