# What cmake/peers.cmake and cmake/peers_engine.cmake share: fetches, below build/peers, the sources of other projects from
# PyPI (ArcticInference, 0.2 MB), and builds against them and llama.cpp (cmake/engine.cmake).

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/engine.cmake")

set(arctic_version 0.3.0)
set(arctic_sha256 7f22e3e1b1071c6061c0d6951be17c0fb50b08d06d6e543144c8f52faba60a36)
set(matplotlib_version 3.10.3)

set(peers_dir "${copyspec_root}/build/peers")
set(peers_python "${peers_dir}/venv/bin/python")

function(prepare_peers_venv)
  if(EXISTS "${peers_dir}/venv/complete")
    return()
  endif()
  find_usable_python(python)
  copyspec_say("creating a Python environment in build/peers/venv")
  copyspec_run("${python} -m venv failed, see above"
    "${python}" -m venv --clear "${peers_dir}/venv")
  copyspec_run("pip could not install matplotlib: is PyPI reachable from here?"
    "${CMAKE_COMMAND}" -E env PIP_USER=0
    "${peers_python}" -m pip install --quiet setuptools wheel matplotlib==${matplotlib_version})
  file(TOUCH "${peers_dir}/venv/complete")
endfunction()

function(prepare_suffix_trees)
  set(name arctic_inference-${arctic_version})
  set(archive "${peers_dir}/${name}.tar.gz")
  set(source "${peers_dir}/${name}")
  if(NOT EXISTS "${source}")
    # pip runs setup.py to learn the name of what it downloads, and that imports torch, of which it needs nothing for it.
    file(WRITE "${peers_dir}/no-torch/torch.py" "")
    copyspec_say("downloading ${name}.tar.gz from PyPI (0.2 MB)")
    copyspec_run("pip could not download ${name}.tar.gz: is PyPI reachable from here?"
      "${CMAKE_COMMAND}" -E env "PYTHONPATH=${peers_dir}/no-torch"
      "${peers_python}" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation
      --dest "${peers_dir}" arctic-inference==${arctic_version})
    file(SHA256 "${archive}" actual)
    if(NOT actual STREQUAL arctic_sha256)
      file(REMOVE "${archive}")
      message(FATAL_ERROR "copyspec: what was downloaded as ${name}.tar.gz is not the pinned file\n"
                          "  expected SHA-256 ${arctic_sha256}\n  actual SHA-256   ${actual}")
    endif()
    file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${peers_dir}/extracting")
    file(RENAME "${peers_dir}/extracting/${name}" "${source}")
    file(REMOVE_RECURSE "${peers_dir}/extracting")
  endif()
  set(peers_arctic "${source}" PARENT_SCOPE)
endfunction()

# Builds `target` in build/peers/build.
function(build_peers target)
  prepare_peers_venv()
  extract_engine()
  prepare_suffix_trees()
  copyspec_say("building build/peers/build")
  copyspec_run("configuring build/peers/build failed, see above"
    "${CMAKE_COMMAND}" -G Ninja -S "${copyspec_root}/bench/peers" -B "${peers_dir}/build"
    --log-level=WARNING -D CMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=${engine_prefix}"
    "-DPEERS_LLAMA=${engine_source}" "-DPEERS_ARCTIC=${peers_arctic}")
  copyspec_run("building build/peers/build failed, see above"
    "${CMAKE_COMMAND}" --build "${peers_dir}/build" --target ${target})
endfunction()

# Makes the tables of what was measured with a script of bench/peers.
function(report_peers script)
  copyspec_run("no table was made, see above"
    "${peers_python}" "${copyspec_root}/bench/peers/${script}" "${peers_dir}")
endfunction()
