# Runs PROGRAM, copyspec-llama, in the folder FOLDER, which is emptied first: with arguments and files that it must refuse
# before it loads a model, and with MODEL, to see that it writes what it says and that a seed repeats an answer.

cmake_minimum_required(VERSION 3.25)

file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")
set(failures)

function(run status)
  execute_process(
    COMMAND "${PROGRAM}" ${ARGN}
    WORKING_DIRECTORY "${FOLDER}"
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE error
    INPUT_FILE /dev/null)
  set(output "${output}" PARENT_SCOPE)
  set(error "${error}" PARENT_SCOPE)
  if(NOT result STREQUAL status)
    list(JOIN ARGN " " arguments)
    string(APPEND failures "\n  copyspec-llama ${arguments}\n  ended with ${result}, not ${status}: ${error}")
    set(failures "${failures}" PARENT_SCOPE)
  endif()
endfunction()

function(expect_part part where text)
  string(FIND "${text}" "${part}" found)
  if(found EQUAL -1)
    string(APPEND failures "\n  \"${part}\" is not in ${where}: ${text}")
    set(failures "${failures}" PARENT_SCOPE)
  endif()
endfunction()

# What is no number, or out of range: status 2, with the option and the value.
foreach(wrong IN ITEMS
    "--threads|-1|from 1 to 2147483647" "--threads|0|from 1 to 2147483647" "--threads|two|is no whole number"
    "--context|-4096|is no whole number" "--batch|1.5|is no whole number" "--batch|9999999999|from 1 to 2147483647"
    "--max-tokens|-1|is no whole number" "--repetitions|3x|is no whole number" "--top-k|-1|from 0 to 2147483647"
    "--logprobs|-5|is no whole number" "--temperature|-0.1|is no number from 0 to 1000" "--temperature|nan|is no number"
    "--top-p|1.01|is no number from 0 to 1" "--min-p|some|is no number from 0 to 1" "--seed|-2|is no whole number"
    "--seed|18446744073709551616|to 18446744073709551615" "--seed|1e3|is no whole number")
  string(REPLACE "|" ";" wrong "${wrong}")
  list(GET wrong 0 option)
  list(GET wrong 1 value)
  list(GET wrong 2 reason)
  run(2 --model no-model.gguf ${option} ${value})
  expect_part("${option}: \"${value}\" " "what ${option} ${value} is refused with" "${error}")
  expect_part("${reason}" "what ${option} ${value} is refused with" "${error}")
endforeach()
run(2 --model no-model.gguf --history same --json ./same)
expect_part("--json: this is the file of --history" "the error" "${error}")
run(2 --model no-model.gguf --history same --pass-costs folder/../same)
expect_part("--history: this is the file of --pass-costs" "the error" "${error}")

# Outputs that cannot be written: status 1, before the model is looked for. What is there stays as it is.
file(MAKE_DIRECTORY "${FOLDER}/folder")
file(WRITE "${FOLDER}/report" "an earlier report")
foreach(output_option IN ITEMS --json --history --pass-costs)
  foreach(path IN ITEMS folder no/such/folder)
    run(1 --model no-model.gguf ${output_option} ${path})
    expect_part("${path}" "what ${output_option} ${path} is refused with" "${error}")
    if(error MATCHES "no-model")
      string(APPEND failures "\n  ${output_option} ${path} is tried after the model: ${error}")
    endif()
  endforeach()
endforeach()
run(1 --model no-model.gguf --json report --history history)
expect_part("there is no file no-model.gguf" "the error" "${error}")
run(1 --model no-model.gguf --json new-report)
file(READ "${FOLDER}/report" report)
if(NOT report STREQUAL "an earlier report" OR EXISTS "${FOLDER}/new-report" OR EXISTS "${FOLDER}/history")
  string(APPEND failures "\n  trying the outputs has changed one")
endif()

