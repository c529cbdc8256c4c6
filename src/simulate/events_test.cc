// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "simulate/simulator.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A good event of six lines; a case replaces one piece of it.
std::string event_with(const std::string& from, const std::string& to) {
  std::string text =
      "[[event]]\nname = \"canteen\"\ntopic = \"edu\"\nkind = \"wave\"\n"
      "start = 20\nduration = 60\nposts = 100\nnegative_share = 0.8\n";
  if (!from.empty()) text.replace(text.find(from), from.size(), to);
  return text;
}

struct BadEvents {
  const char* name;
  std::string text;
  const char* file;
  const char* start;  // of the message
  const char* part;   // of the message
};

class EventErrors : public ::testing::TestWithParam<BadEvents> {};

TEST_P(EventErrors, SaysFileLineFieldAndReason) {
  const auto& [name, text, file, start, part] = GetParam();
  const auto events = parse_events(text, file);
  ASSERT_FALSE(events.ok());
  EXPECT_EQ(events.error().code, Code::kInvalidArgument);
  EXPECT_THAT(events.error().message, StartsWith(start));
  EXPECT_THAT(events.error().message, HasSubstr(part));
}

constexpr const char* kGoodJson =
    R"("topic":"edu","kind":"wave","start":0,"duration":9,"posts":5,"negative_share":1)";

