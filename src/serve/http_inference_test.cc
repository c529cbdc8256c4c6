// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol over HTTP and POST /v1/classify with limits, over a FakeEngine.
#include <gmock/gmock.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "serve/testing/server_fixture.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

constexpr const char* kOne =
    R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["好"]}]})";

class HttpInferenceTest : public testing_support::ServerTest {
 protected:
  using Done = std::function<void(Result<ClassifyResult>)>;

  HttpInferenceTest() {
    engine.schema.emotions = {"angry", "happy"};
    engine.schema.topics = {"food", "news", "sport"};
    engine.served = {{"fast", "7", "openvino", 256, true}};
    engine.on_classify = [this](ClassifyCall call, const Done& done) {
      seen = std::move(call);
      if (failure) return done(*failure);
      ClassifyResult result;
      result.model = "fast";
      result.version = "7";
      result.scores.resize(seen.texts.size());
      for (Scores& scores : result.scores) {
        scores.emotion = 0;
        scores.topic = 1;
        scores.emotion_prob[0] = 0.25F;
      }
      done(std::move(result));
    };
  }
  HttpAnswer infer(std::string_view body, std::string_view headers = {}) {
    return request("POST", "/v2/models/fast/infer", body, headers);
  }
  static json parse(const HttpAnswer& answer) { return json::parse(answer.body, nullptr, false); }

  ClassifyCall seen;
  std::optional<Error> failure;
};

TEST_F(HttpInferenceTest, InfersInJson) {
  start();
  const HttpAnswer answer =
      infer(R"({"id":"r","parameters":{"priority":2,"timeout":5000000},"inputs":[{"name":"text",)"
            R"("shape":[2,1],"datatype":"BYTES","data":[["a"],["乙"]]}],)"
            R"("outputs":[{"name":"emotion_prob"},{"name":"topic"}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(seen.texts, (std::vector<std::string>{"a", "乙"}));
  EXPECT_EQ(seen.limits.priority, Priority::kLow);
  EXPECT_LE(seen.limits.deadline, std::chrono::steady_clock::now() + std::chrono::seconds{5});
  EXPECT_EQ(parse(answer), json::parse(R"({"model_name":"fast","model_version":"7","id":"r",
    "outputs":[{"name":"emotion_prob","datatype":"FP32","shape":[2,2],"data":[0.25,0,0.25,0]},
               {"name":"topic","datatype":"BYTES","shape":[2],"data":["news","news"]}]})"));
}

TEST_F(HttpInferenceTest, InfersWithBinaryData) {
  start();
  const std::string head =
      R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"text","shape":[1],)"
      R"("datatype":"BYTES","parameters":{"binary_data_size":7}}]})";
  const HttpAnswer answer =
      infer(head + std::string("\3\0\0\0a\0b", 7),
            "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(seen.texts, std::vector<std::string>{std::string("a\0b", 3)});
  const std::size_t json_bytes = std::stoul(answer.header("inference-header-content-length"));
  const json header = json::parse(answer.body.substr(0, json_bytes));
  EXPECT_EQ(header["outputs"].size(), 4U);
  EXPECT_EQ(header["outputs"][0]["parameters"]["binary_data_size"], 9);
  EXPECT_EQ(header["outputs"][3]["parameters"]["binary_data_size"], 12);
  EXPECT_EQ(answer.body.substr(json_bytes, 9), std::string("\5\0\0\0angry", 9));
  EXPECT_EQ(answer.body.size(), json_bytes + 9 + 8 + 8 + 12);
}

TEST_F(HttpInferenceTest, RefusesWhatIsWrong) {
  start();
  struct Case {
    const char* body;
    const char* words;
    const char* headers = "";
  };
  const Case cases[] = {
      {"", "one JSON object"},
      {"[]", "one JSON object"},
      {"{\"a\":\"\xFF\"}", "one JSON object"},
      {"{}", "exactly one input"},
      {R"({"inputs":[]})", "exactly one input"},
      {R"({"inputs":[1]})", "exactly one input"},
      {R"({"inputs":[{},{}]})", "exactly one input"},
      {R"({"inputs":[{"name":"text"}]})", "must have a shape"},
      {R"({"inputs":[{"name":"text","shape":["1"]}]})", "whole numbers"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["a"]}]})", "no input 'x'"},
      {R"({"inputs":[{"name":"text","shape":[1],"data":["a"]}]})", "must be BYTES"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES"}]})", "must have data"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":[1]}]})", "strings"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":[[["a"]]]}]})",
       "strings"},
      {R"({"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["a"]}]})",
       "exactly the 2"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":4}}]})",
       "0 bytes follow"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":-4}}]})",
       "whole number"},
      {R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"shared_memory_region":"x"}}]})",
       "shared memory"},
      {R"({"outputs":{},"inputs":[]})", "array of objects"},
      {R"({"outputs":[1],"inputs":[]})", "array of objects"},
      {R"({"outputs":[{"name":"mood"}],"inputs":[]})", "'mood'"},
      {R"({"outputs":[{"name":"topic","parameters":{"classification":2}}],"inputs":[]})",
       "classification"},
      {R"({"outputs":[{"name":"topic","parameters":{"binary_data":1}}],"inputs":[]})",
       "true or false"},
      {R"({"parameters":{"priority":3},"inputs":[]})", "priority"},
      {R"({"parameters":{"timeout":"soon"},"inputs":[]})", "'timeout'"},
      {"{}", "Inference-Header-Content-Length", "Inference-Header-Content-Length: 3\r\n"},
      {"{}", "Inference-Header-Content-Length", "Inference-Header-Content-Length: x\r\n"},
      {"{}", "one JSON object", "Inference-Header-Content-Length: 0\r\n"},
      {kOne, "x-timeout-ms", "x-timeout-ms: soon\r\n"},
      {kOne, "x-timeout-ms", "x-timeout-ms: 86400001\r\n"},
  };
  for (const Case& c : cases) {
    const HttpAnswer answer = infer(c.body, c.headers);
    EXPECT_EQ(answer.status, 400) << c.body;
    const json document = parse(answer);
    ASSERT_TRUE(document.is_object() && document.size() == 1) << answer.body;
    EXPECT_THAT(document.value("error", ""), HasSubstr(c.words)) << c.body;
  }
}

