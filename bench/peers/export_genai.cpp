// SPDX-License-Identifier: MIT
//
// Writes the graph of a GGUF file, by OpenVINO's front end, as OpenVINO GenAI wants it. GenAI's own reader of such
// files converts weights otherwise, and its answers are others than those of copyspec-openvino:
//
//   copyspec-export-genai FILE.gguf FOLDER
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <openvino/frontend/extension/decoder_transformation.hpp>
#include <openvino/frontend/gguf/adapt_to_genai.hpp>
#include <openvino/frontend/gguf/frontend.hpp>
#include <openvino/frontend/gguf/make_stateful.hpp>
#include <openvino/openvino.hpp>
#include <openvino/pass/manager.hpp>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: copyspec-export-genai FILE.gguf FOLDER\n");
    return 2;
  }
  try {
    namespace gguf = ov::frontend::gguf;
    gguf::FrontEnd frontend;
    frontend.add_extension(
        std::make_shared<ov::frontend::DecoderTransformationExtension>(gguf::pass::GGUFMakeStateful()));
    auto const graph = frontend.convert(frontend.load(std::string(argv[1])));
    ov::pass::Manager passes;
    passes.register_pass<gguf::pass::AdaptToGenAI>();
    passes.run_passes(graph);
    std::filesystem::create_directories(argv[2]);
    ov::save_model(graph, std::filesystem::path(argv[2]) / "openvino_model.xml", false);
  } catch (std::exception const& error) {
    std::fprintf(stderr, "copyspec-export-genai: %s\n", error.what());
    return 1;
  }
}
