// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "ingest/post_json.h"
#include "ingest/utf8.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kArrival = 1'800'000'000'123;

class PostDecoderTest : public ::testing::Test {
 protected:
  std::variant<Post, DecodeError> decode(std::string_view line) { return decoder_.decode(line); }
  Post post(std::string_view line) {
    auto decoded = decode(line);
    if (const auto* error = std::get_if<DecodeError>(&decoded)) {
      ADD_FAILURE() << line << " gave " << error->field << ": " << error->reason;
      return {};
    }
    return std::get<Post>(std::move(decoded));
  }

  ManualClock clock_{EventTime{std::chrono::milliseconds{kArrival}}};
  FreshIds ids_{"fresh"};
  PostDecoder decoder_{DecodeLimits{}, clock_, ids_};
};

TEST_F(PostDecoderTest, ReadsEveryMember) {
  const Post read = post(
      R"({"id":"p1","text":"食品安全 \"引\" \\ \n 😀","time":"2026-11-23T12:31:05.5+08:00","source":"weibo",)"
      R"("author":"a1","region":"广东","repost_of":"p0","url":"https://e.example/1","likes":3,"reposts":0,)"
      R"("lang":"zh","geo":{"x":[1, 2.50,null]}})");
  EXPECT_EQ(read.id, "p1");
  EXPECT_EQ(read.text, "食品安全 \"引\" \\ \n 😀");
  EXPECT_EQ(read.time.time_since_epoch().count(), 1'795'408'265'500);
  EXPECT_EQ(read.source, "weibo");
  EXPECT_EQ(read.author, "a1");
  EXPECT_EQ(read.region, "广东");
  EXPECT_EQ(read.repost_of, "p0");
  EXPECT_EQ(read.url, "https://e.example/1");
  EXPECT_EQ(read.likes, 3);
  EXPECT_EQ(read.reposts, 0);
  EXPECT_EQ(read.extra, R"("lang":"zh","geo":{"x":[1,2.50,null]})");
}

TEST_F(PostDecoderTest, OnlyTextIsNeeded) {
  const Post read = post(R"({"text":""})");
  EXPECT_EQ(read.text, "");
  EXPECT_EQ(read.id, "fresh-1");
  EXPECT_EQ(read.time.time_since_epoch().count(), kArrival);
  EXPECT_EQ(read.source + read.author + read.region + read.repost_of + read.url + read.extra, "");
  EXPECT_FALSE(read.likes.has_value());
  EXPECT_FALSE(read.reposts.has_value());
  EXPECT_EQ(post(R"({"text":""})").id, "fresh-2");
  EXPECT_TRUE(std::holds_alternative<DecodeError>(decode(R"({"time":5})")));
  EXPECT_EQ(post(R"({"text":""})").id, "fresh-3") << "a bad line takes no id";
}

TEST_F(PostDecoderTest, AFallbackIdStandsInForAFreshOne) {
  EXPECT_EQ(std::get<Post>(decoder_.decode(R"({"text":"a"})", "topic:0:7")).id, "topic:0:7");
  EXPECT_EQ(std::get<Post>(decoder_.decode(R"({"text":"a","id":"own"})", "topic:0:7")).id, "own");
  EXPECT_EQ(post(R"({"text":"a"})").id, "fresh-1");
}

TEST_F(PostDecoderTest, NullIsAbsentExceptForText) {
  const Post read = post(
      R"({"id":null,"text":"x","time":null,"source":null,"author":null,"region":null,"repost_of":null,)"
      R"("url":null,"likes":null,"reposts":null})");
  EXPECT_EQ(read.id, "fresh-1");
  EXPECT_EQ(read.time.time_since_epoch().count(), kArrival);
  EXPECT_EQ(read.author, "");
  EXPECT_FALSE(read.likes.has_value());
  EXPECT_EQ(read.extra, "");
}

