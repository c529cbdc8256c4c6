// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol over gRPC, with an engine that does as it is told.
#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <vector>

#include "serve/grpc/testing/grpc_fixture.h"

namespace tidewatch {
namespace {

using testing::HasSubstr;

class InferenceTest : public testing_support::GrpcTest {
 protected:
  using Done = std::function<void(Result<ClassifyResult>)>;

  InferenceTest() {
    engine.on_classify = [this](ClassifyCall call, const Done& done) {
      seen = std::move(call);
      if (failure) return done(*failure);
      ClassifyResult result;
      result.model = seen.model;
      result.version = "7";
      result.scores.resize(seen.texts.size());
      for (Scores& scores : result.scores) {
        scores.emotion = 0;
        scores.topic = 1;
        scores.emotion_prob[0] = 0.25F;
        scores.topic_prob[1] = 0.5F;
      }
      done(std::move(result));
    };
  }
  static inference::ModelInferRequest request(const std::vector<std::string>& texts) {
    inference::ModelInferRequest out;
    out.set_model_name("fast");
    auto& input = *out.add_inputs();
    input.set_name("text");
    input.set_datatype("BYTES");
    input.add_shape(static_cast<std::int64_t>(texts.size()));
    for (const std::string& text : texts) input.mutable_contents()->add_bytes_contents(text);
    return out;
  }
  static std::string packed(const std::vector<std::string>& texts) {
    std::string raw;
    for (const std::string& text : texts) {
      const auto size = static_cast<std::uint32_t>(text.size());
      raw.append(reinterpret_cast<const char*>(&size), sizeof size);
      raw += text;
    }
    return raw;
  }
  grpc::Status infer(const inference::ModelInferRequest& asked) {
    grpc::ClientContext context;
    bound(context);
    response.Clear();
    return kserve->ModelInfer(&context, asked, &response);
  }

