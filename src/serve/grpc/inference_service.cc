// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/inference_service.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "serve/grpc/classify_call.h"
#include "serve/open_inference.h"

namespace tidewatch {
namespace {

// Ends a call at once.
grpc::ServerUnaryReactor* end(grpc::CallbackServerContext* context, const Status& status = {}) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status ? grpc::Status::OK : to_grpc(status.error(), *context));
  return reactor;
}

// A whole number from any of the types that clients choose for it; 0 when it is not there.
Result<std::uint64_t> whole_number(
    const google::protobuf::Map<std::string, inference::InferParameter>& parameters,
    const std::string& name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::uint64_t{0};
  const inference::InferParameter& parameter = found->second;
  if (parameter.has_uint64_param()) return parameter.uint64_param();
  if (parameter.has_int64_param() && parameter.int64_param() >= 0) {
    return static_cast<std::uint64_t>(parameter.int64_param());
  }
  return Error{Code::kInvalidArgument, "parameter '" + name + "' must be a whole number"};
}

Status check_output(const inference::ModelInferRequest::InferRequestedOutputTensor& output) {
  for (const char* unsupported : {"classification", "shared_memory_region"}) {
    if (output.parameters().contains(unsupported)) {
      return Error{Code::kInvalidArgument,
                   "output '" + output.name() + "': " + unsupported + " is not supported"};
    }
  }
  return {};
}

Result<std::vector<std::string>> take_texts(inference::ModelInferRequest& request) {
  if (request.inputs_size() != 1) {
    return Error{Code::kInvalidArgument, "the request must have exactly one input, 'text'"};
  }
  auto& input = *request.mutable_inputs(0);
  if (input.parameters().contains("shared_memory_region")) {
    return Error{Code::kInvalidArgument, "shared memory is not supported"};
  }
  TRY_ASSIGN(
      const std::size_t count,
      text_count(input.name(), input.datatype(),
                 std::span(input.shape().data(), static_cast<std::size_t>(input.shape_size()))));
  if (request.raw_input_contents_size() > 0) {
    if (request.raw_input_contents_size() != 1) {
      return Error{Code::kInvalidArgument, "raw_input_contents must have one element an input"};
    }
    return unpack_texts(request.raw_input_contents(0), count);
  }
  auto& elements = *input.mutable_contents()->mutable_bytes_contents();
  if (static_cast<std::size_t>(elements.size()) != count) {
    return Error{Code::kInvalidArgument, "input 'text' has " + std::to_string(elements.size()) +
                                             " elements but its shape names " +
                                             std::to_string(count)};
  }
  return std::vector<std::string>(std::make_move_iterator(elements.begin()),
                                  std::make_move_iterator(elements.end()));
}

void fill(const ModelStatistics::Duration& from, inference::StatisticDuration& to) {
  to.set_count(from.count);
  to.set_ns(static_cast<std::uint64_t>(from.total.count()));
}

void fill(const ModelStatistics& from, inference::ModelStatistics& to) {
  to.set_name(from.name);
  to.set_version(from.version);
  to.set_last_inference(static_cast<std::uint64_t>(from.last_inference.time_since_epoch().count()));
  to.set_inference_count(from.inference_count);
  to.set_execution_count(from.execution_count);
  inference::InferStatistics& stats = *to.mutable_inference_stats();
  fill(from.success, *stats.mutable_success());
  fill(from.fail, *stats.mutable_fail());
  fill(from.queue, *stats.mutable_queue());
  fill({}, *stats.mutable_compute_input());
  fill(from.compute, *stats.mutable_compute_infer());
  fill({}, *stats.mutable_compute_output());
  fill(from.cache_hit, *stats.mutable_cache_hit());
  fill(from.cache_miss, *stats.mutable_cache_miss());
}

}  // namespace

