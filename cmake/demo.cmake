# Builds the llama.cpp example and runs it on the small model:
#
#   cmake -P cmake/demo.cmake [-- arguments for copyspec-llama]

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

copyspec_configure(release)
copyspec_build(release --target copyspec-llama copyspec-cost)

copyspec_run_program(
  "${copyspec_root}/build/release/bin/copyspec-llama" --model "${engine_model}" --weights f32)
