# Directory options of this build: they reach the targets defined here and the header verification,
# and are not part of what a consumer of copyspec::copyspec inherits.
set(copyspec_warnings
    -Wall
    -Wextra
    -Wpedantic
    -Wcast-qual
    -Wconversion
    -Wextra-semi
    -Wnon-virtual-dtor
    -Wold-style-cast
    -Woverloaded-virtual
    -Wshadow
    -Wsign-conversion)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${copyspec_warnings}>")
# The host compiler sees what nvcc makes of the source, which is not written for all of these.
add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>")
