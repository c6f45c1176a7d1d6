# Builds the llama.cpp example and runs it on the small model:
#
#   cmake -P cmake/demo.cmake [-- arguments for copyspec-llama]

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

copyspec_configure(release)
copyspec_build(release --target copyspec-llama)

# Bracket arguments, evaluated as code: a list would split an argument with a semicolon in it.
set(arguments)
set(index 0)
set(after_dashes FALSE)
while(index LESS CMAKE_ARGC)
  if(after_dashes)
    string(APPEND arguments " [=====[${CMAKE_ARGV${index}}]=====]")
  elseif("${CMAKE_ARGV${index}}" STREQUAL "--")
    set(after_dashes TRUE)
  endif()
  math(EXPR index "${index} + 1")
endwhile()

copyspec_say("running copyspec-llama")
cmake_language(EVAL CODE "
  execute_process(
    COMMAND [=====[${copyspec_root}/build/release/bin/copyspec-llama]=====]
            --model [=====[${engine_model}]=====] --weights f32 ${arguments}
    INPUT_FILE /dev/null RESULT_VARIABLE status ${copyspec_terminal})")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "copyspec: copyspec-llama failed (${status})")
endif()
