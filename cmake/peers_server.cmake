# Measures the server beside llama-server of the same llama.cpp, plainly and with its best n-gram drafts, under closed loops of
# clients:
#
#   cmake -P cmake/peers_server.cmake [-- arguments for bench/server/throughput.py]
#
# llama-server is built below build/peers, in ten minutes on two cores. The model is the demo's, in F32. build/peers receives
# server.json, every run; the table is printed.

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

set(peers_dir "${copyspec_root}/build/peers")
set(llama_server_build "${peers_dir}/llama-server-${engine_version}")
set(llama_server "${llama_server_build}/bin/llama-server")
if(NOT EXISTS "${llama_server}")
  extract_engine()
  copyspec_say("building llama-server, ten minutes on two cores")
  copyspec_run("configuring llama-server failed, see above"
    "${CMAKE_COMMAND}" -G Ninja -S "${engine_source}" -B "${llama_server_build}" --log-level=WARNING ${engine_options}
    -D LLAMA_BUILD_COMMON=ON
    -D LLAMA_BUILD_SERVER=ON
    -D LLAMA_BUILD_TOOLS=ON
    -D LLAMA_BUILD_UI=OFF
    -D LLAMA_USE_PREBUILT_UI=OFF)
  copyspec_run("building llama-server failed, see above"
    "${CMAKE_COMMAND}" --build "${llama_server_build}" --target llama-server)
endif()

copyspec_configure(release)
copyspec_build(release --target copyspec-server)

find_usable_python(python)
copyspec_run_program("${python}" "${copyspec_root}/bench/server/throughput.py"
  --server "${copyspec_root}/build/release/bin/copyspec-server" --llama-server "${llama_server}" --model "${engine_model}"
  --out "${peers_dir}/server.json")
