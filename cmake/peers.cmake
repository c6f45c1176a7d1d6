# Compares the proposers of this library with those of other projects on recorded answers:
#
#   cmake -P cmake/peers.cmake [-- --trace FILE...]
#
# Without traces, the small one of this repository is used. The sources of the others are fetched from PyPI, built and run
# below build/peers, which receives
#   result.json        counts of every setting on every trace, and times
#   table.md, table.json, speedup.svg, steps.svg

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/peers_build.cmake")

build_peers(copyspec-peers)

set(default_trace --trace "${copyspec_root}/bench/traces/smollm2-135m.demo.jsonl")
foreach(index RANGE ${CMAKE_ARGC})
  if("${CMAKE_ARGV${index}}" STREQUAL "--trace")
    set(default_trace)
  endif()
endforeach()
copyspec_run_program("${peers_dir}/build/copyspec-peers" --out "${peers_dir}/result.json" ${default_trace})
report_peers(report.py)
