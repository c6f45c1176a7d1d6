# Checks the style: clang-format 14 over every source file of the repository, clang-tidy 14 over every header of the library
# (.clang-tidy says which checks, and why not others):
#
#   cmake -P cmake/style.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

copyspec_require_program(clang-format-14 clang-format-14)
copyspec_require_program(clang-tidy-14 clang-tidy-14)

execute_process(
  COMMAND git ls-files -- "*.hpp" "*.cpp" "*.cuh" "*.cu"
  WORKING_DIRECTORY "${copyspec_root}"
  OUTPUT_VARIABLE sources OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" sources "${sources}")
# What is deleted and not yet committed.
set(formatted)
foreach(source IN LISTS sources)
  if(EXISTS "${copyspec_root}/${source}")
    list(APPEND formatted "${source}")
  endif()
endforeach()
copyspec_say("checking the format")
copyspec_run("clang-format-14 -i would change what is listed above"
  clang-format-14 --dry-run -Werror ${formatted})

# They include every header but those of kernels, which clang 14 does not read with the CUDA that builds them.
if(NOT EXISTS "${copyspec_root}/build/dev/compile_commands.json")
  copyspec_configure(dev)
endif()
file(READ "${copyspec_root}/build/dev/compile_commands.json" commands)
set(units tests/odr.cpp)
foreach(unit IN ITEMS examples/llama_cpp/minimal.cpp examples/openvino/minimal.cpp)
  string(FIND "${commands}" "${copyspec_root}/${unit}" found)
  if(NOT found EQUAL -1)
    list(APPEND units ${unit})
  else()
    copyspec_say("${unit} is not part of build/dev, so the headers of its adapter are not checked")
  endif()
endforeach()
copyspec_say("checking the headers with clang-tidy, a minute")
copyspec_run("clang-tidy-14 warns, see above"
  clang-tidy-14 -p build/dev --quiet "--warnings-as-errors=*" ${units})
