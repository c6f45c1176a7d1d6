// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <openvino/frontend/extension/decoder_transformation.hpp>
#include <openvino/frontend/gguf/frontend.hpp>
#include <openvino/frontend/gguf/make_stateful.hpp>
#include <openvino/op/assign.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/openvino.hpp>
#include <string>

#include "../../core/error.hpp"
#include "../../core/version.hpp"
#include "detail/checks.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// Lets the caches of a graph, which are f16, be f32. OpenVINO hands out states in the type of the graph, whatever it
/// computes in, so that with f16 cells could not be moved without rounding them.
inline void keep_states_in_f32(ov::Model& model) {
  for (auto const& variable : model.get_variables()) {
    ov::op::util::VariableInfo info = variable->get_info();
    if (info.data_type != ov::element::f16) continue;
    info.data_type = ov::element::f32;
    variable->update(info);
  }
  for (auto const& node : model.get_ordered_ops()) {
    bool const reads = ov::is_type<ov::op::v6::ReadValue>(node);
    if (!reads && !ov::is_type<ov::op::v6::Assign>(node)) continue;
    if (node->get_input_size() > 0 && node->get_input_element_type(0) == ov::element::f16)
      node->input(0).replace_source_output(
          std::make_shared<ov::op::v0::Convert>(node->input_value(0), ov::element::f32));
    if (!reads) continue;
    auto const consumers = node->output(0).get_target_inputs();
    auto const back = std::make_shared<ov::op::v0::Convert>(node->output(0), ov::element::f16);
    for (auto consumer : consumers) consumer.replace_source_output(back);
  }
  model.validate_nodes_and_infer_types();
}

/// Removes inputs that nothing reads: the front end says to which cells a pass writes, which a cache that only grows
/// does not need.
inline void drop_unread_inputs(ov::Model& model) {
  auto const parameters = model.get_parameters();
  for (auto const& parameter : parameters)
    if (parameter->output(0).get_target_inputs().empty()) model.remove_parameter(parameter);
}

}  // namespace detail

namespace adapters {

/// The model in a GGUF file as a graph for `OpenVino`, with a cache that OpenVINO keeps between passes. Needs the GGUF
/// front end of OpenVINO 2026.4. Throws `OpenVinoError` that names the file if it cannot be read, or if its model has a
/// recurrent state, a sliding window, or several positions for each token.
[[nodiscard]] inline std::shared_ptr<ov::Model> read_openvino_gguf(std::filesystem::path const& file) {
  std::string const name = file.string();
  if (!std::filesystem::is_regular_file(file))
    raise_error<OpenVinoError>(ErrorCode::file, name + " is not a file that can be read");
  return detail::call_openvino(name, ErrorCode::file, [&] {
    ov::frontend::gguf::FrontEnd frontend;
    frontend.add_extension(
        std::make_shared<ov::frontend::DecoderTransformationExtension>(ov::frontend::gguf::pass::GGUFMakeStateful()));
    std::shared_ptr<ov::Model> model = frontend.convert(frontend.load(name));
    auto const refuse = [&](std::string const& key, char const* what) {
      if (model->has_rt_info(key)) raise_error<OpenVinoError>(ErrorCode::file, name + ": " + what);
    };
    refuse(ov::frontend::gguf::pass::gguf_recurrent_states_key(),
           "the model has a recurrent state, which a mask cannot take back");
    refuse(ov::frontend::gguf::pass::gguf_swa_window_key(), "the model has a sliding window");
    refuse(ov::frontend::gguf::pass::gguf_imrope_key(), "the model wants several positions for each token");
    detail::drop_unread_inputs(*model);
    detail::keep_states_in_f32(*model);
    return model;
  });
}

/// What a graph is compiled with so that rows of a pass are equal, up to rounding of f32, to those of passes with other
/// row counts. OpenVINO's defaults are faster on some processors, and break that: they compute in bfloat16 where the
/// processor has it, and round activations and the cache to 8 bits.
[[nodiscard]] inline ov::AnyMap openvino_exact() {
  return {ov::hint::inference_precision(ov::element::f32), ov::hint::dynamic_quantization_group_size(0),
          ov::hint::kv_cache_precision(ov::element::f32)};
}

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
