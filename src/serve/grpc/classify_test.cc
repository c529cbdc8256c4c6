// SPDX-License-Identifier: Apache-2.0
// Classify and ClassifyStream over a real connection, with an engine that does as it is told.
#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/grpc/testing/grpc_fixture.h"

namespace tidewatch {
namespace {

class ClassifyTest : public testing_support::GrpcTest {
 protected:
  using Done = std::function<void(Result<ClassifyResult>)>;

  static ClassifyResult scored(std::size_t texts) {
    ClassifyResult result;
    result.model = "fast";
    result.version = "7";
    result.scores.resize(texts);
    for (Scores& scores : result.scores) {
      scores.emotion = 1;
      scores.topic = 2;
      scores.emotion_prob[1] = 0.75F;
      scores.topic_prob[2] = 0.5F;
    }
    result.answered_by.assign(texts, "base");
    return result;
  }
  grpc::Status call(const v1::ClassifyRequest& request, v1::ClassifyResponse& response,
                    std::chrono::milliseconds deadline = std::chrono::milliseconds{20'000}) {
    grpc::ClientContext context;
    bound(context, deadline);
    const grpc::Status status = stub->Classify(&context, request, &response);
    trailing = {context.GetServerTrailingMetadata().begin(),
                context.GetServerTrailingMetadata().end()};
    return status;
  }

  std::multimap<grpc::string_ref, grpc::string_ref> trailing;
};

TEST_F(ClassifyTest, AnswersLabels) {
  engine.on_classify = [](ClassifyCall call, const Done& done) { done(scored(call.texts.size())); };
  start();
  v1::ClassifyRequest request;
  request.add_texts("a");
  request.add_texts("b");
  request.set_request(5);
  v1::ClassifyResponse response;
  ASSERT_TRUE(call(request, response).ok());
  EXPECT_EQ(response.request(), 5U);
  EXPECT_EQ(response.model(), "fast");
  EXPECT_EQ(response.version(), "7");
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).emotion().label(), "happy");
  EXPECT_EQ(response.results(0).emotion().probability(), 0.75F);
  EXPECT_EQ(response.results(0).emotion().probabilities_size(), 2);
  EXPECT_EQ(response.results(1).topic().label(), "sport");
  EXPECT_EQ(response.results(1).topic().probabilities_size(), 3);
  EXPECT_EQ(response.results(1).answered_by(), "base");
}

TEST_F(ClassifyTest, PassesTextsModelAndLimitsOn) {
  ClassifyCall seen;
  engine.on_classify = [&](ClassifyCall call, const Done& done) {
    seen = std::move(call);
    done(scored(seen.texts.size()));
  };
  start();
  v1::ClassifyRequest request;
  request.add_texts("甲");
  request.set_model("fast");
  request.set_priority(2);
  v1::ClassifyResponse response;
  const auto left = [&] { return seen.limits.deadline - std::chrono::steady_clock::now(); };
  using std::chrono::seconds;

  ASSERT_TRUE(call(request, response, seconds{1'000}).ok());
  EXPECT_EQ(seen.texts, std::vector<std::string>{"甲"});
  EXPECT_EQ(seen.model, "fast");
  EXPECT_EQ(seen.limits.priority, Priority::kLow);
  EXPECT_GT(left(), seconds{900});
  EXPECT_LE(left(), seconds{1'020});  // the wire rounds long deadlines up

  request.set_timeout_ms(100'000);  // the smaller wins, either way round
  ASSERT_TRUE(call(request, response, seconds{1'000}).ok());
  EXPECT_LE(left(), seconds{100});
  request.set_timeout_ms(4'000'000'000);
  ASSERT_TRUE(call(request, response, seconds{1'000}).ok());
  EXPECT_LE(left(), seconds{1'020});  // the wire rounds long deadlines up

  grpc::ClientContext unbounded;
  request.set_timeout_ms(0);
  ASSERT_TRUE(stub->Classify(&unbounded, request, &response).ok());
  EXPECT_EQ(seen.limits.deadline, SteadyTime::max());
}

TEST_F(ClassifyTest, MapsErrorsByTheirNumber) {
  Error error;
  engine.on_classify = [&](const ClassifyCall&, const Done& done) { done(error); };
  start();
  v1::ClassifyRequest request;
  v1::ClassifyResponse response;
  for (int code = 1; code <= 15; ++code) {
    error = {static_cast<Code>(code), "because"};
    const grpc::Status status = call(request, response);
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "because");
    EXPECT_TRUE(trailing.empty());
  }
  error = {Code::kResourceExhausted, "wait 30 ms", std::chrono::milliseconds{30}};
  EXPECT_EQ(call(request, response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_EQ(trailing.size(), 1U);
  EXPECT_EQ(trailing.begin()->first, "grpc-retry-pushback-ms");
}

TEST_F(ClassifyTest, RefusesWhatIsWrong) {
  options.call_texts_max = 2;
  start();
  v1::ClassifyRequest request;
  v1::ClassifyResponse response;
  request.set_priority(3);
  EXPECT_EQ(call(request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_priority(0);
  for (int i = 0; i < 3; ++i) request.add_texts("x");
  EXPECT_EQ(call(request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ClassifyTest, ACancelledCallSetsItsFlag) {
  std::mutex mu;
  std::condition_variable came;
  std::shared_ptr<const CancelFlag> flag;
  Done held;
  engine.on_classify = [&](const ClassifyCall& call, Done done) {
    {
      const std::lock_guard lock(mu);
      flag = call.limits.cancelled;
      held = std::move(done);
    }
    came.notify_all();
  };
  start();
  grpc::ClientContext context;
  bound(context);
  std::thread canceller([&] {
    std::unique_lock lock(mu);
    came.wait(lock, [&] { return held != nullptr; });
    context.TryCancel();
  });
  v1::ClassifyResponse response;
  EXPECT_EQ(stub->Classify(&context, {}, &response).error_code(), grpc::StatusCode::CANCELLED);
  canceller.join();
  while (!flag->load()) std::this_thread::yield();
  held(Error{Code::kCancelled, "cancelled"});
}

TEST_F(ClassifyTest, TheServersStopDoesNotWaitForAnEngineThatNeverAnswers) {
  std::mutex mu;
  std::condition_variable came;
  Done held;
  engine.on_classify = [&](const ClassifyCall&, Done done) {
    {
      const std::lock_guard lock(mu);
      held = std::move(done);
    }
    came.notify_all();
  };
  options.stop_grace = std::chrono::milliseconds{20};
  start();
  std::thread stopper([&] {
    {
      std::unique_lock lock(mu);
      came.wait(lock, [&] { return held != nullptr; });
    }
    server->stop();
  });
  v1::ClassifyRequest request;
  v1::ClassifyResponse response;
  EXPECT_FALSE(call(request, response).ok());
  stopper.join();
  server.reset();
  held(scored(0));  // the engine is late: nothing breaks
}

TEST_F(ClassifyTest, AStreamAnswersAsAnswersCome) {
  std::mutex mu;
  std::vector<std::pair<std::string, Done>> held;
  std::condition_variable came;
  engine.on_classify = [&](const ClassifyCall& call, Done done) {
    {
      const std::lock_guard lock(mu);
      held.emplace_back(call.texts.at(0), std::move(done));
    }
    came.notify_all();
  };
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->ClassifyStream(&context);
  for (std::uint64_t i = 0; i < 3; ++i) {
    v1::ClassifyRequest request;
    request.set_request(i);
    request.add_texts(std::to_string(i));
    stream->Write(request);
  }
  {
    std::unique_lock lock(mu);
    came.wait(lock, [&] { return held.size() == 3; });
  }
  v1::ClassifyResponse response;
  held[2].second(scored(1));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request(), 2U);
  EXPECT_EQ(response.results_size(), 1);
  held[0].second(Error{Code::kDeadlineExceeded, "late"});
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request(), 0U);
  EXPECT_EQ(response.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(response.error_message(), "late");
  EXPECT_EQ(response.results_size(), 0);
  v1::ClassifyRequest wrong;
  wrong.set_request(9);
  wrong.set_priority(9);
  stream->Write(wrong);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request(), 9U);
  EXPECT_EQ(response.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  stream->WritesDone();
  held[1].second(scored(1));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request(), 1U);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClassifyTest, ACancelledStreamSetsTheFlagOfItsRequests) {
  std::mutex mu;
  std::condition_variable came;
  std::shared_ptr<const CancelFlag> flag;
  Done held;
  engine.on_classify = [&](const ClassifyCall& call, Done done) {
    {
      const std::lock_guard lock(mu);
      flag = call.limits.cancelled;
      held = std::move(done);
    }
    came.notify_all();
  };
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->ClassifyStream(&context);
  stream->Write({});
  {
    std::unique_lock lock(mu);
    came.wait(lock, [&] { return held != nullptr; });
  }
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (!flag->load()) std::this_thread::yield();
  held(Error{Code::kCancelled, "cancelled"});
}

}  // namespace
}  // namespace tidewatch