TEST_F(HttpInferenceTest, AnswersEveryErrorAsTheProtocolDoes) {
  start();
  struct Case {
    const char* method;
    const char* path;
    int status;
  };
  const Case cases[] = {
      {"POST", "/v2/models/slow/infer", 404},
      {"POST", "/v2/models/fast/versions/8/infer", 404},
      {"GET", "/v2/models/slow", 404},
      {"GET", "/v2/models/slow/stats", 404},
      {"GET", "/v2/nothing", 404},
      {"GET", "/v2/models/fast/infer", 405},
      {"POST", "/v2/repository/models/fast/load", 501},
  };
  for (const Case& c : cases) {
    const HttpAnswer answer = request(c.method, c.path, kOne);
    EXPECT_EQ(answer.status, c.status) << c.path;
    EXPECT_EQ(parse(answer).count("error"), 1U) << answer.body;
  }
}

TEST_F(HttpInferenceTest, TellsShedAndLateApartWithTheWait) {
  start();
  for (const char* path : {"/v1/classify", "/v2/models/fast/infer"}) {
    failure =
        Error{Code::kResourceExhausted, "would take 1200 ms", std::chrono::milliseconds{1200}};
    HttpAnswer answer = request("POST", path, kOne);
    EXPECT_EQ(answer.status, 429) << path;
    EXPECT_EQ(answer.header("retry-after"), "2");
    EXPECT_THAT(answer.body, HasSubstr("would take 1200 ms"));
    failure = Error{Code::kDeadlineExceeded, "too late"};
    EXPECT_EQ(request("POST", path, kOne).status, 504) << path;
    failure.reset();
    EXPECT_EQ(request("POST", path, kOne, "X-Timeout-Ms: 100000\r\n").status, 200) << path;
    const auto left = seen.limits.deadline - std::chrono::steady_clock::now();
    EXPECT_GT(left, std::chrono::seconds{60});
    EXPECT_LE(left, std::chrono::seconds{100});
    EXPECT_EQ(request("POST", path, kOne, "X-Timeout-Ms: 0\r\n").status, 200) << path;
    EXPECT_EQ(seen.limits.deadline, SteadyTime::max());
  }
}

TEST_F(HttpInferenceTest, TheSmallerOfHeaderAndParameterWins) {
  start();
  const std::string body = R"({"parameters":{"timeout":50000000},)" + std::string(kOne).substr(1);
  for (const char* header : {"X-Timeout-Ms: 10000\r\n", "X-Timeout-Ms: 3600000\r\n"}) {
    ASSERT_EQ(infer(body, header).status, 200);
    const auto left = seen.limits.deadline - std::chrono::steady_clock::now();
    EXPECT_LE(left, std::chrono::seconds{50});
  }
}

