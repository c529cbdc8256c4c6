// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace tidewatch {
namespace {

using testing::HasSubstr;

constexpr EventTime kArrival{std::chrono::milliseconds{1'700'000'000'000}};

class PostRulesTest : public testing::Test {
 protected:
  FreshIds ids{"fresh"};
  PostRules rules{DecodeLimits{}, ids};
};

TEST_F(PostRulesTest, FillsWhatIsMissing) {
  Post post;
  post.text = "高考";
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.id, "fresh-1");
  EXPECT_EQ(post.time, kArrival);
  EXPECT_EQ(post.text, "高考");
}

TEST_F(PostRulesTest, KeepsWhatIsThere) {
  Post post;
  post.id = "a";
  post.time = EventTime{std::chrono::milliseconds{1}};
  post.likes = 0;
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.id, "a");
  EXPECT_EQ(post.time.time_since_epoch().count(), 1);
  EXPECT_EQ(post.text, "");
}

TEST_F(PostRulesTest, RepairsBytes) {
  Post post;
  post.text = std::string("a\xFFz\0b", 5);
  post.author = std::string("\0", 1);
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.text,
            "a\xEF\xBF\xBDz\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(post.author, "\xEF\xBF\xBD");
}

TEST_F(PostRulesTest, CompactsExtra) {
  Post post;
  post.extra = " { \"a\" : [ 1 , 2 ] , \"b\" : \"x y\" } ";
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.extra, R"("a":[1,2],"b":"x y")");
  post.extra = "{}";
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.extra, "");
}

TEST_F(PostRulesTest, RefusesWithFieldAndReason) {
  const DecodeLimits limits;
  struct Case {
    std::string field;
    std::string reason;
    std::function<void(Post&)> spoil;
  };
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  const Case cases[] = {
      {"text", "at most 65536", [&](Post& p) { p.text.assign(limits.text_bytes_max + 1, 'x'); }},
      // Grows past the limit by its repair.
      {"text", "at most 65536", [&](Post& p) { p.text.assign(limits.text_bytes_max, '\xFF'); }},
      {"id", "at most 256", [&](Post& p) { p.id.assign(257, 'x'); }},
      {"repost_of", "at most 256", [&](Post& p) { p.repost_of.assign(257, 'x'); }},
      {"source", "at most 4096", [&](Post& p) { p.source.assign(4097, 'x'); }},
      {"author", "at most 4096", [&](Post& p) { p.author.assign(4097, 'x'); }},
      {"region", "at most 4096", [&](Post& p) { p.region.assign(4097, 'x'); }},
      {"url", "at most 4096", [&](Post& p) { p.url.assign(4097, 'x'); }},
      {"likes", "whole number", [](Post& p) { p.likes = -1; }},
      {"reposts", "whole number", [](Post& p) { p.reposts = -1; }},
      {"time", "1970 to 2100", [](Post& p) { p.time = EventTime{std::chrono::milliseconds{-1}}; }},
      {"time", "1970 to 2100",
       [](Post& p) { p.time = EventTime{std::chrono::milliseconds{kPostTimeEndMs}}; }},
      {"extra_json", "one JSON object", [](Post& p) { p.extra = "[]"; }},
      {"extra_json", "one JSON object", [](Post& p) { p.extra = "{\"a\":1"; }},
      {"extra_json", "one JSON object", [](Post& p) { p.extra = "{}{}"; }},
      {"extra_json", "deeper than 32", [&](Post& p) { p.extra = "{\"a\":" + deep + "}"; }},
      {"extra_json", "at most 16384",
       [](Post& p) { p.extra = "{\"a\":\"" + std::string(20'000, 'x') + "\"}"; }},
      {"extra_json", "at most 16384", [](Post& p) { p.extra.assign(2 << 20, 'x'); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.field + ": " + c.reason);
    Post post;
    c.spoil(post);
    const auto error = rules.apply(post, kArrival);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->field, c.field);
    EXPECT_THAT(error->reason, HasSubstr(c.reason));
  }
  Post post;
  ASSERT_FALSE(rules.apply(post, kArrival));
  EXPECT_EQ(post.id, "fresh-1");  // none was taken by those
}

}  // namespace
}  // namespace tidewatch