INSTANTIATE_TEST_SUITE_P(
    All, EventErrors,
    ::testing::Values(
        BadEvents{
            "topic", event_with("\"edu\"", "\"food\""), "e.toml",
            "e.toml:3: event 1 (canteen): field 'topic':", "'food' is not one of agriculture"},
        BadEvents{"life_is_no_topic", event_with("\"edu\"", "\"life\""), "e.toml",
                  "e.toml:3:", "not one of"},
        BadEvents{"missing_name", event_with("name = \"canteen\"\n", ""), "e.toml",
                  "e.toml:1: event 1: field 'name':", "missing"},
        BadEvents{"missing_posts", event_with("posts = 100\n", ""), "e.toml",
                  "e.toml:1: event 1 (canteen): field 'posts':", "missing"},
        BadEvents{"posts_text", event_with("100", "\"many\""), "e.toml",
                  "e.toml:7:", "must be a number"},
        BadEvents{"posts_zero", event_with("100", "0"), "e.toml", "e.toml:7:", "0 is not from 1"},
        BadEvents{"posts_fraction", event_with("100", "1.5"), "e.toml",
                  "e.toml:7:", "whole number"},
        BadEvents{"start_negative", event_with("20", "-3"), "e.toml",
                  "e.toml:5:", "-3 is not from 0"},
        BadEvents{"duration_zero", event_with("60", "0"), "e.toml", "e.toml:6:", "0 is not from 1"},
        BadEvents{"share", event_with("0.8", "80"), "e.toml", "e.toml:8:", "80 is not from 0 to 1"},
        BadEvents{"share_nan", event_with("0.8", "nan"), "e.toml", "e.toml:8:", "not from 0 to 1"},
        BadEvents{"kind", event_with("\"wave\"", "\"tsunami\""), "e.toml",
                  "e.toml:4:", "not one of wave, copypaste, happy"},
        BadEvents{"unknown_field", event_with("posts", "post"), "e.toml",
                  "e.toml:7: event 1 (canteen): field 'post':", "unknown; the fields are name"},
        BadEvents{"regions_type", event_with("posts", "regions = \"广东\"\nposts"), "e.toml",
                  "e.toml:7:", "list of strings"},
        BadEvents{"region", event_with("posts", "regions = [\"广东省\"]\nposts"), "e.toml",
                  "e.toml:7:", "'广东省' is no region"},
        BadEvents{"hashtag_signs", event_with("posts", "hashtag = \"#a#\"\nposts"), "e.toml",
                  "e.toml:7:", "leave out the # signs"},
        BadEvents{"mood", event_with("posts", "mood = \"happy\"\nposts"), "e.toml",
                  "e.toml:7:", "not one of angry, fear, sad"},
        BadEvents{"control", event_with("posts", "subject = \"a\\nb\"\nposts"), "e.toml",
                  "e.toml:7:", "control characters"},
        BadEvents{"long", event_with("canteen", std::string(301, 'x')), "e.toml",
                  "e.toml:2:", "longer than 300 bytes"},
        BadEvents{"twice", event_with("", "") + event_with("", ""), "e.toml",
                  "e.toml:9: event 2: field 'name':", "taken by an earlier event"},
        BadEvents{"syntax", event_with("= 20", "20"), "e.toml", "e.toml:5:", "not valid TOML"},
        BadEvents{"other_key", "events = 3\n", "e.toml", "e.toml:1:", "unknown key 'events'"},
        BadEvents{"single_table", "[event]\nname = \"x\"\n", "e.toml", "e.toml:1:", "two brackets"},
        BadEvents{"too_large", std::string(kEventsFileBytesMax + 1, '#'), "e.toml",
                  "e.toml:1:", "larger than"},
        BadEvents{"json_object", "{}", "e.json", "e.json:1:", "array of objects"},
        BadEvents{"json_item", "[\n3]", "e.json", "e.json:2:", "an event is an object"},
        BadEvents{"json_field",
                  std::string("[{\"name\":\"a\",\n") + kGoodJson + ",\n\"regions\":[1]}]", "e.json",
                  "e.json:3: event 1 (a): field 'regions':", "list of strings"},
        BadEvents{"json_truncated", std::string("[{\"name\":\"a\",") + kGoodJson, "e.json",
                  "e.json:", "not valid JSON"},
        BadEvents{"json_trailing", std::string("[{\"name\":\"a\",") + kGoodJson + "}] x", "e.json",
                  "e.json:", "not valid JSON"},
        BadEvents{"json_missing", "[{\"name\":\"a\"}]", "e.json", "e.json:1:", "missing"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseEvents, ReadsTomlWithDefaults) {
  const auto events = parse_events(event_with("", ""), "e.toml");
  ASSERT_TRUE(events.ok()) << events.error().message;
  ASSERT_EQ(events->size(), 1U);
  const PlantedEvent& event = events->front();
  EXPECT_EQ(event.name, "canteen");
  EXPECT_EQ(event.topic, "edu");
  EXPECT_EQ(event.start, std::chrono::seconds(20));
  EXPECT_EQ(event.duration, std::chrono::seconds(60));
  EXPECT_EQ(event.posts, 100U);
  EXPECT_DOUBLE_EQ(event.negative_share, 0.8);
  EXPECT_EQ(event.hashtag, "canteen");
  EXPECT_EQ(event.subject, "canteen");
  EXPECT_EQ(event.mood, "angry");
  EXPECT_TRUE(event.regions.empty());
}

TEST(ParseEvents, ReadsTheSameFromJson) {
  const std::string json = std::string("[{\"name\":\"校园\",") + kGoodJson +
                           R"(,"regions":["广东","海外"],"details":["a\"b"],"mood":"sad"}])";
  for (const char* file : {"e.json", "events"}) {
    const auto events = parse_events(json, file);
    ASSERT_TRUE(events.ok()) << events.error().message;
    ASSERT_EQ(events->size(), 1U);
    EXPECT_EQ(events->front().name, "校园");
    EXPECT_EQ(events->front().regions, (std::vector<std::string>{"广东", "海外"}));
    EXPECT_EQ(events->front().details, (std::vector<std::string>{"a\"b"}));
    EXPECT_EQ(events->front().mood, "sad");
    EXPECT_EQ(events->front().posts, 5U);
  }
}

TEST(ParseEvents, TakesAnEmptyFileAsNoEvents) {
  for (const char* text : {"", "# nothing\n", "[]"}) {
    const auto events = parse_events(text, "events");
    ASSERT_TRUE(events.ok()) << events.error().message;
    EXPECT_TRUE(events->empty());
  }
}

TEST(ParseEvents, TheDemoRisesWithinTheFirstMinute) {
  const auto events = parse_events(demo_events_toml(), "demo_events.toml");
  ASSERT_TRUE(events.ok()) << events.error().message;
  ASSERT_GE(events->size(), 6U);
  EXPECT_LE(events->front().start, std::chrono::seconds(20));
  EXPECT_EQ(events->front().kind, "wave");
  EXPECT_GT(events->front().negative_share, 0.7);
  for (const PlantedEvent& event : *events) {
    EXPECT_LE(event.start + event.duration, std::chrono::minutes(10)) << event.name;
  }
}

}  // namespace
}  // namespace tidewatch
