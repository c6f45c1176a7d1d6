# Installs what the presets clang, asan and fuzz need, unless it is there:
#
#   cmake -P cmake/clang.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

copyspec_require_program(clang++ clang)

# The runtime of the sanitizers is a package of its own, which clang only recommends.
execute_process(COMMAND clang++ -print-runtime-dir OUTPUT_VARIABLE runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
file(GLOB sanitizer "${runtime}/libclang_rt.asan*")
if(NOT sanitizer)
  copyspec_install_packages(libclang-rt-dev)
endif()
