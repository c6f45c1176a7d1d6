// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <copyspec/adapters/openvino/graph.hpp>
#include <cstdlib>
#include <memory>
#include <openvino/op/parameter.hpp>
#include <openvino/op/relu.hpp>
#include <openvino/openvino.hpp>
#include <string>

// The model of the demo, in OpenVINO.
namespace copyspec_test {

inline char const* demo_file() {
  char const* const path = std::getenv("COPYSPEC_TEST_MODEL");
  REQUIRE_MESSAGE(path != nullptr, "COPYSPEC_TEST_MODEL names the GGUF file to test with");
  return path;
}

inline ov::CompiledModel compile_demo(ov::AnyMap const& properties) {
  static ov::Core core;
  static auto const graph = copyspec::adapters::read_openvino_gguf(demo_file());
  return core.compile_model(graph, "CPU", properties);
}

inline ov::CompiledModel& demo_graph() {
  static ov::CompiledModel compiled = compile_demo(copyspec::adapters::openvino_exact());
  return compiled;
}

// A graph that has nothing to do with language.
inline ov::CompiledModel compile_other(std::string const& input_name) {
  auto const input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{1, 4});
  input->output(0).set_names({input_name});
  auto const model = std::make_shared<ov::Model>(ov::OutputVector{std::make_shared<ov::op::v0::Relu>(input)->output(0)},
                                                 ov::ParameterVector{input});
  return ov::Core().compile_model(model, "CPU");
}

}  // namespace copyspec_test
