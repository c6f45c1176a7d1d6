# Decodes the conversations of the demo with its model: plainly, with the proposers of this library and with the n-gram
# drafters of llama.cpp, in turn and in one process:
#
#   cmake -P cmake/peers_engine.cmake [-- arguments for copyspec-peers-engine]
#
# What is needed besides the demo is fetched from PyPI, built and run below build/peers, which receives
#   engine.json        every run
#   engine.md          the tables

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/peers_build.cmake")

build_peers(copyspec-peers-engine)
copyspec_run_program("${peers_dir}/build/copyspec-peers-engine" --model "${engine_model}" --out "${peers_dir}/engine.json")
report_peers(engine_report.py)
