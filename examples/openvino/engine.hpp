// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <openvino/openvino.hpp>

#include "../llama_cpp/terminal.hpp"
#include "copyspec/cost/pass_cost_file.hpp"

namespace copyspec_llama {

/// The model in a GGUF file, compiled for `OpenVino` and the CPU. Throws `copyspec::Error` if it cannot be used.
[[nodiscard]] ov::CompiledModel compile_openvino(ov::Core& core, std::filesystem::path const& file, std::size_t threads,
                                                 Progress& progress);

/// What pass costs of it depend on.
[[nodiscard]] copyspec::PassCostKey openvino_key(ov::Core& core, std::filesystem::path const& file,
                                                 std::size_t threads);

}  // namespace copyspec_llama
