# SPDX-License-Identifier: Apache-2.0
# Every dependency of the engine, in one place. scripts/dependencies installs what this file checks
# (the lines that begin with "# apt:" are its list).
# apt: g++ cmake ninja-build ccache pkg-config git ca-certificates make
# apt: libsimdjson-dev libsqlite3-dev libssl-dev libboost1.81-dev libfmt-dev libspdlog-dev
# apt: libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libgtest-dev libgmock-dev libbenchmark-dev libxxhash-dev libre2-dev
# apt: libcurl4-openssl-dev zlib1g-dev libzstd-dev prometheus-cpp-dev
# apt: librdkafka-dev libexpat1-dev libzip-dev
# apt: libabsl-dev tzdata libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
# apt: python3 python3-venv nodejs npm
# apt-test: zstd curl chromium fonts-noto-cjk sqlite3
# apt-test: default-jre-headless maven
# apt-lint: clang-19 clang-tidy-19 libclang-rt-19-dev

set(TIDEWATCH_OPENVINO_VERSION 2026.4.1)  # pip: openvino==2026.4.1, in .venv

# Stops with the name of the package to install when a library is not there.
macro(tidewatch_require what found package)
  if(NOT ${found})
    message(FATAL_ERROR "${what} was not found. Install it with: apt-get install ${package}\n"
                        "or install everything at once with: scripts/dependencies")
  endif()
endmacro()

find_package(Threads REQUIRED)
find_package(simdjson CONFIG QUIET)
tidewatch_require("simdjson" simdjson_FOUND libsimdjson-dev)
find_package(SQLite3 QUIET)
tidewatch_require("SQLite" SQLite3_FOUND libsqlite3-dev)
find_package(OpenSSL QUIET)
tidewatch_require("OpenSSL" OPENSSL_FOUND libssl-dev)
find_package(Boost 1.81 QUIET)
tidewatch_require("Boost 1.81" Boost_FOUND libboost1.81-dev)
find_package(fmt CONFIG QUIET)
tidewatch_require("fmt" fmt_FOUND libfmt-dev)
find_package(spdlog CONFIG QUIET)
tidewatch_require("spdlog" spdlog_FOUND libspdlog-dev)
find_package(CLI11 CONFIG QUIET)
tidewatch_require("CLI11" CLI11_FOUND libcli11-dev)
find_package(tomlplusplus CONFIG QUIET)
tidewatch_require("toml++" tomlplusplus_FOUND libtomlplusplus-dev)
find_package(nlohmann_json CONFIG QUIET)
tidewatch_require("nlohmann-json" nlohmann_json_FOUND nlohmann-json3-dev)
find_package(prometheus-cpp CONFIG QUIET)
tidewatch_require("prometheus-cpp" prometheus-cpp_FOUND prometheus-cpp-dev)
find_package(CURL 7.88 QUIET)
tidewatch_require("libcurl" CURL_FOUND libcurl4-openssl-dev)
find_package(ZLIB QUIET)
tidewatch_require("zlib" ZLIB_FOUND zlib1g-dev)
find_package(PkgConfig QUIET)
tidewatch_require("pkg-config" PkgConfig_FOUND pkg-config)
pkg_check_modules(zstd QUIET IMPORTED_TARGET libzstd)
tidewatch_require("zstd" zstd_FOUND libzstd-dev)
pkg_check_modules(xxhash QUIET IMPORTED_TARGET libxxhash)
tidewatch_require("xxHash" xxhash_FOUND libxxhash-dev)
pkg_check_modules(re2 QUIET IMPORTED_TARGET re2)
tidewatch_require("RE2" re2_FOUND libre2-dev)
pkg_check_modules(rdkafka QUIET IMPORTED_TARGET rdkafka++>=2.0 rdkafka>=2.0)
tidewatch_require("librdkafka 2.0" rdkafka_FOUND librdkafka-dev)
find_package(EXPAT 2.5 QUIET)
tidewatch_require("expat 2.5" EXPAT_FOUND libexpat1-dev)
pkg_check_modules(libzip QUIET IMPORTED_TARGET libzip)
tidewatch_require("libzip" libzip_FOUND libzip-dev)
find_package(Protobuf 3.21 QUIET)
tidewatch_require("Protobuf" Protobuf_FOUND "libprotobuf-dev protobuf-compiler")
pkg_check_modules(grpc QUIET IMPORTED_TARGET grpc++>=1.51)
tidewatch_require("gRPC" grpc_FOUND libgrpc++-dev)
find_program(TIDEWATCH_GRPC_PLUGIN grpc_cpp_plugin)
tidewatch_require("grpc_cpp_plugin" TIDEWATCH_GRPC_PLUGIN protobuf-compiler-grpc)
# Time zones; libgrpc++-dev depends on it.
find_package(absl CONFIG QUIET)
tidewatch_require("Abseil" absl_FOUND libabsl-dev)
# Part of libgrpc++-dev in Debian; the server does without where it is missing.
find_library(TIDEWATCH_GRPC_REFLECTION grpc++_reflection)

# OpenVINO's wheel ships headers, libraries and a CMake package; it lives in the project's own .venv.
file(GLOB TIDEWATCH_OPENVINO_DIRS
     "${PROJECT_SOURCE_DIR}/.venv/lib/python3.*/site-packages/openvino/cmake")
if(NOT TIDEWATCH_OPENVINO_DIRS)
  message(FATAL_ERROR "OpenVINO was not found in .venv. Install it with: scripts/dependencies\n"
                      "(it runs: python3 -m venv .venv && .venv/bin/pip install "
                      "openvino==${TIDEWATCH_OPENVINO_VERSION})")
endif()
list(GET TIDEWATCH_OPENVINO_DIRS 0 OpenVINO_DIR)
find_package(OpenVINO CONFIG QUIET COMPONENTS Runtime)
tidewatch_require("OpenVINO ${TIDEWATCH_OPENVINO_VERSION}" OpenVINO_FOUND
                  "python3-venv && scripts/dependencies")

if(TIDEWATCH_TESTS)
  find_package(GTest CONFIG QUIET)
  tidewatch_require("GoogleTest" GTest_FOUND "libgtest-dev libgmock-dev")
endif()
if(TIDEWATCH_BENCHMARKS)
  find_package(benchmark CONFIG QUIET)
  tidewatch_require("Google Benchmark" benchmark_FOUND libbenchmark-dev)
endif()
