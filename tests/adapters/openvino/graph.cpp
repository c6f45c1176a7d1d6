// SPDX-License-Identifier: MIT
#include <copyspec/adapters/openvino/graph.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <cstddef>
#include <fstream>
#include <openvino/openvino.hpp>
#include <string>

#include "support/demo_graph.hpp"
#include "support/temporary_folder.hpp"

namespace {

using copyspec::ErrorCode;
using copyspec::adapters::OpenVinoError;
using copyspec::adapters::read_openvino_gguf;

std::string refusal(std::string const& file) {
  try {
    (void)read_openvino_gguf(file);
  } catch (OpenVinoError const& error) {
    CHECK(error.code() == ErrorCode::file);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the caches of a graph are handed out as they are computed") {
  ov::InferRequest request = copyspec_test::demo_graph().create_infer_request();
  request.reset_state();
  auto const states = request.query_state();
  CHECK(states.size() == 60);
  for (auto const& state : states) {
    ov::Tensor const cache = state.get_state();
    CHECK(cache.get_element_type() == ov::element::f32);
    REQUIRE(cache.get_shape().size() == 4);
    CHECK(cache.get_shape()[1] == 0);
  }
}

TEST_CASE("a file that cannot be read is named") {
  copyspec_test::TemporaryFolder const folder;
  std::string const missing = (folder.path / "missing.gguf").string();
  CHECK(refusal(missing) == missing + " is not a file that can be read");
  CHECK(refusal(folder.path.string()) == folder.path.string() + " is not a file that can be read");
  std::string const text = (folder.path / "text.gguf").string();
  std::ofstream(text) << "not a model, but some text that is longer than a header";
  CHECK(refusal(text).starts_with(text + ": "));
}