  ClassifyCall seen;
  std::optional<Error> failure;
  inference::ModelInferResponse response;
};

TEST_F(InferenceTest, InfersFromContents) {
  start();
  auto asked = request({"a", "乙"});
  asked.set_id("r");
  ASSERT_TRUE(infer(asked).ok());
  EXPECT_EQ(seen.texts, (std::vector<std::string>{"a", "乙"}));
  EXPECT_EQ(response.model_name(), "fast");
  EXPECT_EQ(response.model_version(), "7");
  EXPECT_EQ(response.id(), "r");
  ASSERT_EQ(response.outputs_size(), 4);
  ASSERT_EQ(response.raw_output_contents_size(), 4);
  EXPECT_EQ(response.outputs(0).name(), "emotion");
  EXPECT_EQ(response.raw_output_contents(0), packed({"angry", "angry"}));
  EXPECT_EQ(response.raw_output_contents(1), packed({"news", "news"}));
  EXPECT_EQ(response.outputs(2).shape_size(), 2);
  EXPECT_EQ(response.outputs(2).shape(1), 2);
  EXPECT_EQ(response.outputs(3).shape(1), 3);
  float numbers[6];
  ASSERT_EQ(response.raw_output_contents(3).size(), sizeof numbers);
  std::memcpy(numbers, response.raw_output_contents(3).data(), sizeof numbers);
  EXPECT_THAT(numbers, testing::ElementsAre(0, 0.5, 0, 0, 0.5, 0));
}

TEST_F(InferenceTest, InfersFromRawContentsAndGivesWhatIsAsked) {
  start();
  auto asked = request({});
  asked.mutable_inputs(0)->mutable_shape()->Clear();
  asked.mutable_inputs(0)->add_shape(3);
  asked.mutable_inputs(0)->add_shape(1);
  asked.add_raw_input_contents(packed({"a", "", "c"}));
  asked.add_outputs()->set_name("topic");
  (*asked.mutable_parameters())["timeout"].set_int64_param(1'000'000);
  (*asked.mutable_parameters())["priority"].set_uint64_param(1);
  ASSERT_TRUE(infer(asked).ok());
  EXPECT_EQ(seen.texts, (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(seen.limits.priority, Priority::kHigh);
  EXPECT_LE(seen.limits.deadline, std::chrono::steady_clock::now() + std::chrono::seconds{1});
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).name(), "topic");
  EXPECT_NE(seen.limits.cancelled, nullptr);
}

TEST_F(InferenceTest, RefusesWhatIsWrong) {
  start();
  using Request = inference::ModelInferRequest;
  struct Case {
    const char* words;
    std::function<void(Request&)> spoil;
    int code = grpc::StatusCode::INVALID_ARGUMENT;
  };
  const auto raw = [](Request& r, std::string bytes) {
    r.mutable_inputs(0)->clear_contents();
    r.add_raw_input_contents(std::move(bytes));
  };
  const Case cases[] = {
      {"'slow'", [](Request& r) { r.set_model_name("slow"); }, grpc::StatusCode::NOT_FOUND},
      {"version 8", [](Request& r) { r.set_model_version("8"); }, grpc::StatusCode::NOT_FOUND},
      {"exactly one input", [](Request& r) { r.clear_inputs(); }},
      {"exactly one input", [](Request& r) { r.add_inputs(); }},
      {"'words'", [](Request& r) { r.mutable_inputs(0)->set_name("words"); }},
      {"'FP32'", [](Request& r) { r.mutable_inputs(0)->set_datatype("FP32"); }},
      {"shape []", [](Request& r) { r.mutable_inputs(0)->clear_shape(); }},
      {"shape [0]", [](Request& r) { r.mutable_inputs(0)->set_shape(0, 0); }},
      {"shape [-1]", [](Request& r) { r.mutable_inputs(0)->set_shape(0, -1); }},
      {"shape [2,2]", [](Request& r) { r.mutable_inputs(0)->add_shape(2); }},
      {"shape [1025]", [](Request& r) { r.mutable_inputs(0)->set_shape(0, 1025); }},
      {"has 2 elements", [](Request& r) { r.mutable_inputs(0)->set_shape(0, 3); }},
      {"exactly the 2", [&](Request& r) { raw(r, packed({"a"})); }},
      {"exactly the 2", [&](Request& r) { raw(r, packed({"a", "b", "c"})); }},
      {"exactly the 2", [&](Request& r) { raw(r, ""); }},
      {"exactly the 2", [&](Request& r) { raw(r, packed({"a"}) + "\1\1"); }},
      {"within element 1", [&](Request& r) { raw(r, packed({"a"}) + "\xFF\xFF\xFF\xFFz"); }},
      {"one element an input",
       [&](Request& r) {
         raw(r, packed({"a", "b"}));
         raw(r, "x");
       }},
      {"output 'mood'", [](Request& r) { r.add_outputs()->set_name("mood"); }},
      {"classification",
       [](Request& r) {
         auto& output = *r.add_outputs();
         output.set_name("topic");
         (*output.mutable_parameters())["classification"].set_int64_param(2);
       }},
      {"shared memory",
       [](Request& r) {
         (*r.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("x");
       }},
      {"'timeout'",
       [](Request& r) { (*r.mutable_parameters())["timeout"].set_string_param("soon"); }},
      {"'timeout'", [](Request& r) { (*r.mutable_parameters())["timeout"].set_int64_param(-1); }},
      {"priority", [](Request& r) { (*r.mutable_parameters())["priority"].set_uint64_param(7); }},
  };
  for (const Case& c : cases) {
    Request asked = request({"a", "b"});
    c.spoil(asked);
    const grpc::Status status = infer(asked);
    EXPECT_EQ(status.error_code(), c.code) << c.words;
    EXPECT_THAT(status.error_message(), HasSubstr(c.words));
  }
}

TEST_F(InferenceTest, PassesTheEnginesErrorOn) {
  failure = Error{Code::kResourceExhausted, "wait 40 ms", std::chrono::milliseconds{40}};
  start();
  grpc::ClientContext context;
  bound(context);
  const grpc::Status status = kserve->ModelInfer(&context, request({"a"}), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1U);
}

TEST_F(InferenceTest, StreamsInOrderAndGoesOnAfterAnError) {
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = kserve->ModelStreamInfer(&context);
  for (int i = 0; i < 3; ++i) {
    auto asked = request({"a"});
    asked.set_id(std::to_string(i));
    if (i == 1) asked.set_model_name("slow");
    stream->Write(asked);
  }
  stream->WritesDone();
  inference::ModelStreamInferResponse answer;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.infer_response().id(), std::to_string(i));
    EXPECT_EQ(answer.error_message().empty(), i != 1);
    EXPECT_EQ(answer.infer_response().outputs_size(), i == 1 ? 0 : 4);
  }
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferenceTest, DescribesServerAndModels) {
  start();
  {
    grpc::ClientContext context;
    inference::ServerLiveResponse live;
    ASSERT_TRUE(kserve->ServerLive(&context, {}, &live).ok());
    EXPECT_TRUE(live.live());
  }
  for (const bool ready : {true, false}) {
    if (!ready) engine.not_ready = Error{Code::kUnavailable, "disk"};
    grpc::ClientContext context;
    inference::ServerReadyResponse answer;
    ASSERT_TRUE(kserve->ServerReady(&context, {}, &answer).ok());
    EXPECT_EQ(answer.ready(), ready);
  }
  {
    grpc::ClientContext context;
    inference::ServerMetadataResponse metadata;
    ASSERT_TRUE(kserve->ServerMetadata(&context, {}, &metadata).ok());
    EXPECT_EQ(metadata.name(), "tidewatch");
  }
  inference::ModelMetadataRequest which;
  which.set_name("fast");
  {
    grpc::ClientContext context;
    inference::ModelMetadataResponse metadata;
    ASSERT_TRUE(kserve->ModelMetadata(&context, which, &metadata).ok());
    EXPECT_EQ(metadata.versions(0), "7");
    EXPECT_EQ(metadata.platform(), "openvino");
    EXPECT_EQ(metadata.inputs(0).name(), "text");
    EXPECT_EQ(metadata.outputs(3).name(), "topic_prob");
    EXPECT_EQ(metadata.outputs(3).shape(1), 3);
  }
  {
    grpc::ClientContext context;
    inference::ModelConfigRequest asked;
    asked.set_name("fast");
    inference::ModelConfigResponse answer;
    ASSERT_TRUE(kserve->ModelConfig(&context, asked, &answer).ok());
    EXPECT_EQ(answer.config().output(2).data_type(), inference::TYPE_FP32);
  }
  for (const char* name : {"fast", "slow"}) {
    grpc::ClientContext context;
    inference::ModelReadyRequest asked;
    asked.set_name(name);
    inference::ModelReadyResponse answer;
    ASSERT_TRUE(kserve->ModelReady(&context, asked, &answer).ok());
    EXPECT_EQ(answer.ready(), std::string(name) == "fast");
  }
  which.set_name("slow");
  grpc::ClientContext context;
  inference::ModelMetadataResponse metadata;
  EXPECT_EQ(kserve->ModelMetadata(&context, which, &metadata).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(InferenceTest, TellsStatistics) {
  ModelStatistics stats;
  stats.name = "fast";
  stats.version = "7";
  stats.inference_count = 10;
  stats.execution_count = 4;
  stats.success = {3, std::chrono::nanoseconds{300}};
  stats.queue = {10, std::chrono::nanoseconds{20}};
  engine.statistics = {stats};
  start();
  for (const char* name : {"", "fast"}) {
    grpc::ClientContext context;
    inference::ModelStatisticsRequest asked;
    asked.set_name(name);
    inference::ModelStatisticsResponse answer;
    ASSERT_TRUE(kserve->ModelStatistics(&context, asked, &answer).ok());
    ASSERT_EQ(answer.model_stats_size(), 1);
    EXPECT_EQ(answer.model_stats(0).inference_count(), 10U);
    EXPECT_EQ(answer.model_stats(0).inference_stats().success().ns(), 300U);
    EXPECT_EQ(answer.model_stats(0).inference_stats().queue().count(), 10U);
  }
  grpc::ClientContext context;
  inference::ModelStatisticsRequest asked;
  asked.set_name("slow");
  inference::ModelStatisticsResponse answer;
  EXPECT_EQ(kserve->ModelStatistics(&context, asked, &answer).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(InferenceTest, KeepsTheRepository) {
  engine.served.push_back({"base", "3", "openvino", 256, false});
  std::vector<std::string> acts;
  engine.on_repository = [&](const std::string& what, const std::string& model) -> Status {
    acts.push_back(what + " " + model);
    if (model == "bad") return Error{Code::kFailedPrecondition, "worse than the old one"};
    return {};
  };
  start();
  for (const bool only_ready : {false, true}) {
    grpc::ClientContext context;
    inference::RepositoryIndexRequest asked;
    asked.set_ready(only_ready);
    inference::RepositoryIndexResponse index;
    ASSERT_TRUE(kserve->RepositoryIndex(&context, asked, &index).ok());
    ASSERT_EQ(index.models_size(), only_ready ? 1 : 2);
    EXPECT_EQ(index.models(0).state(), "READY");
  }
  for (const char* name : {"fast", "bad"}) {
    grpc::ClientContext loading;
    inference::RepositoryModelLoadRequest load;
    load.set_model_name(name);
    inference::RepositoryModelLoadResponse loaded;
    const grpc::Status status = kserve->RepositoryModelLoad(&loading, load, &loaded);
    EXPECT_EQ(status.ok(), std::string(name) == "fast") << status.error_message();
  }
  grpc::ClientContext context;
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("base");
  inference::RepositoryModelUnloadResponse unloaded;
  EXPECT_TRUE(kserve->RepositoryModelUnload(&context, unload, &unloaded).ok());
  EXPECT_EQ(acts, (std::vector<std::string>{"load fast", "load bad", "unload base"}));
}

TEST_F(InferenceTest, TwoServersDoNotShareAPort) {
  start();
  GrpcOptions taken;
  taken.port = server->port();
  const auto second = GrpcServer::start(taken, engine, metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  taken.bind = "not an address";
  EXPECT_FALSE(GrpcServer::start(taken, engine, metrics).ok());
}

}  // namespace
}  // namespace tidewatch