TEST_F(PostDecoderTest, Times) {
  const struct {
    const char* json;
    std::int64_t milliseconds;  // -1: an error
  } cases[] = {
      {"0", 0},
      {"1700000000", 1'700'000'000'000},
      {"1700000000000", 1'700'000'000'000},
      {"1700000000123", 1'700'000'000'123},
      {"1700000000.123", 1'700'000'000'123},
      {"1700000000123.9", 1'700'000'000'123},
      {"1.7e9", 1'700'000'000'000},
      {"\"1700000000\"", 1'700'000'000'000},
      {"\"1700000000123\"", 1'700'000'000'123},
      {"\"1700000000.5\"", 1'700'000'000'500},
      {"\"2023-11-14T22:13:20Z\"", 1'700'000'000'000},
      {"\"2023-11-15 06:13:20+08:00\"", 1'700'000'000'000},
      {"\"1970-01-01T00:00:00Z\"", 0},
      {"\"2100-12-31T23:59:59.999Z\"", 4'133'980'799'999},
      {"4133980799", 4'133'980'799'000},
      {"4133980799999", 4'133'980'799'999},
      {"\"2101-01-01T00:00:00Z\"", -1},
      {"4133980800", -1},
      {"4133980800000", -1},
      {"99999999999", -1},
      {"-1", -1},
      {"-0.001", -1},
      {"1e300", -1},
      {"1e999", -1},
      {"99999999999999999999999999", -1},
      {"\"1969-12-31T23:59:59Z\"", -1},
      {"\"2023-11-14T22:13:20\"", -1},
      {"\"2023-02-30T00:00:00Z\"", -1},
      {"\"\"", -1},
      {"\"yesterday\"", -1},
      {"\" 1700000000\"", -1},
      {"\"0x10\"", -1},
      {"\"nan\"", -1},
      {"true", -1},
      {"[1700000000]", -1},
      {"{}", -1},
  };
  for (const auto& c : cases) {
    auto decoded = decode(std::string("{\"text\":\"x\",\"time\":") + c.json + "}");
    if (c.milliseconds < 0) {
      ASSERT_TRUE(std::holds_alternative<DecodeError>(decoded)) << c.json;
      EXPECT_EQ(std::get<DecodeError>(decoded).field, "time") << c.json;
    } else {
      ASSERT_TRUE(std::holds_alternative<Post>(decoded))
          << c.json << std::get<DecodeError>(decoded).reason;
      EXPECT_EQ(std::get<Post>(decoded).time.time_since_epoch().count(), c.milliseconds) << c.json;
    }
  }
}

TEST_F(PostDecoderTest, IntegersAsIdsAndAuthors) {
  const Post read = post(R"({"text":"","id":12345678901234567890123,"author":-5,"repost_of":7})");
  EXPECT_EQ(read.id, "12345678901234567890123");
  EXPECT_EQ(read.author, "-5");
  EXPECT_EQ(read.repost_of, "7");
}