Result<InferCall> to_infer_call(Engine& engine, inference::ModelInferRequest& request,
                                SteadyTime now, SteadyTime deadline) {
  const auto model = find_model(engine, request.model_name(), request.model_version());
  if (!model) return model.error();
  InferCall infer;
  infer.call.model = request.model_name();
  TRY_ASSIGN(const std::uint64_t timeout_us, whole_number(request.parameters(), "timeout"));
  TRY_ASSIGN(const std::uint64_t priority, whole_number(request.parameters(), "priority"));
  TRY_ASSIGN(infer.call.limits.priority, infer_priority(priority));
  constexpr std::uint64_t kDayUs = 86'400'000'000;  // longer is no bound, and must not overflow
  infer.call.limits.deadline =
      sooner(deadline, now, std::chrono::microseconds{std::min(timeout_us, kDayUs)});
  for (const auto& output : request.outputs()) {
    TRY(check_output(output));
    TRY_ASSIGN(const InferOutput wanted, find_output(output.name()));
    infer.outputs.push_back(wanted);
  }
  if (infer.outputs.empty()) infer.outputs.assign(kInferOutputs.begin(), kInferOutputs.end());
  TRY_ASSIGN(infer.call.texts, take_texts(request));
  return infer;
}

void fill(const ClassifyResult& result, std::span<const InferOutput> outputs,
          const LabelSchema& labels, inference::ModelInferResponse& response) {
  response.set_model_name(result.model);
  response.set_model_version(result.version);
  const auto n = static_cast<std::int64_t>(result.scores.size());
  for (const InferOutput output : outputs) {
    auto& tensor = *response.add_outputs();
    tensor.set_name(std::string(output_name(output)));
    tensor.set_datatype(std::string(output_datatype(output)));
    for (const std::int64_t size : output_shape(output, n, labels)) tensor.add_shape(size);
    response.add_raw_output_contents(pack_output(output, result, labels));
  }
}

Status InferStream::take(inference::ModelInferRequest& request, Slot* slot) {
  const SteadyTime now = core().clock.steady_now();
  auto& response = *slot->response.mutable_infer_response();
  response.set_id(request.id());
  Result<InferCall> infer = to_infer_call(core().engine, request, now, deadline_of(context(), now));
  if (!infer) {
    slot->response.set_error_message(infer.error().message);
    answered(slot);
    return {};
  }
  infer->call.limits.cancelled = cancelled_;
  core().engine.classify_async(
      std::move(infer->call),
      [self = shared_from_this(), slot, &engine = core().engine,
       outputs = std::move(infer->outputs)](const Result<ClassifyResult>& result) {
        if (result) {
          fill(*result, outputs, engine.labels(), *slot->response.mutable_infer_response());
        } else {
          slot->response.set_error_message(result.error().message);
        }
        self->answered(slot);
      });
  return {};
}

std::size_t InferStream::items(const inference::ModelInferRequest& request) const {
  if (request.inputs_size() == 0 || request.inputs(0).shape_size() == 0) return 0;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(
      request.inputs(0).shape(0), 0, static_cast<std::int64_t>(kInferTextsMax)));
}

