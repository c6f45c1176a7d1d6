# Compiles wrong_hooks/hooks.cpp with each wrong hook: none may compile, and what the compiler says must name the hook
# within its first five lines.
#   COMPILER, SOURCE, INCLUDES (separated by |)

cmake_minimum_required(VERSION 3.25)

set(hooks reserve require_vocabulary set_references set_sampling prepare propose_tree propose_after on_draft_chosen on_pass
    on_turn_begin on_turn_end observe_pass end_turn on_turn_begin begin_turn options logprobs allowed_draft on_fork
    check_supported drawn_from detach_workspace on_turn_begin on_turn_end set_scope claim)
string(REGEX REPLACE "\\|" ";-I" includes "-I${INCLUDES}")

function(compile wrong result output)
  execute_process(
    COMMAND "${COMPILER}" -std=c++20 -fsyntax-only ${includes} -DWRONG=${wrong} "${SOURCE}"
    RESULT_VARIABLE status ERROR_VARIABLE text OUTPUT_QUIET)
  set(${result} "${status}" PARENT_SCOPE)
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

compile(0 status text)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "right hooks do not compile:\n${text}")
endif()
set(wrong 0)
foreach(hook IN LISTS hooks)
  math(EXPR wrong "${wrong} + 1")
  compile(${wrong} status text)
  string(REPLACE ";" "," lines "${text}")
  string(REPLACE "\n" ";" lines "${lines}")
  list(SUBLIST lines 0 5 first_lines)
  if(status EQUAL 0)
    message(SEND_ERROR "wrong hook ${wrong}, ${hook}, compiles")
  elseif(NOT first_lines MATCHES "${hook}")
    message(SEND_ERROR "wrong hook ${wrong}, ${hook}, is not named in the first five lines:\n${text}")
  endif()
endforeach()
message("${wrong} wrong hooks, each named")
