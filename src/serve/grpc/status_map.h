// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "core/clock.h"
#include "core/request_limits.h"
#include "core/result.h"

namespace tidewatch {

// The one place where codes meet: ours are numbered as gRPC's.
grpc::Status to_grpc(const Error& error);

// The same as the answer of a call: kResourceExhausted also says in the trailing metadata
// grpc-retry-pushback-ms when to come back, if the engine predicts it.
grpc::Status to_grpc(const Error& error, grpc::CallbackServerContext& context);

// The deadline of a call in our time; max() when it has none.
SteadyTime deadline_of(const grpc::CallbackServerContext& context, SteadyTime now);

// `timeout` from `now` on, or `deadline` when that is sooner. 0: no timeout.
SteadyTime sooner(SteadyTime deadline, SteadyTime now, std::chrono::nanoseconds timeout);

}  // namespace tidewatch
