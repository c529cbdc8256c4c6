// SPDX-License-Identifier: Apache-2.0
#include "sources/feed_source.h"

#include <gtest/gtest.h>

#include "sources/durable_file.h"
#include "sources/testing/fake_fetch.h"
#include "sources/testing/fake_sink.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

std::string feed(std::initializer_list<int> items) {
  std::string out = "<rss><channel>";
  for (const int n : items) {
    out += "<item><title>t" + std::to_string(n) + "</title><guid>g" + std::to_string(n) +
           "</guid><pubDate>Mon, 23 Nov 2026 08:05:00 GMT</pubDate></item>";
  }
  return out + "</channel></rss>";
}

class FeedSourceTest : public ::testing::Test {
 protected:
  // Runs until the script is over.
  SourceStatus::View run(std::vector<FakeFetch::Answer> script) {
    FeedOptions options;
    options.name = "news";
    options.urls = {"https://e.example/feed?token=secret"};
    options.interval = std::chrono::seconds{300};
    auto http = std::make_unique<FakeFetch>();
    http_ = http.get();
    http_->script = std::move(script);
    std::stop_source stop;
    http_->at_end = [&] { stop.request_stop(); };
    source_ = FeedSource::create(options, {clock_, sink_, pauser_, DecodeLimits{}, folder_.path()},
                                 std::move(http))
                  .value();
    source_->run(stop.get_token());
    return source_->status().view();
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const Post& post : sink_.stored()) out.push_back(post.id);
    return out;
  }

  ManualClock clock_{EventTime{milliseconds{1'800'000'000'000}}};
  StepPauser pauser_{clock_};
  FakeSink sink_;
  TestFolder folder_;
  FakeFetch* http_ = nullptr;
  std::unique_ptr<Source> source_;
};

