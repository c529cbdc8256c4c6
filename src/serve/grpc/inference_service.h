// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "serve/grpc/answer_stream.h"
#include "serve/grpc/grpc_core.h"
#include "serve/open_inference.h"

namespace tidewatch {

// A ModelInfer request as the engine takes it, and which outputs it wants. `deadline` is the
// call's. Texts are moved out of the request.
struct InferCall {
  ClassifyCall call;
  std::vector<InferOutput> outputs;
};
Result<InferCall> to_infer_call(Engine& engine, inference::ModelInferRequest& request,
                                SteadyTime now, SteadyTime deadline);
void fill(const ClassifyResult& result, std::span<const InferOutput> outputs,
          const LabelSchema& labels, inference::ModelInferResponse& response);

// One ModelStreamInfer call: answers in the order of the requests; a request that fails is answered
// with its reason and the stream goes on, as in Triton.
class InferStream final
    : public AnswerStream<inference::ModelInferRequest, inference::ModelStreamInferResponse> {
 public:
  InferStream(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context)
      : AnswerStream(std::move(core), context, Order::kInOrder) {}

 private:
  Status take(inference::ModelInferRequest& request, Slot* slot) override;
  std::size_t items(const inference::ModelInferRequest& request) const override;
  void abandoned() override { cancelled_->store(true, std::memory_order_relaxed); }

  const std::shared_ptr<CancelFlag> cancelled_ = std::make_shared<CancelFlag>(false);
};

// The Open Inference Protocol over gRPC: what Triton's and KServe's clients call.
class InferenceService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit InferenceService(std::shared_ptr<GrpcCore> core) : core_(std::move(core)) {}

 private:
  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* ServerLive(Context* context, const inference::ServerLiveRequest*,
                                       inference::ServerLiveResponse* response) override;
  grpc::ServerUnaryReactor* ServerReady(Context* context, const inference::ServerReadyRequest*,
                                        inference::ServerReadyResponse* response) override;
  grpc::ServerUnaryReactor* ModelReady(Context* context,
                                       const inference::ModelReadyRequest* request,
                                       inference::ModelReadyResponse* response) override;
  grpc::ServerUnaryReactor* ServerMetadata(Context* context,
                                           const inference::ServerMetadataRequest*,
                                           inference::ServerMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelMetadata(Context* context,
                                          const inference::ModelMetadataRequest* request,
                                          inference::ModelMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelInfer(Context* context,
                                       const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
  ModelStreamInfer(Context* context) override;
  grpc::ServerUnaryReactor* ModelConfig(Context* context,
                                        const inference::ModelConfigRequest* request,
                                        inference::ModelConfigResponse* response) override;
  grpc::ServerUnaryReactor* ModelStatistics(Context* context,
                                            const inference::ModelStatisticsRequest* request,
                                            inference::ModelStatisticsResponse* response) override;
  grpc::ServerUnaryReactor* RepositoryIndex(Context* context,
                                            const inference::RepositoryIndexRequest* request,
                                            inference::RepositoryIndexResponse* response) override;
  grpc::ServerUnaryReactor* RepositoryModelLoad(
      Context* context, const inference::RepositoryModelLoadRequest* request,
      inference::RepositoryModelLoadResponse* response) override;
  grpc::ServerUnaryReactor* RepositoryModelUnload(
      Context* context, const inference::RepositoryModelUnloadRequest* request,
      inference::RepositoryModelUnloadResponse* response) override;

  // Runs `work`, which may block, on the query pool and ends the call with what it returns.
  grpc::ServerUnaryReactor* on_pool(Context* context, std::function<Status()> work);

  const std::shared_ptr<GrpcCore> core_;
};

}  // namespace tidewatch
