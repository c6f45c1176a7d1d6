# Builds everything with warnings as errors and runs all tests:
#
#   cmake -P cmake/test.cmake

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/openvino.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/server_tests.cmake")

prepare_server_tests()
copyspec_configure(dev)
copyspec_build(dev)
copyspec_say("testing build/dev")
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
copyspec_run("tests failed, see above"
  "${CMAKE_CTEST_COMMAND}" --preset dev --output-on-failure --parallel ${cores})
