// SPDX-License-Identifier: Apache-2.0
#include "sources/mastodon_source.h"

#include <gtest/gtest.h>

#include "core/rfc3339.h"
#include "sources/durable_file.h"
#include "sources/sse_parser.h"
#include "sources/testing/fake_fetch.h"
#include "sources/testing/fake_sink.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

std::string status(int n, std::string_view more = "") {
  const std::string number = std::to_string(n);
  return R"({"id":")" + number + R"(","uri":"https://m.example/s/)" + number +
         R"(","url":"https://m.example/@a/)" + number +
         R"(","created_at":"2026-11-23T04:31:05.000Z","content":"<p>第)" + number +
         R"(条</p>","language":"zh","favourites_count":3,"reblogs_count":1,"account":{"acct":"a","url":"https://m.example/@a"})" +
         std::string(more) + "}";
}
std::string update(int n) { return "event: update\ndata: " + status(n) + "\n\n"; }

TEST(SseParserTest, EventsCutAnywhere) {
  const std::string stream =
      ":)\n\nevent: update\ndata: {\"a\":1}\n\n:thump\nevent: delete\r\ndata: "
      "5\r\n\r\ndata:x\ndata: y\n\n"
      "event: none\n\nid: 7\ndata\n\ndata: cut";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
    SseParser parser;
    std::string seen;
    std::string_view rest = stream;
    while (!rest.empty()) {
      const auto fed =
          parser.feed(rest.substr(0, piece), [&](std::string_view event, std::string_view data) {
            seen += "[" + std::string(event) + " " + std::string(data) + "]";
            return true;
          });
      ASSERT_TRUE(fed && *fed);
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    EXPECT_EQ(seen, "[update {\"a\":1}][delete 5][message x\ny][message ]");
  }
  SseParser parser;
  EXPECT_FALSE(parser.feed("data: " + std::string(2 << 20, 'x'), [](auto, auto) { return true; }));
}

TEST(MastodonStatusTest, AStatus) {
  const auto read = parse_mastodon_status(status(7, R"(,"spoiler_text":"注意")"), {"zh"}).value();
  EXPECT_EQ(read.id, "7");
  EXPECT_TRUE(read.wanted);
  EXPECT_EQ(read.post.id, "https://m.example/s/7");
  EXPECT_EQ(read.post.text, "注意\n第7条");
  EXPECT_EQ(read.post.author, "https://m.example/@a");
  EXPECT_EQ(read.post.url, "https://m.example/@a/7");
  EXPECT_EQ(read.post.likes, 3);
  EXPECT_EQ(read.post.reposts, 1);
  EXPECT_FALSE(parse_mastodon_status(status(7), {"en"})->wanted);
  const auto boost = parse_mastodon_status(status(8, R"(,"reblog":)" + status(7)), {}).value();
  EXPECT_EQ(boost.post.repost_of, "https://m.example/s/7");
  EXPECT_EQ(boost.post.text, "");
  for (const char* bad : {"", "[]", "{}", R"({"id":"1","uri":"u","created_at":"then"})"}) {
    EXPECT_FALSE(parse_mastodon_status(bad, {})) << bad;
  }
}

TEST(MastodonStatusTest, IdsGrowWithTime) {
  EXPECT_TRUE(id_before("9", "10"));
  EXPECT_TRUE(id_before("", "1"));
  EXPECT_FALSE(id_before("10", "10"));
  EXPECT_EQ(id_earlier("113000000000000000", std::chrono::seconds{300}),
            std::to_string(113'000'000'000'000'000 - (300'000LL << 16)));
  EXPECT_EQ(id_earlier("5", std::chrono::seconds{300}), "5");
  EXPECT_EQ(id_earlier("01HXYZ", std::chrono::seconds{300}), "01HXYZ");  // of another software
}

