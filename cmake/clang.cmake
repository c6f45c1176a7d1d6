# Installs what the presets clang, asan and fuzz need, unless it is there:
#
#   cmake -P cmake/clang.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

copyspec_require_program(clang++ clang libclang-rt-dev)
