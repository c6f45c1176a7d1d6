# add_llama_parts(TARGET SOURCE PART...): a static library of parts of llama.cpp's `common`, which llama.cpp does not install. SOURCE
# is its source tree; a part is a source file below `common/`, without its suffix. Needs find_package(llama).
function(add_llama_parts target source)
  set(sources ${ARGN})
  list(TRANSFORM sources PREPEND "${source}/common/")
  list(TRANSFORM sources APPEND .cpp)
  add_library(${target} STATIC ${sources})
  target_compile_features(${target} PUBLIC cxx_std_17)
  # So that the linker drops whatever calls the parts that are not here.
  target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections)
  target_link_options(${target} INTERFACE -Wl,--gc-sections)
  target_link_libraries(${target} PUBLIC llama)
endfunction()
