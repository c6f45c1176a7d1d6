# Builds the example of an engine and runs it on the small model:
#
#   cmake -P cmake/demo.cmake [-- arguments for copyspec-llama]
#   cmake -P cmake/demo.cmake -- --engine openvino [arguments for copyspec-openvino]

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/script.cmake")

copyspec_take_option(--engine llama.cpp engine)
if(engine STREQUAL "llama.cpp")
  include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")
  set(demo_program copyspec-llama)
  set(demo_programs copyspec-llama copyspec-cost)
  set(demo_arguments --weights f32)
elseif(engine STREQUAL "openvino")
  include("${CMAKE_CURRENT_LIST_DIR}/openvino.cmake")
  set(demo_program copyspec-openvino)
  set(demo_programs copyspec-openvino copyspec-openvino-cost)
  set(demo_arguments)
else()
  message(FATAL_ERROR "copyspec: --engine is llama.cpp or openvino, not ${engine}")
endif()

copyspec_configure(release)
copyspec_build(release --target ${demo_programs})

copyspec_run_program("${copyspec_root}/build/release/bin/${demo_program}" --model "${engine_model}" ${demo_arguments})
