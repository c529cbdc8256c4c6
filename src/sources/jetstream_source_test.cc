// SPDX-License-Identifier: Apache-2.0
#include "sources/jetstream_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/rfc3339.h"
#include "sources/durable_file.h"
#include "sources/testing/fake_sink.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kStart = 1'795'408'265'000'000;  // 2026-11-23T04:31:05Z

std::string event(int n, std::string_view langs = R"(["zh"])") {
  return R"({"did":"did:plc:a","time_us":)" + std::to_string(kStart + n) +
         R"(,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"k)" +
         std::to_string(n) + R"(","record":{"text":"第)" + std::to_string(n) +
         R"(条","createdAt":"2026-11-23T04:31:04.5Z","langs":)" + std::string(langs) + "}}}";
}

TEST(JetstreamEventTest, APost) {
  const auto read = parse_jetstream_event(event(7), {}).value();
  EXPECT_EQ(read.time_us, kStart + 7);
  EXPECT_EQ(read.post->id, "at://did:plc:a/app.bsky.feed.post/k7");
  EXPECT_EQ(read.post->text, "第7条");
  EXPECT_EQ(read.post->url, "https://bsky.app/profile/did:plc:a/post/k7");
  EXPECT_EQ(to_rfc3339(read.post->time), "2026-11-23T04:31:04.500Z");
}

TEST(JetstreamEventTest, WhatIsNotWantedStillMovesTheCursor) {
  for (
      const std::string& json :
      {std::string(R"({"did":"d","time_us":5,"kind":"identity","identity":{}})"),
       std::string(
           R"({"did":"d","time_us":5,"kind":"commit","commit":{"operation":"delete","collection":"app.bsky.feed.post","rkey":"k"}})"),
       std::string(
           R"({"did":"d","time_us":5,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.like","rkey":"k","record":{}}})"),
       std::string(R"({"did":"d","time_us":5,"kind":"something new"})")}) {
    const auto read = parse_jetstream_event(json, {});
    ASSERT_TRUE(read) << json;
    EXPECT_EQ(read->time_us, 5);
    EXPECT_FALSE(read->post);
  }
}

TEST(JetstreamEventTest, Languages) {
  EXPECT_TRUE(parse_jetstream_event(event(1, R"(["en","zh-Hans"])"), {"zh"})->post);
  EXPECT_FALSE(parse_jetstream_event(event(1, R"(["en"])"), {"zh"})->post);
  EXPECT_FALSE(parse_jetstream_event(event(1, "null"), {"zh"})->post);
  EXPECT_FALSE(parse_jetstream_event(event(1, R"(["zhx"])"), {"zh"})->post);
}

TEST(JetstreamEventTest, AnUnbelievableTimeIsThatOfTheEvent) {
  for (const char* said : {"2031-01-01T00:00:00Z", "2019-01-01T00:00:00Z", "yesterday"}) {
    std::string json = event(0);
    json.replace(json.find("2026-11-23T04:31:04.5Z"), 22, said);
    EXPECT_EQ(to_rfc3339(parse_jetstream_event(json, {})->post->time), "2026-11-23T04:31:05Z")
        << said;
  }
}

TEST(JetstreamEventTest, Garbage) {
  for (
      const char* json :
      {"", "[]", "{", "{}", R"({"time_us":"5"})",
       R"({"time_us":5,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post"}})"}) {
    EXPECT_FALSE(parse_jetstream_event(json, {})) << json;
  }
}

// Connections from a script; each ends with an error, the last asks for a stop.
class FakeSocket final : public WebSocket {
 public:
  Status run(const WebSocketRequest& request, const std::stop_token& /*stop*/,
             const OnMessage& on_message) override {
    asked.push_back(request.url);
    if (connections.size() < asked.size()) {
      at_end();
      return Error{Code::kCancelled, "stopped"};
    }
    for (const std::string& message : connections[asked.size() - 1]) {
      if (!on_message(message)) return {};
    }
    return Error{Code::kUnavailable, "ws://e.example: the connection ended"};
  }
  std::vector<std::vector<std::string>> connections;
  std::vector<std::string> asked;
  std::function<void()> at_end;
};

class JetstreamSourceTest : public ::testing::Test {
 protected:
  SourceStatus::View run(std::vector<std::vector<std::string>> connections) {
    JetstreamOptions options;
    options.name = "sky";
    options.url = "ws://e.example/subscribe";
    auto socket = std::make_unique<FakeSocket>();
    socket_ = socket.get();
    socket_->connections = std::move(connections);
    std::stop_source stop;
    socket_->at_end = [&] { stop.request_stop(); };
    source_ =
        JetstreamSource::create(options, {clock_, sink_, pauser_, DecodeLimits{}, folder_.path()},
                                std::move(socket))
            .value();
    source_->run(stop.get_token());
    return source_->status().view();
  }
  std::string cursor() const { return read_whole(folder_.path() / "sky.cursor").value(); }

