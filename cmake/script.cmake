# What the scripts run with `cmake -P` share.

include_guard(GLOBAL)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH copyspec_root)

function(copyspec_say text)
  message(STATUS "copyspec: ${text}")
endfunction()

# execute_process relays what a command prints through a pipe. A terminal is passed on as one, so that
# progress is shown in place and colours are used.
set(copyspec_terminal)
execute_process(
  COMMAND sh -c "{ test -t 3; } 3>>/proc/$PPID/fd/1"
  RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
if(status EQUAL 0)
  set(copyspec_terminal OUTPUT_FILE /proc/self/fd/1)
endif()

function(copyspec_run failure)
  execute_process(
    COMMAND ${ARGN}
    WORKING_DIRECTORY "${copyspec_root}"
    RESULT_VARIABLE status ${copyspec_terminal})
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "copyspec: ${failure}")
  endif()
endfunction()

function(copyspec_configure preset)
  set(fresh)
  set(cache "${copyspec_root}/build/${preset}/CMakeCache.txt")
  if(EXISTS "${cache}")
    file(STRINGS "${cache}" entries REGEX "^CMAKE_(GENERATOR|HOME_DIRECTORY):INTERNAL=")
    if(NOT "CMAKE_GENERATOR:INTERNAL=Ninja" IN_LIST entries)
      copyspec_say("build/${preset} was configured with another generator, starting it afresh")
      set(fresh --fresh)
    elseif(NOT "CMAKE_HOME_DIRECTORY:INTERNAL=${copyspec_root}" IN_LIST entries)
      copyspec_say("build/${preset} was configured for another folder, starting it afresh")
      set(fresh --fresh)
    endif()
  endif()
  copyspec_say("configuring build/${preset}")
  copyspec_run("configuring build/${preset} failed, see above"
    "${CMAKE_COMMAND}" ${fresh} --preset ${preset})
endfunction()

function(copyspec_build preset)
  copyspec_say("building build/${preset}")
  copyspec_run("building build/${preset} failed, see above"
    "${CMAKE_COMMAND}" --build --preset ${preset} ${ARGN})
endfunction()

# The value of an option after `--` on the command line, or `default`; `copyspec_run_program` does not pass it on.
set(copyspec_taken)
macro(copyspec_take_option option default result)
  set(${result} "${default}")
  math(EXPR copyspec_last "${CMAKE_ARGC} - 2")
  foreach(copyspec_index RANGE ${copyspec_last})
    if("${CMAKE_ARGV${copyspec_index}}" STREQUAL "${option}")
      math(EXPR copyspec_next "${copyspec_index} + 1")
      set(${result} "${CMAKE_ARGV${copyspec_next}}")
      list(APPEND copyspec_taken ${copyspec_index} ${copyspec_next})
    endif()
  endforeach()
endmacro()

# Runs `program` with the arguments given here and those after `--` on the command line.
function(copyspec_run_program program)
  # Bracket arguments, evaluated as code: a list would split an argument with a semicolon in it.
  set(arguments)
  foreach(argument IN LISTS ARGN)
    string(APPEND arguments " [=====[${argument}]=====]")
  endforeach()
  set(index 0)
  set(after_dashes FALSE)
  while(index LESS CMAKE_ARGC)
    if(after_dashes AND NOT index IN_LIST copyspec_taken)
      string(APPEND arguments " [=====[${CMAKE_ARGV${index}}]=====]")
    elseif("${CMAKE_ARGV${index}}" STREQUAL "--")
      set(after_dashes TRUE)
    endif()
    math(EXPR index "${index} + 1")
  endwhile()
  cmake_path(GET program FILENAME name)
  copyspec_say("running ${name}")
  cmake_language(EVAL CODE "
    execute_process(
      COMMAND [=====[${program}]=====] ${arguments}
      INPUT_FILE /dev/null RESULT_VARIABLE status ${copyspec_terminal})")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "copyspec: ${name} failed (${status})")
  endif()
endfunction()
