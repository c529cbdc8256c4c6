// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "bench_serve/transport.h"

namespace tidewatch {

// A connection of its own to options.host and port, not shared with other channels.
std::shared_ptr<grpc::Channel> open_grpc_channel(const TransportOptions& options);

// Waits until it is connected; kUnavailable after ten seconds.
Status wait_connected(grpc::Channel& channel, const TransportOptions& options);

PostOutcome grpc_outcome(grpc::StatusCode code) noexcept;

}  // namespace tidewatch
