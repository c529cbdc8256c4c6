// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "serve/grpc/grpc_core.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {

// tidewatch.v1 over the engine: only who answers which call.
class TidewatchService final : public v1::Tidewatch::CallbackService {
 public:
  explicit TidewatchService(std::shared_ptr<GrpcCore> core) : core_(std::move(core)) {}

 private:
  grpc::ServerBidiReactor<v1::IngestRequest, v1::IngestResponse>* Ingest(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context,
                                     const v1::ClassifyRequest* request,
                                     v1::ClassifyResponse* response) override;
  grpc::ServerBidiReactor<v1::ClassifyRequest, v1::ClassifyResponse>* ClassifyStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext* context,
                                                     const v1::WatchRequest* request) override;

  const std::shared_ptr<GrpcCore> core_;
};

}  // namespace tidewatch
