# Builds the server and runs it on the small model, in F32, at http://127.0.0.1:8080:
#
#   cmake -P cmake/server.cmake [-- arguments for copyspec-server]

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

copyspec_configure(release)
copyspec_build(release --target copyspec-server copyspec-worker)

copyspec_run_program("${copyspec_root}/build/release/bin/copyspec-server" --model "${engine_model}" --weights f32)
