// SPDX-License-Identifier: Apache-2.0
// Ingest over a real connection, with an engine that does as it is told.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "serve/grpc/testing/grpc_fixture.h"

namespace tidewatch {
namespace {

using testing::HasSubstr;

class IngestTest : public testing_support::GrpcTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestResponse>;

  static v1::IngestRequest batch(std::uint64_t number, int posts) {
    v1::IngestRequest request;
    request.set_batch(number);
    for (int i = 0; i < posts; ++i) request.add_posts()->set_text("第" + std::to_string(i));
    return request;
  }
};

TEST_F(IngestTest, AnswersEveryBatchInOrder) {
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  for (std::uint64_t i = 0; i < 200; ++i) ASSERT_TRUE(stream->Write(batch(i, 3)));
  stream->WritesDone();
  v1::IngestResponse response;
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.batch(), i);
    EXPECT_EQ(response.accepted(), 3U);
  }
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

// A refusal is of use only while it is fresh: it does not wait for batches that are on their way to
// the disk.
TEST_F(IngestTest, ABatchRefusedWholeOvertakesThoseBeforeIt) {
  engine.hold_done = true;
  engine.on_batch = [&](const PostBatch& posts) {
    PostBatchResult result;
    engine.hold_done = posts.posts.size() != 1;  // a batch of one post is refused at once
    if (engine.hold_done) {
      result.accepted = static_cast<std::uint32_t>(posts.posts.size());
    } else {
      result.refused = 1;
      result.retry_after = std::chrono::milliseconds{20};
    }
    return result;
  };
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  ASSERT_TRUE(stream->Write(batch(1, 3)));
  ASSERT_TRUE(stream->Write(batch(2, 1)));
  v1::IngestResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.batch(), 2U);
  EXPECT_EQ(response.refused(), 1U);
  EXPECT_EQ(response.retry_after_ms(), 20U);
  engine.release_done(1);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.batch(), 1U);
  EXPECT_EQ(response.accepted(), 3U);
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngestTest, CarriesEveryFieldOfAPost) {
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  v1::IngestRequest request;
  request.set_timeout_ms(60'000);
  v1::Post& wire = *request.add_posts();
  wire.set_id("a");
  wire.set_text("\xFFtext");
  wire.set_time_ms(1'700'000'000'123);
  wire.set_source("weibo");
  wire.set_author("人");
  wire.set_region("广东");
  wire.set_repost_of("b");
  wire.set_url("https://example.org/");
  wire.set_likes(0);
  wire.set_extra_json("{\"k\":1}");
  request.add_posts();
  stream->Write(request);
  stream->WritesDone();
  const auto batches = engine.batches(1);
  const Post& post = batches[0].posts[0];
  EXPECT_EQ(post.id, "a");
  EXPECT_EQ(post.text, "\xFFtext");
  EXPECT_EQ(post.time.time_since_epoch().count(), 1'700'000'000'123);
  EXPECT_EQ(post.source, "weibo");
  EXPECT_EQ(post.author, "人");
  EXPECT_EQ(post.region, "广东");
  EXPECT_EQ(post.repost_of, "b");
  EXPECT_EQ(post.url, "https://example.org/");
  EXPECT_EQ(post.likes, 0);
  EXPECT_EQ(post.reposts, std::nullopt);
  EXPECT_EQ(post.extra, "{\"k\":1}");
  EXPECT_EQ(batches[0].posts[1].id, "");  // nothing of the first stays behind
  EXPECT_NE(batches[0].limits.deadline, SteadyTime::max());
  v1::IngestResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngestTest, TellsWhatBecameOfThePosts) {
  engine.on_batch = [](const PostBatch&) {
    PostBatchResult result;
    result.accepted = 1;
    result.duplicates = 2;
    result.refused = 3;
    result.refused_from = 4;
    result.retry_after = std::chrono::milliseconds{50};
    result.errors = {{2, "likes", "why"}};
    result.unavailable = "disk full";
    return result;
  };
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(9, 8));
  v1::IngestResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.batch(), 9U);
  EXPECT_EQ(response.accepted(), 1U);
  EXPECT_EQ(response.duplicates(), 2U);
  EXPECT_EQ(response.refused(), 3U);
  EXPECT_EQ(response.refused_from(), 4U);
  EXPECT_EQ(response.retry_after_ms(), 50U);
  EXPECT_EQ(response.unavailable(), "disk full");
  ASSERT_EQ(response.errors_size(), 1);
  EXPECT_EQ(response.errors(0).index(), 2U);
  EXPECT_EQ(response.errors(0).field(), "likes");
  EXPECT_EQ(response.errors(0).reason(), "why");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngestTest, ReadsNoFurtherThanItsBound) {
  options.batches_in_flight_max = 3;
  engine.hold_done = true;
  std::atomic<int> taken{0};
  std::atomic<int> answered{0};
  std::atomic<int> most{0};
  engine.on_batch = [&](const PostBatch& posts) {
    most = std::max(most.load(), ++taken - answered.load());
    PostBatchResult result;
    result.accepted = static_cast<std::uint32_t>(posts.posts.size());
    return result;
  };
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 30; ++i) stream->Write(batch(i, 1));
    stream->WritesDone();
  });
  v1::IngestResponse response;
  for (std::uint64_t i = 0; i < 30; i += 3) {
    // A batch counts as answered when its answer is written: before that it is not read further.
    answered += 3;
    engine.release_done(3);
    for (std::uint64_t k = i; k < i + 3; ++k) {
      ASSERT_TRUE(stream->Read(&response));
      EXPECT_EQ(response.batch(), k);
    }
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_LE(most, 3);
}

TEST_F(IngestTest, ABatchTooLargeEndsTheStreamOnceWhatCameBeforeIsAnswered) {
  options.batch_posts_max = 4;
  engine.hold_done = true;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(1, 4));
  stream->Write(batch(2, 5));
  engine.release_done(1);
  v1::IngestResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.batch(), 1U);
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("batch 2 has 5 posts; at most 4"));
}

TEST_F(IngestTest, AMessageTooLongIsRefused) {
  options.message_bytes_max = 1'000;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(1, 1'000));
  v1::IngestResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(IngestTest, AClientThatGoesAwayHarmsNothing) {
  engine.hold_done = true;
  start();
  {
    grpc::ClientContext context;
    bound(context);
    const auto stream = stub->Ingest(&context);
    stream->Write(batch(1, 2));
    engine.batches(1);
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  engine.release_done(1);  // nobody waits for it any more
  server->stop();
}

TEST_F(IngestTest, TheServersStopAnswersWhatIsUnderWay) {
  engine.hold_done = true;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(1, 2));
  engine.batches(1);
  std::thread stopper([&] { server->stop(); });
  engine.release_done(1);
  v1::IngestResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.accepted(), 2U);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
}

TEST_F(IngestTest, TheServersStopCutsWhatIsNeverAnswered) {
  engine.hold_done = true;
  options.stop_grace = std::chrono::milliseconds{20};
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(1, 2));
  engine.batches(1);
  server->stop();
  v1::IngestResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
  server.reset();
  engine.release_done(1);  // the engine is late: the server is gone, and nothing breaks
}

TEST_F(IngestTest, NoMoreCallsThanTheBound) {
  options.calls_max = 1;
  start();
  grpc::ClientContext context;
  bound(context);
  const auto stream = stub->Ingest(&context);
  stream->Write(batch(1, 1));
  v1::IngestResponse response;
  ASSERT_TRUE(stream->Read(&response));
  grpc::ClientContext second;
  bound(second);
  const auto refused = stub->Ingest(&second);
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(second.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1U);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace tidewatch