TEST_F(HttpInferenceTest, AClientThatGoesAwaySetsTheCancelFlag) {
  std::mutex mu;
  std::condition_variable came;
  Done held;
  std::shared_ptr<const CancelFlag> flag;
  engine.on_classify = [&](const ClassifyCall& call, Done done) {
    {
      const std::lock_guard lock(mu);
      flag = call.limits.cancelled;
      held = std::move(done);
    }
    came.notify_all();
  };
  start();
  for (const char* path : {"/v1/classify", "/v2/models/fast/infer"}) {
    held = nullptr;
    HttpClient client(server->port());
    client.send("POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                std::to_string(std::strlen(kOne)) + "\r\n\r\n" + kOne);
    {
      std::unique_lock lock(mu);
      came.wait(lock, [&] { return held != nullptr; });
    }
    EXPECT_FALSE(flag->load());
    client.reset();
    while (!flag->load()) std::this_thread::yield();
    held(Error{Code::kCancelled, "cancelled"});
  }
}

TEST_F(HttpInferenceTest, NoThreadWaitsForTheEngine) {
  // More requests under way than there are query threads, and a query is still answered.
  std::mutex mu;
  std::condition_variable came;
  std::vector<Done> held;
  engine.on_classify = [&](const ClassifyCall&, Done done) {
    {
      const std::lock_guard lock(mu);
      held.push_back(std::move(done));
    }
    came.notify_all();
  };
  options.query_threads = 1;
  start();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server->port()));
    clients.back()->send("POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                         std::to_string(std::strlen(kOne)) + "\r\n\r\n" + kOne);
  }
  {
    std::unique_lock lock(mu);
    came.wait(lock, [&] { return held.size() == 8; });
  }
  EXPECT_EQ(request("GET", "/v1/stats").status, 200);
  for (const Done& done : held) done(ClassifyResult{});
  for (const auto& client : clients) EXPECT_EQ(client->read_answer().status, 200);
}

TEST_F(HttpInferenceTest, AnswersPipelinedRequests) {
  start();
  HttpClient client(server->port());
  const std::string one =
      "POST /v2/models/fast/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
      std::to_string(std::strlen(kOne)) + "\r\n\r\n" + kOne;
  client.send(one + one + one);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpInferenceTest, DescribesServerAndModels) {
  engine.served.push_back({"base", "3", "openvino", 256, false});
  ModelStatistics stats;
  stats.name = "fast";
  stats.version = "7";
  stats.success = {3, std::chrono::nanoseconds{300}};
  engine.statistics = {stats};
  engine.on_repository = [](const std::string&, const std::string&) { return Status{}; };
  start();
  EXPECT_EQ(parse(request("GET", "/v2"))["name"], "tidewatch");
  EXPECT_EQ(request("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(request("GET", "/v2/health/ready").status, 200);
  engine.not_ready = Error{Code::kUnavailable, "the disk is full"};
  const HttpAnswer not_ready = request("GET", "/v2/health/ready");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_EQ(parse(not_ready)["error"], "the disk is full");
  EXPECT_EQ(request("GET", "/v2/models/fast/ready").status, 200);
  EXPECT_EQ(request("GET", "/v2/models/base/ready").status, 503);
  for (const char* path : {"/v2/models/fast", "/v2/models/fast/versions/7"}) {
    const json model = parse(request("GET", path));
    EXPECT_EQ(model["versions"], json::parse(R"(["7"])"));
    EXPECT_EQ(model["outputs"][3],
              json::parse(R"({"name":"topic_prob","datatype":"FP32","shape":[-1,3]})"));
  }
  EXPECT_EQ(parse(request("GET", "/v2/models/fast/config"))["output"][2]["data_type"], "TYPE_FP32");
  for (const char* path : {"/v2/models/stats", "/v2/models/fast/stats"}) {
    EXPECT_EQ(parse(request("GET", path))["model_stats"][0]["inference_stats"]["success"]["ns"],
              300);
  }
  EXPECT_EQ(parse(request("POST", "/v2/repository/index")).size(), 2U);
  EXPECT_EQ(parse(request("POST", "/v2/repository/index", R"({"ready":true})")).size(), 1U);
  EXPECT_EQ(request("POST", "/v2/repository/index", "x").status, 400);
  EXPECT_EQ(request("POST", "/v2/repository/models/base/load").status, 200);
  EXPECT_EQ(request("POST", "/v2/repository/models/base/unload", "{}").status, 200);
}

}  // namespace
}  // namespace tidewatch
