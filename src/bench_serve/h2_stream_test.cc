// SPDX-License-Identifier: Apache-2.0
// Against libgrpc++'s own server: what a load generator must share with it is the wire.
#include "bench_serve/h2_stream.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "bench_serve/transport.h"
#include "tidewatch/v1/tidewatch.grpc.pb.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPath = "/tidewatch.v1.Tidewatch/Ingest";

// Accepts every post, or (refuse) the first of each batch; ends the stream at a batch of the number
// kHangUp, or (hang_up) at any.
class FakeEngine final : public v1::Tidewatch::Service {
 public:
  static constexpr std::uint64_t kHangUp = 1'000'000;
  std::atomic<bool> refuse{false};
  std::atomic<bool> hang_up{false};

  grpc::Status Ingest(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) override {
    v1::IngestRequest request;
    while (stream->Read(&request)) {
      if (hang_up || request.batch() == kHangUp) return {grpc::StatusCode::UNAVAILABLE, "bye"};
      v1::IngestResponse response;
      response.set_batch(request.batch());
      const bool refused = refuse;
      const auto posts = static_cast<std::uint32_t>(request.posts_size());
      response.set_accepted(refused ? 1 : posts);
      response.set_refused(refused ? posts - 1 : 0);
      response.set_refused_from(refused ? 1 : 0);
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
};

class H2StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&engine_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void TearDown() override { server_->Shutdown(std::chrono::system_clock::now() + 1s); }

  static std::string framed(const v1::IngestRequest& request) {
    return std::string(H2Stream::kHeadroom, '?') + request.SerializeAsString();
  }
  static v1::IngestRequest batch(std::uint64_t number, int posts, std::size_t text_bytes) {
    v1::IngestRequest request;
    request.set_batch(number);
    for (int i = 0; i < posts; ++i) request.add_posts()->set_text(std::string(text_bytes, 'x'));
    return request;
  }
  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

  FakeEngine engine_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(H2StreamTest, CarriesSmallAndLargeMessagesInOrder) {
  H2Stream stream;
  const Status opened = stream.open("127.0.0.1", port(), kPath);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  // Past the frame's 16 KiB, the first window's 64 KiB and, in sum, any window there is.
  const std::size_t sizes[] = {0, 1, 300, 16'370, 16'384, 70'000, 5'000'000};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 70; ++i) {
      std::string buffer = framed(batch(i, 3, sizes[i % 7] / 3));
      EXPECT_TRUE(stream.write(buffer)) << i;
    }
  });
  std::string message;
  for (std::uint64_t i = 0; i < 70; ++i) {
    ASSERT_TRUE(stream.read(message)) << i;
    v1::IngestResponse response;
    ASSERT_TRUE(response.ParseFromString(message));
    EXPECT_EQ(response.batch(), i);
    EXPECT_EQ(response.accepted(), 3U);
  }
  writer.join();
  stream.shut_down();
  EXPECT_FALSE(stream.read(message));
}

TEST_F(H2StreamTest, EndsWhenTheServerEndsTheStreamAndOpensAgain) {
  H2Stream stream;
  ASSERT_TRUE(stream.open("127.0.0.1", port(), kPath).ok());
  std::string buffer = framed(batch(FakeEngine::kHangUp, 1, 10));
  EXPECT_TRUE(stream.write(buffer));
  std::string message;
  EXPECT_FALSE(stream.read(message));
  buffer = framed(batch(1, 1, 10));
  EXPECT_FALSE(stream.write(buffer));
  ASSERT_TRUE(stream.open("127.0.0.1", port(), kPath).ok());
  buffer = framed(batch(2, 1, 10));
  EXPECT_TRUE(stream.write(buffer));
  EXPECT_TRUE(stream.read(message));
}

TEST_F(H2StreamTest, SaysWhenNobodyAnswers) {
  H2Stream stream;
  EXPECT_EQ(stream.open("127.0.0.1", 1, kPath).error().code, Code::kUnavailable);
}

TEST_F(H2StreamTest, TransportTellsWhatBecameOfEachPost) {
  TransportOptions options;
  options.port = port();
  std::atomic<int> acknowledged{0};
  options.on_acknowledged = [&](std::uint64_t) { ++acknowledged; };
  const auto transport = make_grpc_transport(options);
  const Status opened = transport->open();
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const auto tally = std::make_shared<Tally>(std::vector<LoadPhase>{{"load", {1, 10s}, true}}, 10s);
  tally->start(std::chrono::steady_clock::now());
  const auto send = [&] {
    auto bundle = std::make_unique<Bundle>();
    bundle->tally = tally;
    for (int i = 0; i < 3; ++i) {
      bundle->due.push_back(std::chrono::steady_clock::now());
      bundle->texts += "天";
      bundle->ends.push_back(static_cast<std::uint32_t>(bundle->texts.size()));
      bundle->senders.push_back({7, "广东"});
      tally->offered(bundle->due.back());
    }
    bundle->sent_at = std::chrono::steady_clock::now();
    transport->send(std::move(bundle));
    const SteadyTime until = std::chrono::steady_clock::now() + 10s;
    while (tally->outstanding() > 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
  };
  send();
  engine_.refuse = true;
  send();
  engine_.hang_up = true;
  send();
  engine_.hang_up = false;
  engine_.refuse = false;
  send();  // on a new stream
  transport->close();
  const PostCounts counts = tally->total().counts;
  EXPECT_EQ(counts.offered, 12U);
  EXPECT_EQ(counts.good, 7U);
  EXPECT_EQ(counts.refused, 2U);
  EXPECT_EQ(counts.failed, 3U);
  EXPECT_EQ(counts.lost, 0U);
  EXPECT_EQ(acknowledged, 7);
  EXPECT_EQ(transport->counts().messages, 4U);
}

}  // namespace
}  // namespace tidewatch