TEST_F(PostDecoderTest, Unicode) {
  const struct {
    std::string json;  // of the text, with its quotes
    const char* text;
  } cases[] = {
      {R"("é中😀")", "é中😀"},
      {R"("\ud800")", "\uFFFD"},
      {R"("\udc00x")", "\uFFFDx"},
      {R"("\ud800\ud800\udc00")", "\uFFFD𐀀"},
      {R"("\ud800A")", "\uFFFDA"},
      {R"("\ud83d\n")", "\uFFFD\n"},
      {R"("a\u0000b")", "a\uFFFDb"},
      {R"("\ufeff")", "\uFEFF"},
      {R"("\/\b\f\n\r\t\"\\")", "/\b\f\n\r\t\"\\"},
      {"\"a\xFF"
       "b\"",
       "a\uFFFDb"},
      {"\"\xE4\xB8\"", "\uFFFD"},  // cut off
      {"\"\xE4\xB8\xE4\xB8\xAD\"", "\uFFFD中"},
      {"\"\xC0\xAF\"", "\uFFFD\uFFFD"},            // over-long
      {"\"\xED\xA0\x80\"", "\uFFFD\uFFFD\uFFFD"},  // a surrogate
      {"\"\xF0\x9F\x98\"", "\uFFFD"},
      {"\"\xF4\x90\x80\x80\"", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // past U+10FFFF
      {"\"\x7F\"", "\x7F"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(post("{\"text\":" + c.json + "}").text, c.text) << c.json;
  }
}

TEST_F(PostDecoderTest, InvalidUtf8AnywhereIsReplacedFirst) {
  EXPECT_EQ(post("{\"text\":\"x\",\"k\xFF\":\"v\xC3\"}").extra, "\"k\uFFFD\":\"v\uFFFD\"");
  EXPECT_TRUE(std::holds_alternative<DecodeError>(decode("{\"text\":\"x\"\xFF}")));
}

TEST_F(PostDecoderTest, WhiteSpaceAndLineEnds) {
  EXPECT_EQ(post(" \t{ \"text\" : \"x\" , \"likes\" : 1 }\r").text, "x");
  EXPECT_EQ(post("{\"text\":\"x\",\"n\":\t[ 1 ,\r{ } ] }\r").extra, "\"n\":[1,{}]");
}

TEST_F(PostDecoderTest, OfAMemberGivenTwiceTheLastWins) {
  const Post read =
      post(R"({"text":"a","id":"1","likes":1,"x":1,"text":"b","id":"2","likes":null,"x":2})");
  EXPECT_EQ(read.text, "b");
  EXPECT_EQ(read.id, "2");
  EXPECT_FALSE(read.likes.has_value());
  EXPECT_EQ(read.extra, R"("x":1,"x":2)");
  EXPECT_EQ(post(R"({"text":"a","id":"1","id":null})").id, "fresh-1");
  EXPECT_TRUE(std::holds_alternative<DecodeError>(decode(R"({"text":1,"text":"b"})")));
}

TEST_F(PostDecoderTest, EscapedMemberNames) {
  EXPECT_EQ(post(R"({"\u0074ext":"x","a\u0062":1,"\ud800":2})").extra, R"("a\u0062":1,"\ufffd":2)");
}

TEST_F(PostDecoderTest, KeepsUnknownMembersAsTheyAre) {
  const char* const kept =
      R"("big":123456789012345678901234567890,"exp":1e999,"t":true,"f":false,"n":null,"s":"\u4e2d\"\\",)"
      R"("deep":[[[{"a":[]}]]],"empty":{},"":0)";
  EXPECT_EQ(post(std::string("{\"text\":\"x\",") + kept + "}").extra, kept);
  EXPECT_EQ(post(R"({"text":"x","s":"\ud800 \udc00"})").extra, R"("s":"\ufffd \ufffd")");
}