class MastodonSourceTest : public ::testing::Test {
 protected:
  SourceStatus::View run(std::vector<FakeFetch::Answer> stream,
                         std::vector<FakeFetch::Answer> rest) {
    MastodonOptions options;
    options.name = "masto";
    options.url = "https://m.example/";
    options.token = "secret";
    auto streams = std::make_unique<FakeFetch>();
    auto pages = std::make_unique<FakeFetch>();
    stream_ = streams.get();
    rest_ = pages.get();
    stream_->script = std::move(stream);
    rest_->script = std::move(rest);
    std::stop_source stop;
    stream_->at_end = [&] { stop.request_stop(); };
    rest_->at_end = [] {};
    stream_->before_piece = before_piece_;
    source_ =
        MastodonSource::create(options, {clock_, sink_, pauser_, DecodeLimits{}, folder_.path()},
                               std::move(streams), std::move(pages))
            .value();
    source_->run(stop.get_token());
    return source_->status().view();
  }
  std::string cursor() const { return read_whole(folder_.path() / "masto.cursor").value(); }

  ManualClock clock_{EventTime{milliseconds{1'800'000'000'000}}};
  StepPauser pauser_{clock_};
  FakeSink sink_;
  TestFolder folder_;
  std::function<void(const std::string&)> before_piece_;
  FakeFetch* stream_ = nullptr;
  FakeFetch* rest_ = nullptr;
  std::unique_ptr<Source> source_;
};

TEST_F(MastodonSourceTest, ADropIsCaughtUpPageByPage) {
  const HttpReply open = reply_of(200);
  const auto view = run({{open, {":)\n\n", update(1), update(2)}}, {open, {":)\n", update(7)}}},
                        {{reply_of(200, "[" + status(4) + "," + status(3) + "," + status(2) + "]")},
                         {reply_of(200, "[" + status(6) + "," + status(5) + "]")},
                         {reply_of(200, "[]")}});
  EXPECT_EQ(sink_.stored().size(), 7U);
  EXPECT_EQ(sink_.duplicates(), 1U);
  ASSERT_EQ(rest_->asked.size(), 3U);
  EXPECT_EQ(rest_->asked[0].url, "https://m.example/api/v1/timelines/public?limit=40&min_id=2");
  EXPECT_EQ(rest_->asked[1].url, "https://m.example/api/v1/timelines/public?limit=40&min_id=4");
  EXPECT_EQ(stream_->asked[0].url, "https://m.example/api/v1/streaming/public");
  EXPECT_EQ(stream_->header(0, "Authorization"), "Bearer secret");
  EXPECT_EQ(cursor(), "7");
  EXPECT_EQ(view.stored, 7U);
  EXPECT_EQ(view.last_error, "https://m.example: the stream ended");
}

TEST_F(MastodonSourceTest, ARestartCatchesUp) {
  run({{reply_of(200), {update(5)}}}, {});
  EXPECT_TRUE(rest_->asked.empty());  // nothing to catch up with yet
  run({{reply_of(200), {":thump\n"}}},
      {{reply_of(200, "[" + status(6) + "]")}, {reply_of(200, "[]")}});
  EXPECT_EQ(sink_.stored().size(), 2U);
  EXPECT_EQ(cursor(), "6");
}

TEST_F(MastodonSourceTest, AServerThatIgnoresMinIdIsNotAskedForEver) {
  run({{reply_of(200), {update(5)}}}, {});
  const FakeFetch::Answer same{reply_of(200, "[" + status(5) + "]")};
  run({{reply_of(200), {":)\n"}}}, {same, same, same});
  EXPECT_EQ(rest_->asked.size(), 1U);
}

