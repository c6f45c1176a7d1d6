# Checks that the file README shows the text of SOURCE in a ```cpp block and, in a block after it,
# what PROGRAM prints.

cmake_minimum_required(VERSION 3.25)

file(READ "${README}" readme)
file(READ "${SOURCE}" source)
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)

set(source_block "```cpp\n${source}```\n")
string(FIND "${readme}" "${source_block}" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${README} does not show the text of ${SOURCE}")
endif()
string(LENGTH "${source_block}" length)
math(EXPR end "${begin} + ${length}")
string(SUBSTRING "${readme}" ${end} -1 rest)

if(NOT output MATCHES "\n$")
  string(APPEND output "\n")
endif()
string(FIND "${rest}" "```\n${output}```\n" plain_block)
string(FIND "${rest}" "```text\n${output}```\n" text_block)
if(plain_block EQUAL -1 AND text_block EQUAL -1)
  message(FATAL_ERROR "${README} does not show, after ${SOURCE}, what it prints:\n${output}")
endif()
