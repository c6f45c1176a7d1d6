# Compiles SOURCE, with one kernel, with leave to fuse multiplications and additions and without it. Where host and device
# are to agree in every bit, the machine code must be the same, since the host's compiler may fuse others.
#   NVCC, READELF, INCLUDES (separated by |), FOLDER for what is made

string(REGEX REPLACE "\\|" ";-I" includes "-I${INCLUDES}")
foreach(fused IN ITEMS true false)
  set(cubin "${FOLDER}/fused_${fused}.cubin")
  execute_process(
    COMMAND "${NVCC}" -std=c++20 -arch=sm_90 -O2 -fmad=${fused} ${includes} -cubin "${SOURCE}" -o "${cubin}"
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(
    COMMAND "${READELF}" -SW "${cubin}"
    OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
  if(NOT sections MATCHES " (\\.text\\.[^ ]*compute_all[^ ]*) ")
    message(FATAL_ERROR "no kernel found in ${cubin}")
  endif()
  execute_process(
    COMMAND "${READELF}" -x "${CMAKE_MATCH_1}" "${cubin}"
    OUTPUT_VARIABLE code_${fused} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(code_true STREQUAL "" OR NOT code_true STREQUAL code_false)
  message(FATAL_ERROR "a multiplication and an addition were fused that std::fma does not fuse")
endif()