TEST_F(MastodonSourceTest, GarbageIsPassedAndErrorsAreWaitedFor) {
  HttpReply busy = reply_of(429);
  busy.retry_after = milliseconds{90'000};
  const auto view = run({{busy},
                         {reply_of(401)},
                         {{}, {}, "https://m.example: Couldn't connect"},
                         {reply_of(200), {"event: update\ndata: {broken\n\n", update(1)}}},
                        {});
  EXPECT_EQ(view.rejected, 1U);
  EXPECT_NE(read_whole(folder_.path() / "masto.rejected.ndjson")->find("{broken"),
            std::string::npos);
  EXPECT_EQ(sink_.stored().size(), 1U);
  EXPECT_EQ(pauser_.pauses.at(0), milliseconds{90'000});
  EXPECT_GE(pauser_.pauses.at(2), milliseconds{2'000});
  EXPECT_EQ(view.errors, 4U);
}

TEST_F(MastodonSourceTest, DeepNestingIsRefused) {
  const std::string deep =
      R"({"id":"6","x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  run({{reply_of(200), {update(5), "event: update\ndata: " + deep + "\n\n"}}}, {});
  EXPECT_EQ(source_->status().view().rejected, 1U);
  EXPECT_NE(read_whole(folder_.path() / "masto.rejected.ndjson")->find("nested deeper than 64"),
            std::string::npos);
  const auto view = run({{reply_of(200), {":)\n"}}}, {{reply_of(200, "[" + deep + "]")}});
  EXPECT_EQ(view.last_error,
            "https://m.example: the timeline is no list of statuses: JSON nested deeper than 64 "
            "levels");
  EXPECT_EQ(cursor(), "5");
}

TEST_F(MastodonSourceTest, TheCursorWaitsForTheDisk) {
  sink_.fail(true);
  run({{reply_of(200), {update(1)}}}, {});
  EXPECT_EQ(cursor(), "");
  sink_.fail(false);
  run({{reply_of(200), {update(2)}}}, {});
  EXPECT_EQ(cursor(), "2");
}

// No status may come for hours; what came is on disk long before.
TEST_F(MastodonSourceTest, AHeartbeatSavesTheCursorToo) {
  std::vector<std::string> cursors;
  before_piece_ = [&](const std::string&) {
    cursors.push_back(cursor());
    clock_.advance(milliseconds{15'000});
  };
  run({{reply_of(200), {":)\n\n", update(1), update(2), ":thump\n", ":thump\n"}}}, {});
  EXPECT_EQ(cursors, (std::vector<std::string>{"", "", "1", "2", "2"}));
}

TEST_F(MastodonSourceTest, ARejectedStatusIsNotReadAgain) {
  const std::string long_text(2'000'000, 'x');
  const std::string rejected =
      R"({"id":"2","uri":"https://m.example/s/2","created_at":"2026-11-23T04:31:05.000Z","content":")" +
      long_text + "\"}";
  const auto view = run({{reply_of(200), {update(1)}}, {reply_of(200), {":)\n"}}},
                        {{reply_of(200, "[" + rejected + "]")}, {reply_of(200, "[]")}});
  EXPECT_EQ(view.rejected, 1U);
  EXPECT_EQ(cursor(), "2");
}

TEST_F(MastodonSourceTest, ACutCatchUpAfterADiskFailureLosesNothing) {
  int waits = 0;
  pauser_.on_pause = [&](milliseconds) { sink_.fail(++waits == 1); };
  const HttpReply open = reply_of(200);
  run({{open, {update(1)}}, {open, {":)\n", update(9)}}, {open, {":)\n"}}},
      {{reply_of(200, "[]")},
       {reply_of(200, "[" + status(3) + "," + status(2) + "]")},
       {reply_of(429)}});
  EXPECT_EQ(cursor(), "3");  // 9 came, but is not on disk
}

TEST_F(MastodonSourceTest, ADiskThatFailsEndsTheCatchUp) {
  run({{reply_of(200), {update(1)}}}, {});
  sink_.fail(true);
  const auto view = run({{reply_of(200), {":)\n"}}},
                        {{reply_of(200, "[" + status(2) + "]")}, {reply_of(200, "[]")}});
  EXPECT_EQ(rest_->asked.size(), 1U);
  EXPECT_NE(view.last_error.find("disk full"), std::string::npos);
  EXPECT_EQ(cursor(), "1");
}

}  // namespace
}  // namespace tidewatch
