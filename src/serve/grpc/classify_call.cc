// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/classify_call.h"

#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "serve/open_inference.h"

namespace tidewatch {
namespace {

void fill_label(std::uint8_t best, std::string_view name, std::span<const float> probabilities,
                v1::Label& label) {
  label.set_label(std::string(name));
  label.set_probability(best < probabilities.size() ? probabilities[best] : 0.0F);
  label.mutable_probabilities()->Add(probabilities.begin(), probabilities.end());
}

}  // namespace

grpc::ServerUnaryReactor* UnaryInference::start(std::shared_ptr<GrpcCore> core,
                                                grpc::CallbackServerContext& context,
                                                Result<ClassifyCall> call, Fill fill) {
  const auto self = std::make_shared<UnaryInference>(std::move(core), context);
  self->self_ = self;
  if (!self->ticket_.ok()) call = CallTicket::refusal();
  if (!call) {
    self->finish([&] { return to_grpc(call.error(), context); });
    return self.get();
  }
  call->limits.cancelled = self->cancelled_;
  self->core_->engine.classify_async(
      *std::move(call), [self, fill = std::move(fill)](Result<ClassifyResult> result) {
        self->finish([&] {
          return result ? fill(std::move(result)) : to_grpc(result.error(), self->context_);
        });
      });
  return self.get();
}

void UnaryInference::OnCancel() {
  cancelled_->store(true, std::memory_order_relaxed);
  finish([] { return grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"); });
}

void UnaryInference::finish(const std::function<grpc::Status()>& answer) {
  MutexLock lock(mu_);
  if (std::exchange(finished_, true)) return;
  Finish(answer());
}

Result<ClassifyCall> to_call(v1::ClassifyRequest& request, const GrpcOptions& options,
                             SteadyTime now, SteadyTime deadline) {
  const auto count = static_cast<std::size_t>(request.texts_size());
  if (count > options.call_texts_max) {
    return Error{Code::kInvalidArgument, std::to_string(count) + " texts; at most " +
                                             std::to_string(options.call_texts_max) +
                                             " are taken in one request"};
  }
  ClassifyCall call;
  TRY_ASSIGN(call.limits.priority, infer_priority(request.priority()));
  call.limits.deadline = sooner(deadline, now, std::chrono::milliseconds{request.timeout_ms()});
  call.model = request.model();
  call.texts.reserve(count);
  for (std::string& text : *request.mutable_texts()) call.texts.push_back(std::move(text));
  return call;
}

void fill(const ClassifyResult& result, const LabelSchema& labels, v1::ClassifyResponse& response) {
  response.set_model(result.model);
  response.set_version(result.version);
  response.mutable_results()->Reserve(static_cast<int>(result.scores.size()));
  for (std::size_t i = 0; i < result.scores.size(); ++i) {
    const Scores& scores = result.scores[i];
    v1::Labels& wire = *response.add_results();
    fill_label(scores.emotion, labels.emotion_name(scores.emotion),
               std::span(scores.emotion_prob).first(labels.emotions.size()),
               *wire.mutable_emotion());
    fill_label(scores.topic, labels.topic_name(scores.topic),
               std::span(scores.topic_prob).first(labels.topics.size()), *wire.mutable_topic());
    if (i < result.answered_by.size()) wire.set_answered_by(result.answered_by[i]);
  }
}

Status ClassifyStream::take(v1::ClassifyRequest& request, Slot* slot) {
  const SteadyTime now = core().clock.steady_now();
  slot->response.set_request(request.request());
  Result<ClassifyCall> call = to_call(request, core().options, now, deadline_of(context(), now));
  const auto answer = [self = shared_from_this(), slot,
                       &core = core()](const Result<ClassifyResult>& result) {
    if (result) {
      fill(*result, core.engine.labels(), slot->response);
    } else {
      slot->response.set_error_code(static_cast<std::int32_t>(result.error().code));
      slot->response.set_error_message(result.error().message);
    }
    self->answered(slot);
  };
  if (!call) {
    answer(call.error());  // of this request: the stream goes on
    return {};
  }
  call->limits.cancelled = cancelled_;
  core().engine.classify_async(*std::move(call), answer);
  return {};
}

}  // namespace tidewatch
