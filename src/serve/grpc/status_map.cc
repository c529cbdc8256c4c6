// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/status_map.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace tidewatch {

grpc::Status to_grpc(const Error& error) {
  if (error.code == Code::kOk) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(error.code), error.message};
}

grpc::Status to_grpc(const Error& error, grpc::CallbackServerContext& context) {
  if (error.code == Code::kResourceExhausted && error.retry_after.count() > 0) {
    context.AddTrailingMetadata("grpc-retry-pushback-ms",
                                std::to_string(error.retry_after.count()));
  }
  return to_grpc(error);
}

SteadyTime deadline_of(const grpc::CallbackServerContext& context, SteadyTime now) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return SteadyTime::max();
  const auto left = deadline - std::chrono::system_clock::now();
  // A century is never, and now + left must not overflow.
  if (left > std::chrono::hours{24 * 36'500}) return SteadyTime::max();
  return now + std::chrono::duration_cast<SteadyTime::duration>(left);
}

SteadyTime sooner(SteadyTime deadline, SteadyTime now, std::chrono::nanoseconds timeout) {
  if (timeout.count() <= 0 || timeout > SteadyTime::max() - now) return deadline;
  return std::min(deadline, now + std::chrono::duration_cast<SteadyTime::duration>(timeout));
}

}  // namespace tidewatch