# A random seed is shown, and draws the same again; both outputs are written.
set(drawn --model "${MODEL}" --prompt "Name a colour." -n 8 --temperature 1.5)
run(0 ${drawn} --json report --history history)
if(NOT output MATCHES "Seed: ([0-9]+)\\.")
  string(APPEND failures "\n  no seed is shown: ${output}")
endif()
set(seed "${CMAKE_MATCH_1}")
file(READ "${FOLDER}/report" report)
string(REGEX MATCH "\"seed\": [0-9]+" reported "${report}")
string(JSON text ERROR_VARIABLE no_json GET "${report}" conversations 0 answers 0 text)
if(NOT reported STREQUAL "\"seed\": ${seed}" OR no_json OR NOT EXISTS "${FOLDER}/history")
  string(APPEND failures "\n  the outputs are not what was shown: ${reported}, ${no_json}")
endif()
run(0 ${drawn} --json again --seed ${seed})
file(READ "${FOLDER}/again" report)
string(JSON again GET "${report}" conversations 0 answers 0 text)
if(NOT again STREQUAL text)
  string(APPEND failures "\n  seed ${seed} drew \"${text}\", and then \"${again}\"")
endif()
run(0 ${drawn} --json other --seed -1)
file(READ "${FOLDER}/other" report)
string(REGEX MATCH "\"seed\": [0-9]+" other "${report}")
if(other STREQUAL reported)
  string(APPEND failures "\n  two random seeds are the same")
endif()

# Pass costs are written, read again, and refused for another number of threads; what is no such file is.
set(counted --model "${MODEL}" --prompt "Count: 1 2 3 1 2 3 1 2 3 1 2" -n 24 --threads 1 --pass-costs costs)
run(0 ${counted})
if(output MATCHES "Remembered: " OR NOT output MATCHES "Account: copying saved ")
  string(APPEND failures "\n  a first run remembers costs, or shows no account: ${output}")
endif()
file(STRINGS "${FOLDER}/costs" costs)
list(GET costs 0 first)
list(GET costs -1 last)
if(NOT first STREQUAL "copyspec pass costs 1" OR NOT last STREQUAL "end" OR NOT costs MATCHES ";1 rows ")
  string(APPEND failures "\n  no pass costs were written: ${costs}")
endif()
run(0 ${counted} --json report)
expect_part("Remembered: passes of " "the second run" "${output}")
run(1 --model "${MODEL}" --prompt "Count." --threads 2 --pass-costs costs)
expect_part("has pass costs of the threads \"1\", not of \"2\"; name another file" "the error" "${error}")
file(WRITE "${FOLDER}/costs" "a text\n")
run(1 ${counted})
expect_part("line 1 is not" "the error" "${error}")
file(READ "${FOLDER}/costs" costs)
if(NOT costs STREQUAL "a text\n")
  string(APPEND failures "\n  a file that was refused is overwritten: ${costs}")
endif()

# Equal rows, and another type of cache: both are in the report, and costs are of that mode.
run(2 --model no-model.gguf --cache-type f8)
expect_part("--cache-type" "what --cache-type f8 is refused with" "${error}")
run(2 --model no-model.gguf --bitwise --draft-model another.gguf)
expect_part("--draft-model excludes --bitwise" "the error" "${error}")
file(REMOVE "${FOLDER}/costs")
set(equal ${counted} --bitwise --cache-type bf16)
run(0 ${equal} --json report)
expect_part("a cache of type bf16: rows are equal in all bits" "what --bitwise prints" "${output}")
file(READ "${FOLDER}/report" report)
string(JSON bitwise GET "${report}" setup bitwise)
string(JSON cache GET "${report}" setup cache)
if(NOT bitwise OR NOT cache STREQUAL "bf16")
  string(APPEND failures "\n  the report says bitwise ${bitwise}, cache ${cache}")
endif()
run(1 ${counted})
expect_part("cache bf16, bitwise\", not of" "the error" "${error}")

if(failures)
  message(FATAL_ERROR "${failures}")
endif()
