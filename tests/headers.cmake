# Checks of each header of the folder INCLUDE (include/copyspec) that a test file of the same name, or a folder of that
# name with nothing but test files, lies at the same place in the folder TESTS, that each of them includes the header,
# and that the header is not longer than `longest` lines.

cmake_minimum_required(VERSION 3.25)

set(longest 260)

# Headers that a test of another name covers, after the reason. Facades, `mix.hpp` beside the folder `mix/`, have none.
set(covered
    # Members without functions: the test is of what reads or fills them.
    "cost/pass_level.hpp: cost/pass_cost_file.cpp"
    "cost/pass_report.hpp: decode/pass_plan.cpp"
    "draft/offering_proposer.hpp: draft/share_rows.cpp"
    "decode/generate_options.hpp: decode/detail/turn.cpp"
    "decode/output_delta.hpp: decode/detail/turn.cpp"
    "decode/sequence_counters.hpp: decode/sequence.cpp"
    "decode/sequence_status.hpp: decode/sequence.cpp"
    "testing/law_report.hpp: testing/model_laws.cpp"
    # Exceptions, of which the test is that they are thrown.
    "adapters/llama_cpp/error.hpp: adapters/llama_cpp/model.cpp"
    "adapters/openvino/error.hpp: adapters/openvino/model.cpp")

file(GLOB_RECURSE headers RELATIVE "${INCLUDE}" "${INCLUDE}/*.hpp" "${INCLUDE}/*.cuh")
set(failures)
foreach(header IN LISTS headers)
  file(READ "${INCLUDE}/${header}" text)
  string(REGEX REPLACE "[^\n]+" "" breaks "${text}")
  string(LENGTH "${breaks}" lines)
  if(lines GREATER longest)
    string(APPEND failures "\n  ${header} has ${lines} lines, more than ${longest}")
  endif()
  string(REGEX REPLACE "\\.[a-z]+$" "" stem "${header}")
  if(IS_DIRECTORY "${INCLUDE}/${stem}")
    continue()
  endif()
  set(tests "${stem}.cpp")
  if(header MATCHES "^cuda/")
    list(APPEND tests "${stem}.cu")
  endif()
  # Long tests are a folder of files, by subject.
  file(GLOB parts RELATIVE "${TESTS}" "${TESTS}/${stem}/*.cpp")
  set(found FALSE)
  foreach(test IN LISTS tests parts)
    if(EXISTS "${TESTS}/${test}")
      file(STRINGS "${TESTS}/${test}" includes REGEX "^#include [<\"]copyspec/${header}[>\"]")
      if(includes)
        set(found TRUE)
      else()
        string(APPEND failures "\n  tests/${test} does not include ${header}")
      endif()
    endif()
  endforeach()
  set(elsewhere ${covered})
  list(FILTER elsewhere INCLUDE REGEX "^${header}: ")
  string(REGEX REPLACE "^.*: " "" test "${elsewhere}")
  if(found AND elsewhere)
    string(APPEND failures "\n  ${header} has a test of its own, and need not be covered by tests/${test}")
  elseif(elsewhere AND NOT EXISTS "${TESTS}/${test}")
    string(APPEND failures "\n  tests/${test}, which covers ${header}, is missing")
  elseif(NOT found AND NOT elsewhere)
    list(JOIN tests " and tests/" names)
    string(APPEND failures "\n  ${header} has no test of its own: tests/${names} is missing")
  endif()
endforeach()

if(failures OR NOT headers)
  message(FATAL_ERROR "Of the headers under ${INCLUDE}:${failures}")
endif()
