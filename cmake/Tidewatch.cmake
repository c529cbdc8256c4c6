# SPDX-License-Identifier: Apache-2.0
# Helpers that every stage uses.

add_library(tidewatch_flags INTERFACE)
target_compile_options(tidewatch_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 reports std::string assignments (GCC bug 105651, fixed in 13).
  target_compile_options(tidewatch_flags INTERFACE -Wno-restrict)
endif()
if(TIDEWATCH_WERROR)
  target_compile_options(tidewatch_flags INTERFACE -Werror)
endif()
target_include_directories(tidewatch_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(tidewatch_flags INTERFACE Threads::Threads)

# tidewatch_stage(NAME tokenize SOURCES a.cc DEPENDS tidewatch_core PRIVATE_DEPENDS fmt::fmt)
# makes the static library tidewatch_<NAME>.
function(tidewatch_stage)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(tidewatch_${ARG_NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(tidewatch_${ARG_NAME} PUBLIC tidewatch_flags ${ARG_DEPENDS}
                        PRIVATE ${ARG_PRIVATE_DEPENDS})
endfunction()

# TBB, within OpenVINO, loads a library in a way that sanitizers refuse unless it is told.
set(TIDEWATCH_TEST_ENVIRONMENT "TBB_ENABLE_SANITIZERS=1"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")

# tidewatch_test(NAME foo_test SOURCES foo_test.cc DEPENDS tidewatch_foo [LABELS e2e])
# makes a GoogleTest program and registers it with ctest as one test a program.
function(tidewatch_test)
  if(NOT TIDEWATCH_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPENDS} tidewatch_flags GTest::gmock
                        GTest::gtest_main)
  target_compile_definitions(
    ${ARG_NAME} PRIVATE TIDEWATCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                        TIDEWATCH_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared")
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${ARG_NAME} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                                              ENVIRONMENT "${TIDEWATCH_TEST_ENVIRONMENT}")
endfunction()
