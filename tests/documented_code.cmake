# Checks that each ```cpp block of PAGES stands, line by line and whatever its indentation, in one of SOURCES, which the
# build compiles.

cmake_minimum_required(VERSION 3.25)

# The lines of `text` without indentation, blank lines and includes, each closed by a line break.
function(plain_lines text result)
  string(REGEX REPLACE "\n[ \t]+" "\n" text "\n${text}\n")
  string(REGEX REPLACE "\n#include[^\n]*" "\n" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

set(compiled)
foreach(source IN LISTS SOURCES)
  file(READ "${source}" text)
  plain_lines("${text}" text)
  string(APPEND compiled "${text}")
endforeach()

foreach(page IN LISTS PAGES)
  file(READ "${page}" rest)
  string(FIND "${rest}" "```cpp\n" begin)
  while(NOT begin EQUAL -1)
    math(EXPR begin "${begin} + 7")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "```\n" end)
    string(SUBSTRING "${rest}" 0 ${end} block)
    plain_lines("${block}" lines)
    string(FIND "${compiled}" "${lines}" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "${page} shows code that no example has:\n${block}")
    endif()
    math(EXPR end "${end} + 4")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    string(FIND "${rest}" "```cpp\n" begin)
  endwhile()
endforeach()
