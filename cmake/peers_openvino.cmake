# Decodes the conversations of the demo with OpenVINO: with OpenVINO GenAI, plainly and with its prompt lookup, and with
# copyspec-openvino, in turn:
#
#   cmake -P cmake/peers_openvino.cmake [-- arguments for bench/peers/genai.py]
#
# OpenVINO GenAI is fetched from PyPI, 250 MB installed. build/peers receives openvino.json, every run; the tables are
# printed.

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/openvino.cmake")

set(genai_version 2026.4.1.0)
set(genai_dir "${copyspec_root}/build/peers/openvino")
set(genai_python "${genai_dir}/bin/python")

if(NOT EXISTS "${genai_dir}/complete")
  find_usable_python(python)
  copyspec_say("installing OpenVINO GenAI in build/peers/openvino")
  copyspec_run("${python} -m venv failed, see above" "${python}" -m venv --clear "${genai_dir}")
  copyspec_run("pip could not install openvino-genai: is PyPI reachable from here?"
    "${CMAKE_COMMAND}" -E env PIP_USER=0
    "${genai_python}" -m pip install --quiet openvino==${openvino_version} openvino-genai==${genai_version})
  file(TOUCH "${genai_dir}/complete")
endif()

copyspec_configure(release)
copyspec_build(release --target copyspec-openvino copyspec-export-genai)
copyspec_run("the graph could not be written for OpenVINO GenAI, see above"
  "${copyspec_root}/build/release/bin/copyspec-export-genai" "${engine_model}" "${genai_dir}/graph")
copyspec_run_program("${genai_python}" "${copyspec_root}/bench/peers/genai.py"
  --program "${copyspec_root}/build/release/bin/copyspec-openvino" --model "${engine_model}"
  --graph "${genai_dir}/graph" --out "${copyspec_root}/build/peers/openvino.json")
