# SPDX-License-Identifier: Apache-2.0
# tidewatch_dashboard_source(OUT) gives the .cc that defines dashboard_files(). With
# TIDEWATCH_DASHBOARD=ON it is generated from web/, which is built with npm in a copy below the
# build folder, so that the source tree stays clean; target `tidewatch_dashboard` builds only that.
function(tidewatch_dashboard_source out)
  set(web "${PROJECT_SOURCE_DIR}/web")
  if(NOT TIDEWATCH_DASHBOARD)
    set(${out} "${PROJECT_SOURCE_DIR}/src/serve/no_dashboard.cc" PARENT_SCOPE)
    return()
  endif()
  if(NOT EXISTS "${web}/package-lock.json")
    message(FATAL_ERROR "web/package-lock.json is missing, so the dashboard cannot be built. "
                        "Restore web/, or configure with -DTIDEWATCH_DASHBOARD=OFF")
  endif()
  find_program(TIDEWATCH_NPM npm)
  if(NOT TIDEWATCH_NPM)
    message(FATAL_ERROR "npm was not found; the dashboard needs it. Install it with: "
                        "apt-get install nodejs npm\n"
                        "or configure with -DTIDEWATCH_DASHBOARD=OFF")
  endif()

  # What the build reads: all of web/ but what it makes and what only its tests need.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS LIST_DIRECTORIES false
       "${web}/src/*" "${web}/public/*")
  file(GLOB top CONFIGURE_DEPENDS LIST_DIRECTORIES false
       "${web}/*.html" "${web}/*.ts" "${web}/*.js" "${web}/*.mjs" "${web}/*.json" "${web}/.npmrc")
  list(APPEND sources ${top})
  list(REMOVE_DUPLICATES sources)

  set(copy "${PROJECT_BINARY_DIR}/web")
  set(installed "${copy}/installed.stamp")
  file(GLOB packages CONFIGURE_DEPENDS "${web}/package.json" "${web}/package-lock.json"
       "${web}/.npmrc")
  add_custom_command(
    OUTPUT "${installed}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${copy}/tree"
    COMMAND ${CMAKE_COMMAND} -E copy ${packages} "${copy}/tree"
    COMMAND ${CMAKE_COMMAND} -E chdir "${copy}/tree"
            # Not `npm ci`: npm 11 refuses a lock file that lacks optional packages of other systems,
            # as one from a partial mirror does. This installs the lock's versions all the same.
            "${TIDEWATCH_NPM}" install --no-save --no-audit --no-fund --loglevel=error
    COMMAND ${CMAKE_COMMAND} -E touch "${installed}"
    DEPENDS ${packages}
    COMMENT "Installing the dashboard's tools (npm)"
    VERBATIM)

  set(generated "${PROJECT_BINARY_DIR}/web/dashboard_files.cc")
  add_custom_command(
    OUTPUT "${generated}"
    COMMAND ${CMAKE_COMMAND} "-DFROM=${web}" "-DTO=${copy}/tree"
            -P "${PROJECT_SOURCE_DIR}/cmake/CopyWeb.cmake"
    COMMAND ${CMAKE_COMMAND} -E chdir "${copy}/tree" "${TIDEWATCH_NPM}" run build
    COMMAND tidewatch_embed_files table "${generated}" dashboard_files "${copy}/tree/dist"
    DEPENDS "${installed}" ${sources} tidewatch_embed_files
            "${PROJECT_SOURCE_DIR}/cmake/CopyWeb.cmake"
    COMMENT "Building the dashboard"
    VERBATIM)
  add_custom_target(tidewatch_dashboard DEPENDS "${generated}")
  set(${out} "${generated}" PARENT_SCOPE)
endfunction()
