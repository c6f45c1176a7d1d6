# Makes the reference of the public headers, build/reference/html, with Doxygen (Debian's, 1.9.4). Every warning is an error:
#
#   cmake -P cmake/reference.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

copyspec_require_program(doxygen doxygen)
set(reference_dir "${copyspec_root}/build/reference")
file(REMOVE_RECURSE "${reference_dir}")

file(STRINGS "${copyspec_root}/CMakeLists.txt" version REGEX "^ *VERSION [0-9.]+$")
string(REGEX REPLACE "^ *VERSION " "" version "${version}")
file(STRINGS "${copyspec_root}/include/copyspec/core/version.hpp" namespace REGEX "VERSION_NAMESPACE [a-z0-9_]+$")
string(REGEX REPLACE ".* " "" namespace "${namespace}")
# Doxygen must know the template that format.hpp specialises.
file(WRITE "${reference_dir}/fmt.hpp" "namespace fmt {\ntemplate <class T, class Char>\nstruct formatter;\n}\n")
file(CONFIGURE OUTPUT "${reference_dir}/Doxyfile" CONTENT [[
PROJECT_NAME = copyspec
PROJECT_NUMBER = @version@
PROJECT_BRIEF = "Speculative decoding by copying from the context"
OUTPUT_DIRECTORY = "@reference_dir@"
INPUT = "@copyspec_root@/include" "@reference_dir@/fmt.hpp"
STRIP_FROM_PATH = "@copyspec_root@/include"
STRIP_FROM_INC_PATH = "@copyspec_root@/include"
RECURSIVE = YES
FILE_PATTERNS = *.hpp *.cuh
EXTENSION_MAPPING = cuh=C++
EXCLUDE_PATTERNS = */detail/*
EXCLUDE_SYMBOLS = copyspec::detail copyspec::detail::* copyspec::*::detail copyspec::*::detail::*
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
SKIP_FUNCTION_MACROS = NO
PREDEFINED = COPYSPEC_VERSION_NAMESPACE=@namespace@ COPYSPEC_HOST_DEVICE= __device__= __global__= __host__= __restrict__=
EXTRACT_ALL = YES
QT_AUTOBRIEF = YES
AUTOLINK_SUPPORT = NO
BUILTIN_STL_SUPPORT = YES
GENERATE_LATEX = NO
HAVE_DOT = NO
QUIET = YES
WARN_AS_ERROR = FAIL_ON_WARNINGS
]] @ONLY)

copyspec_say("making build/reference/html")
copyspec_run("Doxygen warned, see above" doxygen "${reference_dir}/Doxyfile")
