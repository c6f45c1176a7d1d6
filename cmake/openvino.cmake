# Prepares, once, what the OpenVINO adapter is tested and demonstrated with, besides what cmake/engine.cmake does:
#   build/engine/openvino/                    OpenVINO, for find_package(OpenVINO)
# It comes from the wheel for Python 3.11 on x86-64 on PyPI, which has its headers, libraries and CMake package; Python
# itself does not use it. Other processors do without.
#
#   cmake -P cmake/openvino.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

set(openvino_version 2026.4.1)
set(openvino_wheel openvino-2026.4.1-22982-cp311-cp311-manylinux_2_28_x86_64.whl)
set(openvino_sha256 2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf)
set(openvino_dir "${engine_dir}/openvino")

function(prepare_openvino)
  set(installed)
  if(EXISTS "${openvino_dir}/version")
    file(READ "${openvino_dir}/version" installed)
  endif()
  if(installed STREQUAL openvino_version)
    return()
  endif()
  download(${openvino_wheel} ${openvino_sha256} "59 MB" --only-binary :all: --python-version 3.11
           --platform manylinux_2_28_x86_64 openvino==${openvino_version})
  copyspec_say("extracting OpenVINO")
  file(REMOVE_RECURSE "${openvino_dir}" "${openvino_dir}.partial")
  file(ARCHIVE_EXTRACT
    INPUT "${engine_dir}/download/${openvino_wheel}"
    DESTINATION "${openvino_dir}.partial"
    PATTERNS openvino/cmake/* openvino/include/* openvino/libs/*)
  file(WRITE "${openvino_dir}.partial/version" ${openvino_version})
  file(RENAME "${openvino_dir}.partial" "${openvino_dir}")
endfunction()

cmake_host_system_information(RESULT processor QUERY OS_PLATFORM)
if(processor STREQUAL "x86_64")
  file(LOCK "${engine_dir}" DIRECTORY GUARD PROCESS)
  prepare_openvino()
  file(LOCK "${engine_dir}" DIRECTORY RELEASE)
  copyspec_say("OpenVINO is ready in build/engine/openvino")
else()
  copyspec_say("OpenVINO is prepared on x86-64 only, its adapter is not built on ${processor}")
endif()
