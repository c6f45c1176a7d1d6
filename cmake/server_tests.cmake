# Prepares, once, what the server is tested with from outside: OpenAI's Python package, from PyPI, in
# build/engine/server_tests. Then ${server_tests_python} runs tests/examples/server/client.py and load.py.

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

set(openai_version 3.57.0)

set(server_tests_dir "${engine_dir}/server_tests")
set(server_tests_python "${server_tests_dir}/bin/python")

function(prepare_server_tests)
  set(installed)
  if(EXISTS "${server_tests_dir}/complete")
    file(READ "${server_tests_dir}/complete" installed)
  endif()
  # The interpreter a venv links to may have been removed since.
  execute_process(COMMAND "${server_tests_python}" -c "" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0 AND installed STREQUAL openai_version)
    return()
  endif()
  find_usable_python(python)
  copyspec_say("creating a Python environment in build/engine/server_tests")
  copyspec_run("${python} -m venv failed, see above"
    "${python}" -m venv --clear "${server_tests_dir}")
  copyspec_run("pip could not install openai: is PyPI reachable from here?"
    "${CMAKE_COMMAND}" -E env PIP_USER=0
    "${server_tests_python}" -m pip install --quiet openai==${openai_version})
  file(WRITE "${server_tests_dir}/complete" ${openai_version})
endfunction()