TEST_F(FeedSourceTest, PollsWithValidatorsAndTakesWhatIsNew) {
  HttpReply first = reply_of(200, feed({2, 1}));
  first.etag = "\"v1\"";
  first.last_modified = "Mon, 23 Nov 2026 08:05:00 GMT";
  const auto view = run({{first, {}}, {reply_of(304), {}}, {reply_of(200, feed({3, 2})), {}}});
  EXPECT_EQ(ids(), (std::vector<std::string>{"news:g1", "news:g2", "news:g3"}));
  EXPECT_EQ(http_->header(0, "If-None-Match"), "");
  EXPECT_EQ(http_->header(1, "If-None-Match"), "\"v1\"");
  EXPECT_EQ(http_->header(1, "If-Modified-Since"), "Mon, 23 Nov 2026 08:05:00 GMT");
  EXPECT_EQ(http_->header(2, "If-None-Match"), "\"v1\"");
  EXPECT_EQ(http_->header(3, "If-None-Match"), "");  // the last answer had none
  EXPECT_EQ(pauser_.pauses, std::vector<milliseconds>(3, milliseconds{300'000}));
  EXPECT_EQ(view.stored, 3U);
  EXPECT_EQ(view.errors, 0U);
  EXPECT_EQ(sink_.duplicates(), 0U);
}

TEST_F(FeedSourceTest, ARestartGoesOn) {
  HttpReply first = reply_of(200, feed({2, 1}));
  first.etag = "\"v1\"";
  run({{first, {}}});
  run({{reply_of(200, feed({3, 2, 1})), {}}});
  EXPECT_EQ(http_->header(0, "If-None-Match"), "\"v1\"");
  EXPECT_EQ(ids().size(), 3U);
  EXPECT_EQ(sink_.duplicates(), 0U);  // known from the file, not from the store
}

TEST_F(FeedSourceTest, ASpoiledStateFileIsBegunAnew) {
  const std::string file = folder_.path() / "news.feeds.json";
  const std::string address = R"({"https://e.example/feed?token=secret":)";
  for (const std::string& spoiled :
       {std::string("{cut"), std::string("[]"), address + "7}", address + R"({"etag":7}})",
        address + R"({"last_modified":[]}})", address + R"({"seen":"x"}})",
        address + R"({"seen":[1]}})", address + std::string(1'000, '[')}) {
    ASSERT_TRUE(write_durably(file, spoiled));
    const auto view = run({{reply_of(200, feed({1})), {}}});
    EXPECT_NE(view.last_error.find(file), std::string::npos) << spoiled << view.last_error;
    EXPECT_EQ(view.errors, 1U) << spoiled;
    EXPECT_EQ(http_->header(0, "If-None-Match"), "");
  }
  EXPECT_EQ(ids(), std::vector<std::string>{"news:g1"});
  EXPECT_EQ(run({{reply_of(304), {}}}).errors, 0U);  // it is whole again
}

TEST_F(FeedSourceTest, AKillBeforeTheDiskReadsAgain) {
  sink_.hold(100);
  FeedOptions options{.name = "news", .urls = {"https://e.example/feed"}, .ca_file = ""};
  auto http = std::make_unique<FakeFetch>();
  http->script.push_back({reply_of(200, feed({1})), {}});
  std::stop_source stop;
  // The first wait is for the receipt: it never comes, the engine ends.
  pauser_.on_pause = [&](milliseconds) { stop.request_stop(); };
  FeedSource::create(options, {clock_, sink_, pauser_, DecodeLimits{}, folder_.path()},
                     std::move(http))
      .value()
      ->run(stop.get_token());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "news.feeds.json"));
  pauser_.on_pause = nullptr;
  sink_.release();
  run({{reply_of(200, feed({1})), {}}});
  EXPECT_EQ(ids(), std::vector<std::string>{"news:g1"});
}

TEST_F(FeedSourceTest, BacksOffAndKeepsWhatTheServerAsks) {
  HttpReply busy = reply_of(429);
  busy.retry_after = milliseconds{3'600'000};
  const auto view = run({{{}, {}, "https://e.example: Couldn't connect"},
                         {reply_of(500), {}},
                         {reply_of(200, "<html/>"), {}},
                         {busy, {}},
                         {reply_of(200, feed({1})), {}},
                         {reply_of(500), {}}});
  ASSERT_EQ(pauser_.pauses.size(), 6U);
  EXPECT_EQ(pauser_.pauses[0], milliseconds{300'000});  // never sooner than usual
  EXPECT_GE(pauser_.pauses[2], milliseconds{600'000});
  EXPECT_LE(pauser_.pauses[2], milliseconds{1'200'000});
  EXPECT_GE(pauser_.pauses[3], milliseconds{3'600'000});
  EXPECT_EQ(pauser_.pauses[4], milliseconds{300'000});
  EXPECT_EQ(pauser_.pauses[5], milliseconds{300'000});  // begun anew
  EXPECT_EQ(view.errors, 5U);
  EXPECT_EQ(view.stored, 1U);
  EXPECT_EQ(view.last_error, "https://e.example: answered 500");  // no path, no token
}

TEST_F(FeedSourceTest, ADiskThatFailsIsTriedAgain) {
  sink_.fail(true);
  const auto failed = run({{reply_of(200, feed({1})), {}}});
  EXPECT_NE(failed.last_error.find("disk full"), std::string::npos);
  sink_.fail(false);
  run({{reply_of(200, feed({1})), {}}});
  EXPECT_EQ(ids(), std::vector<std::string>{"news:g1"});
}

TEST_F(FeedSourceTest, AnEngineThatIsBehindSlowsIt) {
  sink_.hold(0);
  int refusals = 0;
  pauser_.on_pause = [&](milliseconds time) {
    if (time < milliseconds{10} && ++refusals == 5) sink_.release();
  };
  const auto view = run({{reply_of(200, feed({2, 1})), {}}});
  EXPECT_EQ(view.stored, 2U);
  EXPECT_EQ(view.slowed, 1U);
  EXPECT_GE(refusals, 5);
}

TEST(HttpAddressTest, OnlyWhatIsMeant) {
  EXPECT_TRUE(check_address("https://e.example/feed?x=1", {"http", "https"}));
  for (const char* bad : {"ftp://e.example/", "file:///etc/passwd", "https://", "e.example",
                          "https://user:pass@e.example/", "https://e.example/a b"}) {
    EXPECT_FALSE(check_address(bad, {"http", "https"})) << bad;
  }
}

}  // namespace
}  // namespace tidewatch