TEST_F(PostDecoderTest, BadLinesSayWhereAndWhy) {
  const std::string deep = std::string(33, '[') + std::string(33, ']');
  const struct {
    std::string line;
    const char* field;
    const char* reason;
  } cases[] = {
      {"", "", "not a JSON object"},
      {"   ", "", "not a JSON object"},
      {"x", "", ""},
      {"null", "", "not a JSON object"},
      {"[1,2]", "", "not a JSON object"},
      {"\"text\"", "", "not a JSON object"},
      {"{}", "text", "missing; every post needs a text (it may be empty)"},
      {R"({"txt":"x"})", "text", "missing"},
      {R"({"text":null})", "text", "must be a string"},
      {R"({"text":5})", "text", "must be a string"},
      {R"({"text":["x"]})", "text", "must be a string"},
      {R"({"text":{"x":1}})", "text", "must be a string"},
      {R"({"text":true})", "text", "must be a string"},
      {R"({"text":"x")", "", "the object has no end"},
      {R"({"text":"x)", "", "no closing quote"},
      {R"({"text":"x"}})", "", "something follows the object"},
      {R"({"text":"x"}{"text":"y"})", "", "something follows the object"},
      {R"({"text":"x"} 5)", "", ""},
      {R"({"text":"x",})", "", ""},
      {R"({"text" "x"})", "", ""},
      {R"({"text":"x" "y"})", "", ""},
      {R"({"text":"x","a":})", "", ""},
      {R"({"text":"x","a":01})", "", ""},
      {R"({"text":"x","a":tru})", "", ""},
      {R"({"text":"x","a":[1,]})", "", ""},
      {R"({"text":"x","a":[1}})", "", ""},
      {R"({"text":"x","a":{"b":1]})", "", ""},
      {R"({"text":"x","a":"\q"})", "", ""},
      {R"({"text":"x","\q":1})", "", ""},
      {R"({text:"x"})", "", ""},
      {R"({"text":"\x"})", "text", "escape"},
      {R"({"text":"\u12"})", "text", "escape"},
      {"{\"text\":\"a\tb\"}", "", "control character"},
      {std::string("{\"text\":\"a\0b\"}", 14), "", "control character"},
      {std::string("{\"text\":\"x\"}\0", 13), "", ""},
      {R"({"text":"x","id":""})", "id", "must not be empty"},
      {R"({"text":"x","id":1.5})", "id", "must be a string or an integer"},
      {R"({"text":"x","id":1e3})", "id", "must be a string or an integer"},
      {R"({"text":"x","id":true})", "id", "must be a string or an integer"},
      {R"({"text":"x","id":["a"]})", "id", "must be a string or an integer"},
      {R"({"text":"x","repost_of":""})", "repost_of", "must not be empty"},
      {R"({"text":"x","author":1.5})", "author", "must be a string, an integer or null"},
      {R"({"text":"x","author":{}})", "author", "must be a string, an integer or null"},
      {R"({"text":"x","region":5})", "region", "must be a string or null"},
      {R"({"text":"x","source":[]})", "source", "must be a string or null"},
      {R"({"text":"x","url":false})", "url", "must be a string or null"},
      {R"({"text":"x","likes":-1})", "likes", "must be a whole number"},
      {R"({"text":"x","likes":1.0})", "likes", "must be a whole number"},
      {R"({"text":"x","likes":"1"})", "likes", "must be a whole number"},
      {R"({"text":"x","reposts":9223372036854775808})", "reposts", "must be a whole number"},
      {R"({"text":"x","time":"now"})", "time", "RFC 3339"},
      {"{\"text\":\"x\",\"deep\":" + deep + "}", "deep", "nested deeper than 32"},
  };
  for (const auto& c : cases) {
    const auto decoded = decode(c.line);
    ASSERT_TRUE(std::holds_alternative<DecodeError>(decoded)) << c.line;
    const auto& error = std::get<DecodeError>(decoded);
    EXPECT_EQ(error.field, c.field) << c.line << ": " << error.reason;
    EXPECT_THAT(error.reason, HasSubstr(c.reason)) << c.line;
    EXPECT_FALSE(error.reason.empty()) << c.line;
  }
}

TEST_F(PostDecoderTest, LimitsAreExact) {
  const DecodeLimits limits;
  const std::string deepest = std::string(32, '[') + std::string(32, ']');
  EXPECT_EQ(post("{\"text\":\"x\",\"d\":" + deepest + "}").extra, "\"d\":" + deepest);

  const auto line = [](const std::string& name, std::size_t size) {
    std::string made = name == "text" ? "{" : "{\"text\":\"\",";
    return made + "\"" + name + "\":\"" + std::string(size, 'a') + "\"}";
  };
  const struct {
    const char* field;
    std::size_t bytes_max;
  } cases[] = {{"text", limits.text_bytes_max},    {"id", limits.id_bytes_max},
               {"repost_of", limits.id_bytes_max}, {"author", limits.field_bytes_max},
               {"region", limits.field_bytes_max}, {"source", limits.field_bytes_max},
               {"url", limits.field_bytes_max}};
  for (const auto& c : cases) {
    post(line(c.field, c.bytes_max));
    const auto over = decode(line(c.field, c.bytes_max + 1));
    ASSERT_TRUE(std::holds_alternative<DecodeError>(over)) << c.field;
    EXPECT_EQ(std::get<DecodeError>(over).field, c.field);
    EXPECT_THAT(std::get<DecodeError>(over).reason, HasSubstr(std::to_string(c.bytes_max)));
  }
  const std::size_t around = std::string(R"("x":"")").size();
  EXPECT_EQ(post(line("x", limits.extra_bytes_max - around)).extra.size(), limits.extra_bytes_max);
  EXPECT_TRUE(
      std::holds_alternative<DecodeError>(decode(line("x", limits.extra_bytes_max - around + 1))));

  std::string longest = R"({"text":""})";
  longest.append(limits.line_bytes_max - longest.size(), ' ');
  post(longest);
  const auto over = decode(longest + " ");
  ASSERT_TRUE(std::holds_alternative<DecodeError>(over));
  EXPECT_THAT(std::get<DecodeError>(over).reason, HasSubstr("longer than 1048576 bytes"));
}

