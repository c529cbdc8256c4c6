// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/tidewatch_service.h"

#include "serve/grpc/classify_call.h"
#include "serve/grpc/ingest_stream.h"
#include "serve/grpc/watch_stream.h"

namespace tidewatch {

grpc::ServerBidiReactor<v1::IngestRequest, v1::IngestResponse>* TidewatchService::Ingest(
    grpc::CallbackServerContext* context) {
  const auto stream = std::make_shared<IngestStream>(core_, *context);
  stream->hold();
  return stream.get();
}

grpc::ServerUnaryReactor* TidewatchService::Classify(grpc::CallbackServerContext* context,
                                                     const v1::ClassifyRequest* request,
                                                     v1::ClassifyResponse* response) {
  const SteadyTime now = core_->clock.steady_now();
  // The call's own message: nobody else reads it, so that its texts can be moved.
  auto& own = const_cast<v1::ClassifyRequest&>(*request);  // NOLINT
  response->set_request(request->request());
  Result<ClassifyCall> call = to_call(own, core_->options, now, deadline_of(*context, now));
  return UnaryInference::start(core_, *context, std::move(call),
                               [core = core_, response](Result<ClassifyResult> result) {
                                 fill(*result, core->engine.labels(), *response);
                                 return grpc::Status::OK;
                               });
}

grpc::ServerBidiReactor<v1::ClassifyRequest, v1::ClassifyResponse>*
TidewatchService::ClassifyStream(grpc::CallbackServerContext* context) {
  const auto stream = std::make_shared<tidewatch::ClassifyStream>(core_, *context);
  stream->hold();
  return stream.get();
}

grpc::ServerWriteReactor<v1::WatchResponse>* TidewatchService::Watch(
    grpc::CallbackServerContext* context, const v1::WatchRequest* request) {
  return WatchStream::start(core_, *context, *request);
}

}  // namespace tidewatch