  ManualClock clock_{EventTime{milliseconds{kStart / 1'000 + 60'000}}};
  StepPauser pauser_{clock_};
  FakeSink sink_;
  TestFolder folder_;
  FakeSocket* socket_ = nullptr;
  std::unique_ptr<Source> source_;
};

TEST_F(JetstreamSourceTest, GoesOnFromACursorAFewSecondsBack) {
  const auto view = run({{event(1), event(2)}, {event(2), event(3)}});
  EXPECT_EQ(sink_.stored().size(), 3U);
  EXPECT_EQ(sink_.duplicates(), 1U);
  const std::string url = "ws://e.example/subscribe?wantedCollections=app.bsky.feed.post";
  EXPECT_EQ(socket_->asked[0], url);
  EXPECT_EQ(socket_->asked[1], url + "&cursor=" + std::to_string(kStart + 2 - 5'000'000));
  EXPECT_EQ(cursor(), std::to_string(kStart + 3));
  EXPECT_EQ(view.errors, 2U);
  EXPECT_EQ(view.stored, 3U);
  EXPECT_NEAR(view.lag.value(), 60, 5);
  run({{event(4)}});  // after a restart
  EXPECT_EQ(socket_->asked[0], url + "&cursor=" + std::to_string(kStart + 3 - 5'000'000));
}

TEST_F(JetstreamSourceTest, BacksOffAndBeginsAnewOnceAMessageCame) {
  run({{}, {}, {}, {}, {event(1)}, {}});
  ASSERT_EQ(pauser_.pauses.size(), 6U);
  EXPECT_LE(pauser_.pauses[0], milliseconds{1'000});
  EXPECT_GE(pauser_.pauses[3], milliseconds{4'000});
  EXPECT_LE(pauser_.pauses[4], milliseconds{1'000});
}

TEST_F(JetstreamSourceTest, GarbageIsKeptAndPassed) {
  const auto view = run({{event(1), "no json", event(2)}});
  EXPECT_EQ(view.rejected, 1U);
  EXPECT_EQ(sink_.stored().size(), 2U);
  EXPECT_NE(read_whole(folder_.path() / "sky.rejected.ndjson")->find("no json"), std::string::npos);
}

TEST_F(JetstreamSourceTest, TheCursorWaitsForTheDisk) {
  run({{event(1)}});
  sink_.fail(true);
  const auto failed = run({{event(2), event(3)}});
  EXPECT_EQ(cursor(), std::to_string(kStart + 1));
  EXPECT_NE(failed.last_error.find("disk full"), std::string::npos);
  sink_.fail(false);
  run({{event(1), event(2), event(3)}});
  EXPECT_EQ(sink_.stored().size(), 3U);
  EXPECT_EQ(cursor(), std::to_string(kStart + 3));
}

TEST_F(JetstreamSourceTest, ABrokenCursorIsAsNone) {
  std::ofstream(folder_.path() / "sky.cursor") << "garbage";
  run({{event(1)}});
  EXPECT_EQ(socket_->asked[0].find("cursor"), std::string::npos);
  EXPECT_EQ(sink_.stored().size(), 1U);
}

TEST(WebSocketAddressTest, PartsOfAnAddress) {
  const auto v6 = split_web_socket_address("ws://[::1]:6008/subscribe?x=1");
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, "6008");
  EXPECT_EQ(v6.authority, "[::1]:6008");
  EXPECT_EQ(v6.target, "/subscribe?x=1");
  const auto bare = split_web_socket_address("wss://[2001:db8::7]");
  EXPECT_TRUE(bare.tls);
  EXPECT_EQ(bare.host, "2001:db8::7");
  EXPECT_EQ(bare.authority, "[2001:db8::7]:443");
  const auto named = split_web_socket_address("ws://e.example?x");
  EXPECT_EQ(named.host, "e.example");
  EXPECT_EQ(named.authority, "e.example:80");
  EXPECT_EQ(named.target, "/?x");
}

TEST(JetstreamEventTest, DeepNestingIsRefused) {
  EXPECT_EQ(parse_jetstream_event(R"({"x":)" + std::string(100'000, '['), {}).error().message,
            "JSON nested deeper than 64 levels");
}

}  // namespace
}  // namespace tidewatch
