# Directory options of this build: they reach the targets defined here and the header verification,
# and are not part of what a consumer of copyspec::copyspec inherits.
add_compile_options(
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