TEST_F(PostDecoderTest, HostileLinesAreAnsweredQuickly) {
  const std::size_t size = DecodeLimits{}.line_bytes_max - 100;
  for (const std::string& line :
       {std::string(size, '['), std::string(size, '{'), std::string(size, '"'),
        std::string(size, '\\'), std::string(size, '\0'), std::string(size, '\xFF'),
        "{\"text\":" + std::string(size, '['), "{\"text\":\"x\",\"a\":" + std::string(size, '['),
        "{\"text\":\"x\",\"a\":" + std::string(size, '9'),
        "{\"text\":\"x\",\"likes\":" + std::string(size, '9') + "}",
        "{\"text\":\"x\",\"" + std::string(size, 'k') + "\":01}"}) {
    const auto decoded = decode(line);
    ASSERT_TRUE(std::holds_alternative<DecodeError>(decoded)) << line.substr(0, 20);
    EXPECT_LE(std::get<DecodeError>(decoded).field.size(), 64U);
    EXPECT_LE(std::get<DecodeError>(decoded).reason.size(), 200U);
  }
  EXPECT_EQ(post(R"({"text":"x"})").text, "x") << "and it still works";
}

TEST_F(PostDecoderTest, EncodesWhatItDecodes) {
  for (
      const char* line :
      {R"({"text":""})", R"({"id":"1","text":"a\u0001\"\\\n😀","time":1700000000123,"likes":0})",
       R"({"id":5,"text":"转发微博","time":5,"source":"s","author":"a","region":"r","repost_of":"p","url":"u",)"
       R"("likes":9223372036854775807,"reposts":3,"x":{"y":[1,"\u4e2d"]},"x":1e999})"}) {
    const Post first = post(line);
    std::string encoded;
    append_post_json(first, encoded);
    const Post second = post(encoded);
    std::string again;
    append_post_json(second, again);
    EXPECT_EQ(again, encoded);
    EXPECT_EQ(second.text, first.text);
    EXPECT_EQ(second.time, first.time);
    EXPECT_EQ(second.likes, first.likes);
    EXPECT_EQ(second.extra, first.extra);
  }
  Post bare = post(R"({"id":"1","text":"x","time":0})");
  std::string members;
  append_post_members(bare, members);
  EXPECT_EQ(members,
            R"("id":"1","text":"x","time":"1970-01-01T00:00:00Z","source":null,"author":null,)"
            R"("region":null,"repost_of":null,"url":null,"likes":null,"reposts":null)");
}

