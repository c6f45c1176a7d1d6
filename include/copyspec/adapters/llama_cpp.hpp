// SPDX-License-Identifier: MIT
#pragma once

/// Adapter for llama.cpp: its contexts as a `Model`, also one of rows equal in all bits; its grammars as `RowHooks`.

#include "llama_cpp/bitwise.hpp"
#include "llama_cpp/error.hpp"
#include "llama_cpp/grammar.hpp"
#include "llama_cpp/model.hpp"
#include "llama_cpp/vocabulary.hpp"
#include "llama_cpp/weight_types.hpp"
