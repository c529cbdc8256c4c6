// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "core/mutex.h"
#include "serve/grpc/answer_stream.h"
#include "serve/grpc/grpc_core.h"
#include "serve/grpc/status_map.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {

// A unary call that asks the engine for labels. The client's going away (or its deadline) sets the
// cancel flag of the request, so that the engine drops its work, and ends the call at once.
// Ownership: holds itself until OnDone; the engine's answer holds it too.
class UnaryInference final : public grpc::ServerUnaryReactor,
                             public std::enable_shared_from_this<UnaryInference> {
 public:
  // Puts the answer into the call's response.
  using Fill = std::function<grpc::Status(Result<ClassifyResult>)>;

  // Starts the call and returns its reactor. `fill` is called at most once.
  static grpc::ServerUnaryReactor* start(std::shared_ptr<GrpcCore> core,
                                         grpc::CallbackServerContext& context,
                                         Result<ClassifyCall> call, Fill fill);

  UnaryInference(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context)
      : core_(std::move(core)), context_(context), ticket_(*core_) {}

 private:
  void OnCancel() override;
  // Ends the call with what `answer` gives, unless it has ended: then the response is gone too.
  void finish(const std::function<grpc::Status()>& answer) EXCLUDES(mu_);
  void OnDone() override { const auto self = std::move(self_); }

  const std::shared_ptr<GrpcCore> core_;
  grpc::CallbackServerContext& context_;
  const CallTicket ticket_;
  const std::shared_ptr<CancelFlag> cancelled_ = std::make_shared<CancelFlag>(false);
  std::shared_ptr<UnaryInference> self_;  // until OnDone
  Mutex mu_;
  bool finished_ GUARDED_BY(mu_) = false;
};

// What tidewatch.v1 asks, as the engine takes it. kInvalidArgument: too many texts, or no such
// priority. `deadline` is the call's.
Result<ClassifyCall> to_call(v1::ClassifyRequest& request, const GrpcOptions& options,
                             SteadyTime now, SteadyTime deadline);
void fill(const ClassifyResult& result, const LabelSchema& labels, v1::ClassifyResponse& response);

// One ClassifyStream call: answers come as they are ready, known by `request`.
class ClassifyStream final : public AnswerStream<v1::ClassifyRequest, v1::ClassifyResponse> {
 public:
  ClassifyStream(std::shared_ptr<GrpcCore> core, grpc::CallbackServerContext& context)
      : AnswerStream(std::move(core), context, Order::kAsTheyCome) {}

 private:
  Status take(v1::ClassifyRequest& request, Slot* slot) override;
  std::size_t items(const v1::ClassifyRequest& request) const override {
    return static_cast<std::size_t>(request.texts_size());
  }
  void abandoned() override { cancelled_->store(true, std::memory_order_relaxed); }

  const std::shared_ptr<CancelFlag> cancelled_ = std::make_shared<CancelFlag>(false);
};

}  // namespace tidewatch