// Mutated lines against nlohmann's parser: both take a line as JSON or both refuse it; and what is
// taken can be written and read again.
TEST_F(PostDecoderTest, AgreesWithAnotherParserOnMutatedLines) {
  const std::vector<std::string> seeds{
      R"({"id":"p1","text":"食品安全","time":"2026-11-23T12:31:05+08:00","likes":3,"geo":{"x":[1,2.5,null]}})",
      R"({"text":"a\u4e2d\n\ud83d\ude00","author":12,"extra":[true,false,null,-0.5e+3,"\\\"",{}]})",
      R"({"text":"","repost_of":"p0","deep":[[[[[{"a":{"b":[1,[2,[3]]]}}]]]]],"k\u0041":1})"};
  constexpr std::string_view alphabet = "{}[]\":,\\ue0129.-+tfn \t\x01\xE4\xFF";
  std::mt19937_64 random(20261123);
  int accepted = 0;
  int rejected = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string line = seeds[random() % seeds.size()];
    for (std::uint64_t edits = random() % 4; edits > 0 && !line.empty(); --edits) {
      const std::size_t at = random() % line.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 4) {
        case 0:
          line[at] = c;
          break;
        case 1:
          line.insert(at, 1, c);
          break;
        case 2:
          line.erase(at, 1 + random() % 3);
          break;
        default:
          line.resize(at);
          break;
      }
    }
    std::string clean;
    append_replacing(line, clean);
    // Lone surrogates are the one thing that nlohmann refuses and we repair.
    for (std::size_t at = 0; at + 3 < clean.size(); ++at) {
      if (clean[at] != '\\') continue;
      if (clean[at + 1] == 'u' && (clean[at + 2] | 0x20) == 'd' &&
          std::string_view("89abcdefABCDEF").find(clean[at + 3]) != std::string_view::npos) {
        clean.replace(at + 2, 2, "00");
      }
      ++at;  // what it escapes
    }
    const auto reference = nlohmann::json::parse(clean, nullptr, false);
    const auto decoded = decode(line);
    if (const auto* read = std::get_if<Post>(&decoded)) {
      ++accepted;
      ASSERT_TRUE(reference.is_object()) << "taken, but not JSON: " << line;
      ASSERT_TRUE(reference.contains("text") && reference["text"].is_string()) << line;
      ASSERT_TRUE(is_utf8(read->text) && is_utf8(read->extra) && is_utf8(read->id)) << line;
      std::string encoded;
      append_post_json(*read, encoded);
      const auto again = decode(encoded);
      ASSERT_TRUE(std::holds_alternative<Post>(again)) << encoded;
      ASSERT_EQ(std::get<Post>(again).extra, read->extra);
      ASSERT_EQ(std::get<Post>(again).text, read->text);
      ASSERT_TRUE(nlohmann::json::accept(encoded)) << encoded;
    } else if (std::get<DecodeError>(decoded).field.empty()) {
      ++rejected;
      ASSERT_FALSE(reference.is_object())
          << "JSON, but refused: " << line << " (" << std::get<DecodeError>(decoded).reason << ")";
    }
  }
  EXPECT_GT(accepted, 10'000);
  EXPECT_GT(rejected, 10'000);
}

TEST(Utf8, ReplacesAsPythonDoes) {
  const struct {
    std::string_view bytes;
    const char* text;  // bytes.decode("utf-8", "replace")
  } cases[] = {
      {"", ""},
      {"abc", "abc"},
      {"\x80", "\uFFFD"},
      {"a\xE2\x82", "a\uFFFD"},
      {"\xE2\x82"
       "a",
       "\uFFFDa"},
      {"\xE2(\xA1", "\uFFFD(\uFFFD"},
      {"\xF0\x9F\x98\xF0\x9F\x98\x80", "\uFFFD😀"},
      {"\xF5\x80", "\uFFFD\uFFFD"},
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD"},
      {"\xC3\xC3\xA9", "\uFFFDé"},
  };
  for (const auto& c : cases) {
    std::string out;
    append_replacing(c.bytes, out);
    EXPECT_EQ(out, c.text);
    EXPECT_TRUE(is_utf8(out));
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 12, '\0');
    for (char& c : bytes)
      c = "\xF0\x9F\x98\x80\xE4\xB8\xAD\xC3\xA9\xED\xA0\xFF"
          "a"[random() % 13];
    std::string out;
    append_replacing(bytes, out);
    ASSERT_TRUE(is_utf8(out));
    if (is_utf8(bytes)) {
      ASSERT_EQ(out, bytes);
    }
  }
}

}  // namespace
}  // namespace tidewatch
