// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/grpc_core.h"

namespace tidewatch {

void GrpcCore::add(const std::shared_ptr<OpenStream>& stream) {
  {
    MutexLock lock(mu);
    streams.emplace(stream.get(), stream);
  }
  if (stopping) stream->server_stops();
}

void GrpcCore::remove(OpenStream* stream) {
  MutexLock lock(mu);
  streams.erase(stream);
}

void GrpcCore::stop_streams() {
  std::vector<std::shared_ptr<OpenStream>> open;
  {
    MutexLock lock(mu);
    for (const auto& [key, weak] : streams) {
      if (auto stream = weak.lock()) open.push_back(std::move(stream));
    }
  }
  for (const auto& stream : open) stream->server_stops();
}

}  // namespace tidewatch
