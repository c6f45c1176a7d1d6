# How the scripts get the Debian packages that they need.

include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/script.cmake")

function(copyspec_install_packages)
  list(JOIN ARGN " " names)
  find_program(apt_get apt-get NO_CACHE)
  find_program(sudo sudo NO_CACHE)
  set(as_root NOTFOUND)
  execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(user STREQUAL "0")
    set(as_root env)
  elseif(sudo)
    execute_process(COMMAND "${sudo}" -n true RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
      set(as_root "${sudo}" -n env)
    endif()
  endif()
  if(NOT apt_get)
    message(FATAL_ERROR "copyspec: install what Debian calls ${names}, then run this again")
  endif()
  if(NOT as_root)
    message(FATAL_ERROR "copyspec: Debian packages are missing and this user may not install them; "
                        "run this, then start again:\n  sudo apt-get install ${names}")
  endif()

  copyspec_say("installing Debian packages: ${names}")
  set(apt ${as_root} DEBIAN_FRONTEND=noninteractive "${apt_get}" -o DPkg::Lock::Timeout=300)
  # Lists that are out of date may still do, so only the installation decides.
  execute_process(COMMAND ${apt} update)
  copyspec_run("apt-get could not install ${names}, see above"
    ${apt} install -y --no-install-recommends ${ARGN})
endfunction()

# Installs `package` unless `program` is there.
function(copyspec_require_program program package)
  find_program(found ${program} NO_CACHE)
  if(NOT found)
    copyspec_install_packages(${package})
  endif()
endfunction()
