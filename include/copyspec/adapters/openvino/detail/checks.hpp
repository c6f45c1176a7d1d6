// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <openvino/openvino.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "../../../core/error.hpp"
#include "../../../core/version.hpp"
#include "../error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// What an exception of OpenVINO says, in one line and without the places in its source.
[[nodiscard]] inline std::string openvino_message(std::exception const& error) {
  std::string_view text = error.what();
  std::string message;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty() || line.starts_with("Exception from ")) continue;
    if (!message.empty()) message.append(" ");
    message.append(line);
  }
  return message;
}

/// Calls `call`; what OpenVINO throws there is thrown on as an `OpenVinoError` that begins with `where`.
template <class Call>
auto call_openvino(std::string_view where, ErrorCode code, Call const& call) {
  try {
    return call();
  } catch (Error const&) {
    throw;
  } catch (std::exception const& error) {
    throw adapters::OpenVinoError(code, std::string(where).append(": ").append(openvino_message(error)));
  }
}

/// Throws `OpenVinoError` unless the graph has the inputs and the output of a GGUF file that `read_openvino_gguf` read.
/// Returns the length of a row.
[[nodiscard]] inline std::size_t require_openvino_graph(ov::CompiledModel const& compiled) {
  using Names = std::vector<std::string_view>;
  Names missing{"inp_tokens", "inp_pos", "inp_out_ids", "self_kq_mask", "beam_idx"};
  auto const fail = [](std::string const& what) {
    raise_error<adapters::OpenVinoError>(
        ErrorCode::bad_options,
        std::string("this graph ").append(what).append(": it has to be one that read_openvino_gguf returned"));
  };
  for (auto const& input : compiled.inputs()) {
    auto const found = std::ranges::find_if(
        missing, [&](std::string_view name) { return input.get_names().contains(std::string(name)); });
    if (found == missing.end())
      fail("has an input " + (input.get_names().empty() ? std::string("without a name") : *input.get_names().begin()));
    else
      missing.erase(found);
  }
  if (!missing.empty()) fail(std::string("has no input ").append(missing.front()));
  ov::PartialShape const shape = compiled.output(0).get_partial_shape();
  if (shape.rank().is_dynamic() || shape.size() != 4 || shape[3].is_dynamic() ||
      compiled.output(0).get_element_type() != ov::element::f32)
    fail("has no output of f32 rows, each as long as the vocabulary");
  return static_cast<std::size_t>(shape[3].get_length());
}

/// Throws `OpenVinoError` unless rows of a pass are equal, up to rounding of f32, to those of passes with other row
/// counts. Three properties of a compiled model decide that.
inline void require_openvino_exact(ov::CompiledModel const& compiled) {
  auto const require = [&](auto const& property, auto const& wanted, std::string const& wanted_text) {
    std::string const name = property.name();
    auto const value = call_openvino("this device does not say its " + name, ErrorCode::bad_options,
                                     [&] { return compiled.get_property(property); });
    if (value == wanted) return;
    std::string message = "the model was compiled with ";
    message.append(name).append(" = ").append(ov::Any(value).template as<std::string>());
    message.append(", with which rows depend on how many are computed: compile it with ").append(wanted_text);
    message.append(" (openvino_exact() has all that is needed), or expect that with OpenVinoPrecision::as_compiled");
    raise_error<adapters::OpenVinoError>(ErrorCode::bad_options, message);
  };
  require(ov::hint::inference_precision, ov::element::f32, "f32");
  require(ov::hint::dynamic_quantization_group_size, std::uint64_t{0}, "0");
  require(ov::hint::kv_cache_precision, ov::element::f32, "f32");
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
