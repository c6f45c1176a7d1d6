// SPDX-License-Identifier: MIT
#include <copyspec/adapters/openvino/detail/checks.hpp>

#include <doctest/doctest.h>

#include <copyspec/core/error.hpp>
#include <cstdint>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>

#include "support/demo_graph.hpp"
#include "support/error_of.hpp"

namespace {

using copyspec::ErrorCode;
using copyspec::adapters::openvino_exact;
using copyspec::adapters::OpenVinoError;
using copyspec::detail::call_openvino;
using copyspec::detail::require_openvino_exact;
using copyspec::detail::require_openvino_graph;
using copyspec_test::compile_demo;
using copyspec_test::compile_other;
using copyspec_test::error_of;

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

// The demo, compiled exactly but for one property.
std::string with(ov::AnyMap::value_type const& property) {
  ov::AnyMap properties = openvino_exact();
  properties[property.first] = property.second;
  return error_of<OpenVinoError>([&] { require_openvino_exact(compile_demo(properties)); });
}

}  // namespace

TEST_CASE("a message of OpenVINO becomes one line") {
  auto const fail = [] {
    throw std::runtime_error("Exception from a/b.cpp:1:\nCheck 'x' failed:\n  no such file\n\n");
  };
  CHECK(error_of<OpenVinoError>([&] { call_openvino("m.gguf", ErrorCode::file, fail); }) ==
        "m.gguf: Check 'x' failed: no such file");
  CHECK(call_openvino("m.gguf", ErrorCode::file, [] { return 3; }) == 3);
  auto const own = [] { copyspec::raise_error<OpenVinoError>(ErrorCode::engine, "ours\nas it is"); };
  CHECK(error_of<OpenVinoError>([&] { call_openvino("m.gguf", ErrorCode::file, own); }) == "ours\nas it is");
}

TEST_CASE("another graph is refused") {
  CHECK(contains(error_of<OpenVinoError>([] { (void)require_openvino_graph(compile_other("pixels")); }),
                 "this graph has an input pixels: it has to be one that read_openvino_gguf returned"));
  CHECK(contains(error_of<OpenVinoError>([] { (void)require_openvino_graph(compile_other("inp_pos")); }),
                 "this graph has no input inp_tokens"));
}

TEST_CASE("what makes rows depend on the number of rows is refused by name") {
  CHECK(require_openvino_graph(copyspec_test::demo_graph()) == 49152);
  CHECK(with({"PERFORMANCE_HINT", ov::Any("LATENCY")}) == "");
  std::string const cache = with(ov::hint::kv_cache_precision(ov::element::u8));
  CHECK(contains(cache, "the model was compiled with KV_CACHE_PRECISION = u8"));
  CHECK(contains(cache, "OpenVinoPrecision::as_compiled"));
  CHECK(contains(with(ov::hint::dynamic_quantization_group_size(32)), "DYNAMIC_QUANTIZATION_GROUP_SIZE = 32"));
}
