# find_package(REQUIRED) that names the Debian package to install. A macro: find_package sets
# variables its caller may need.
macro(copyspec_require debian_package name)
  find_package(${name} ${ARGN} QUIET)
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} not found: apt-get install ${debian_package}")
  endif()
endmacro()
