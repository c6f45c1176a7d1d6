# copyspec::cuda: kernels in headers, for consumers that compile CUDA sources.

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  # What data centres run, and code for what comes after.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 100-virtual)
endif()
enable_language(CUDA)
if(PROJECT_IS_TOP_LEVEL)
  # Else CMake takes it from CXX, and adds an older standard for it.
  set(CMAKE_CUDA_EXTENSIONS ON)
endif()

add_library(copyspec_cuda INTERFACE)
add_library(copyspec::cuda ALIAS copyspec_cuda)
set_target_properties(copyspec_cuda PROPERTIES EXPORT_NAME cuda VERIFY_INTERFACE_HEADER_SETS OFF)
if("cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
  target_compile_features(copyspec_cuda INTERFACE cuda_std_20)
else()
  # CMake 3.25 does not know the feature for nvcc 13.
  target_compile_options(copyspec_cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>")
endif()
file(GLOB_RECURSE copyspec_cuda_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/*.cuh")
target_sources(copyspec_cuda INTERFACE FILE_SET HEADERS BASE_DIRS include FILES ${copyspec_cuda_headers})
