# SPDX-License-Identifier: Apache-2.0
# tidewatch_proto(NAME tidewatch PROTO tidewatch/v1/tidewatch.proto) makes the static library
# tidewatch_proto_<NAME> of the messages and the gRPC service in proto/<PROTO>. What is generated
# stands in the build folder; whoever links the library includes it as
# "tidewatch/v1/tidewatch.grpc.pb.h", as a system header: its warnings are not ours.
function(tidewatch_proto)
  cmake_parse_arguments(ARG "" "NAME;PROTO" "" ${ARGN})
  set(root "${PROJECT_SOURCE_DIR}/proto")
  set(out "${PROJECT_BINARY_DIR}/proto")
  string(REGEX REPLACE "\\.proto$" "" stem "${ARG_PROTO}")
  set(generated "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h" "${out}/${stem}.grpc.pb.cc"
                "${out}/${stem}.grpc.pb.h")
  add_custom_command(
    OUTPUT ${generated}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${out}"
    COMMAND protobuf::protoc "--proto_path=${root}" "--cpp_out=${out}" "--grpc_out=${out}"
            "--plugin=protoc-gen-grpc=${TIDEWATCH_GRPC_PLUGIN}" "${root}/${ARG_PROTO}"
    DEPENDS "${root}/${ARG_PROTO}"
    COMMENT "Generating ${ARG_PROTO}"
    VERBATIM)
  add_library(tidewatch_proto_${ARG_NAME} STATIC ${generated})
  target_include_directories(tidewatch_proto_${ARG_NAME} SYSTEM PUBLIC "${out}")
  # gRPC's headers bring Abseil's macros of the same names as core/mutex.h's and the same meaning.
  # Theirs may redefine ours silently, being system headers; ours could not redefine theirs.
  target_compile_options(tidewatch_proto_${ARG_NAME} INTERFACE
                         "SHELL:-include ${PROJECT_SOURCE_DIR}/src/core/mutex.h")
  target_link_libraries(tidewatch_proto_${ARG_NAME} PUBLIC protobuf::libprotobuf PkgConfig::grpc)
endfunction()