grpc::ServerUnaryReactor* InferenceService::ServerLive(Context* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  response->set_live(true);
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(Context* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  response->set_ready(core_->engine.ready().ok());
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(Context* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  const auto model = find_model(core_->engine, request->name(), request->version());
  response->set_ready(model.ok() && model->ready);
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    Context* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  response->set_name(std::string(kInferServerName));
  response->set_version(std::string(kInferServerVersion));
  for (const std::string_view extension : kInferExtensions) {
    if (extension != "binary_tensor_data") response->add_extensions(std::string(extension));
  }
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    Context* context, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  const auto model = find_model(core_->engine, request->name(), request->version());
  if (!model) return end(context, model.error());
  response->set_name(model->name);
  response->add_versions(model->version);
  response->set_platform(model->backend);
  auto& input = *response->add_inputs();
  input.set_name(std::string(kTextInput));
  input.set_datatype("BYTES");
  input.add_shape(-1);
  for (const InferOutput output : kInferOutputs) {
    auto& tensor = *response->add_outputs();
    tensor.set_name(std::string(output_name(output)));
    tensor.set_datatype(std::string(output_datatype(output)));
    for (const auto size : output_shape(output, -1, core_->engine.labels())) tensor.add_shape(size);
  }
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(Context* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  const SteadyTime now = core_->clock.steady_now();
  // The call's own message: nobody else reads it, so that its texts can be moved.
  auto& own = const_cast<inference::ModelInferRequest&>(*request);  // NOLINT
  response->set_id(request->id());
  Result<InferCall> infer = to_infer_call(core_->engine, own, now, deadline_of(*context, now));
  if (!infer) return end(context, infer.error());
  return UnaryInference::start(
      core_, *context, std::move(infer->call),
      [core = core_, response, outputs = std::move(infer->outputs)](Result<ClassifyResult> result) {
        fill(*result, outputs, core->engine.labels(), *response);
        return grpc::Status::OK;
      });
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
InferenceService::ModelStreamInfer(Context* context) {
  const auto stream = std::make_shared<InferStream>(core_, *context);
  stream->hold();
  return stream.get();
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    Context* context, const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  const auto model = find_model(core_->engine, request->name(), request->version());
  if (!model) return end(context, model.error());
  inference::ModelConfig& config = *response->mutable_config();
  config.set_name(model->name);
  config.set_platform(model->backend);
  config.set_backend(model->backend);
  // The tensors' own first dimension counts texts: there is none for batches before it.
  config.set_max_batch_size(0);
  auto& input = *config.add_input();
  input.set_name(std::string(kTextInput));
  input.set_data_type(inference::TYPE_STRING);
  input.add_dims(-1);
  for (const InferOutput output : kInferOutputs) {
    auto& tensor = *config.add_output();
    tensor.set_name(std::string(output_name(output)));
    tensor.set_data_type(output_datatype(output) == "BYTES" ? inference::TYPE_STRING
                                                            : inference::TYPE_FP32);
    for (const auto size : output_shape(output, -1, core_->engine.labels())) tensor.add_dims(size);
  }
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    Context* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  if (!request->name().empty()) {
    const auto model = find_model(core_->engine, request->name(), request->version());
    if (!model) return end(context, model.error());
  }
  for (const tidewatch::ModelStatistics& stats : core_->engine.model_statistics()) {
    if (!request->name().empty() && stats.name != request->name()) continue;
    if (!request->version().empty() && stats.version != request->version()) continue;
    fill(stats, *response->add_model_stats());
  }
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(
    Context* context, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  for (const ServedModel& model : core_->engine.served_models()) {
    if (request->ready() && !model.ready) continue;
    auto& entry = *response->add_models();
    entry.set_name(model.name);
    entry.set_version(model.version);
    entry.set_state(model.ready ? "READY" : "UNAVAILABLE");
  }
  return end(context);
}

grpc::ServerUnaryReactor* InferenceService::on_pool(Context* context,
                                                    std::function<Status()> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = core_->pool.try_run([context, reactor, work = std::move(work)] {
    const Status done = work();
    reactor->Finish(done ? grpc::Status::OK : to_grpc(done.error(), *context));
  });
  if (!taken) {
    reactor->Finish({grpc::StatusCode::UNAVAILABLE, "too many queries wait already; try again"});
  }
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelLoad(
    Context* context, const inference::RepositoryModelLoadRequest* request,
    inference::RepositoryModelLoadResponse*) {
  return on_pool(context, [core = core_, name = request->model_name()] {
    return core->engine.load_model(name);
  });
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelUnload(
    Context* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse*) {
  return on_pool(context, [core = core_, name = request->model_name()] {
    return core->engine.unload_model(name);
  });
}

}  // namespace tidewatch
