# Compiles SOURCE with each wrong member: none may compile, and what the compiler says must name the member within its
# first LINES lines. With no wrong member it must compile without a warning.
#   COMPILER, SOURCE, LINES, INCLUDES (separated by |), NAMES of the members (as well), in the order of their numbers

cmake_minimum_required(VERSION 3.25)

string(REGEX REPLACE "\\|" ";-isystem" includes "-I${INCLUDES}")
string(REPLACE "|" ";" names "${NAMES}")

function(compile wrong result output)
  execute_process(
    COMMAND "${COMPILER}" -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Wsign-conversion -Werror ${includes}
            -DWRONG=${wrong} "${SOURCE}"
    RESULT_VARIABLE status ERROR_VARIABLE text OUTPUT_QUIET)
  set(${result} "${status}" PARENT_SCOPE)
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

compile(0 status text)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "right members do not compile:\n${text}")
endif()
set(wrong 0)
foreach(name IN LISTS names)
  math(EXPR wrong "${wrong} + 1")
  compile(${wrong} status text)
  string(REPLACE ";" "," lines "${text}")
  string(REPLACE "\n" ";" lines "${lines}")
  list(SUBLIST lines 0 ${LINES} first_lines)
  if(status EQUAL 0)
    message(SEND_ERROR "wrong member ${wrong}, ${name}, compiles")
  elseif(NOT first_lines MATCHES "${name}")
    message(SEND_ERROR "wrong member ${wrong}, ${name}, is not named in the first ${LINES} lines:\n${text}")
  endif()
endforeach()
message("${wrong} wrong members, each named")
