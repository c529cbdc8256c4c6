# SPDX-License-Identifier: Apache-2.0
# cmake -DFROM=web -DTO=copy -P CopyWeb.cmake: makes the copy's sources equal to web/'s, and leaves
# the copy's node_modules alone. Files that web/ no longer has are removed.
file(REAL_PATH "${FROM}" FROM)
file(GLOB old "${TO}/*")
foreach(path IN LISTS old)
  get_filename_component(name "${path}" NAME)
  if(NOT name STREQUAL "node_modules")
    file(REMOVE_RECURSE "${path}")
  endif()
endforeach()
file(COPY "${FROM}/" DESTINATION "${TO}"
     PATTERN node_modules EXCLUDE
     PATTERN dist EXCLUDE)
