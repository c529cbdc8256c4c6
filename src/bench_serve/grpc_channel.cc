// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/grpc_channel.h"

#include <fmt/format.h>

namespace tidewatch {
namespace {

constexpr std::chrono::seconds kConnectTimeout{10};

}  // namespace

std::shared_ptr<grpc::Channel> open_grpc_channel(const TransportOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  const bool v6 = options.host.find(':') != std::string::npos;
  return grpc::CreateCustomChannel(v6 ? fmt::format("[{}]:{}", options.host, options.port)
                                      : fmt::format("{}:{}", options.host, options.port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

Status wait_connected(grpc::Channel& channel, const TransportOptions& options) {
  if (channel.WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) return {};
  return Error{Code::kUnavailable,
               fmt::format("no gRPC server answers at {}:{}", options.host, options.port)};
}

PostOutcome grpc_outcome(grpc::StatusCode code) noexcept {
  switch (code) {
    case grpc::StatusCode::OK:
      return PostOutcome::kAccepted;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return PostOutcome::kRefused;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return PostOutcome::kExpired;
    default:
      return PostOutcome::kFailed;
  }
}

}  // namespace tidewatch
