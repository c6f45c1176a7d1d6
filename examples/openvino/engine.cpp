// SPDX-License-Identifier: MIT
#include "engine.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "copyspec/adapters/openvino/graph.hpp"

namespace copyspec_llama {
namespace {

constexpr char const* device = "CPU";

}  // namespace

ov::CompiledModel compile_openvino(ov::Core& core, std::filesystem::path const& file, std::size_t threads,
                                   Progress& progress) {
  auto const graph = copyspec::adapters::read_openvino_gguf(file);
  progress.begin(fmt::format("compiling {}", file.filename().string()));
  ov::AnyMap properties = copyspec::adapters::openvino_exact();
  properties.insert(ov::inference_num_threads(static_cast<std::int32_t>(threads)));
  auto compiled = core.compile_model(graph, device, properties);
  progress.clear();
  return compiled;
}

copyspec::PassCostKey openvino_key(ov::Core& core, std::filesystem::path const& file, std::size_t threads) {
  return {.model = fmt::format("{}, {} bytes", file.filename().string(), std::filesystem::file_size(file)),
          .device = core.get_property(device, ov::device::full_name),
          .engine = fmt::format("OpenVINO {}, f32", ov::get_openvino_version().buildNumber),
          .weights = "as in the file",
          .threads = threads};
}

}  // namespace copyspec_llama
