// SPDX-License-Identifier: Apache-2.0
#include "sources/kafka_message.h"

#include <gtest/gtest.h>

#include "sources/kafka_options.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kStamp = 1'795'408'265'500;
const KafkaPlace kPlace{"weibo", 3, 41, kStamp};

KafkaMessage decode(KafkaFormat format, std::string_view value, KafkaPlace place = kPlace) {
  const ManualClock clock(EventTime{std::chrono::milliseconds{1'800'000'000'000}});
  KafkaDecoder decoder("feed", format, DecodeLimits{}, clock);
  return decoder.decode(place, value);
}

TEST(KafkaMessageTest, AMessageIsAPost) {
  const auto message =
      decode(KafkaFormat::kJson, "{\n \"id\":\"p1\",\n \"text\":\"退款\",\"time\":5}\r\n");
  ASSERT_EQ(message.posts.size(), 1U);
  EXPECT_EQ(message.posts[0].id, "p1");
  EXPECT_EQ(message.posts[0].text, "退款");
  EXPECT_EQ(message.posts[0].source, "feed");
  EXPECT_EQ(message.posts[0].time.time_since_epoch().count(), 5'000);
}

TEST(KafkaMessageTest, WhatIsMissingComesFromTheMessage) {
  const auto message = decode(KafkaFormat::kJson, R"({"text":"a","source":"weibo"})");
  ASSERT_EQ(message.posts.size(), 1U);
  EXPECT_EQ(message.posts[0].id, "feed:weibo:3:41:1795408265500");
  EXPECT_EQ(message.posts[0].time.time_since_epoch().count(), kStamp);
  EXPECT_EQ(message.posts[0].source, "weibo");
}

TEST(KafkaMessageTest, ATopicMadeAnewGivesOtherIds) {
  KafkaPlace anew = kPlace;
  anew.time_ms += 1;
  EXPECT_NE(decode(KafkaFormat::kJson, R"({"text":"a"})").posts[0].id,
            decode(KafkaFormat::kJson, R"({"text":"a"})", anew).posts[0].id);
}

TEST(KafkaMessageTest, AMessageWithoutAUsableTimeIsOfItsArrival) {
  for (const std::int64_t time_ms : {std::int64_t{-1}, std::int64_t{0}, INT64_MAX}) {
    KafkaPlace place = kPlace;
    place.time_ms = time_ms;
    const auto message = decode(KafkaFormat::kJson, R"({"text":"a"})", place);
    EXPECT_EQ(message.posts.at(0).time.time_since_epoch().count(), 1'800'000'000'000) << time_ms;
  }
}

TEST(KafkaMessageTest, LinesHaveIdsOfTheirOwnAndFaultsTheirLine) {
  const auto message =
      decode(KafkaFormat::kNdjson, "{\"text\":\"a\"}\n\n{\"text\":1}\n{\"text\":\"b\"}");
  ASSERT_EQ(message.posts.size(), 2U);
  EXPECT_EQ(message.posts[0].id, "feed:weibo:3:41:1795408265500");
  EXPECT_EQ(message.posts[1].id, "feed:weibo:3:41:1795408265500:4");
  ASSERT_EQ(message.faults.size(), 1U);
  EXPECT_EQ(message.faults[0].line, 3U);
  EXPECT_EQ(message.faults[0].value, "{\"text\":1}");
  EXPECT_NE(message.faults[0].reason.find("text"), std::string::npos);
}

TEST(KafkaMessageTest, ATombstoneIsNothing) {
  for (const char* value : {"", " \n"}) {
    for (const KafkaFormat format : {KafkaFormat::kJson, KafkaFormat::kNdjson}) {
      const auto message = decode(format, value);
      EXPECT_TRUE(message.posts.empty() && message.faults.empty());
    }
  }
}

TEST(KafkaMessageTest, GarbageIsAFault) {
  for (const std::string& value :
       {std::string("not json"), std::string("[]"), std::string("\xff\xfe\x00\x01", 4),
        std::string("{\"text\":\"a\"}{\"text\":\"b\"}"), std::string(2 << 20, 'x')}) {
    const auto message = decode(KafkaFormat::kJson, value);
    EXPECT_TRUE(message.posts.empty());
    EXPECT_EQ(message.faults.size(), 1U) << value.substr(0, 40);
  }
}

TEST(KafkaOptionsTest, OnlyHarmlessPropertiesMayBeSet) {
  for (const char* good : {"security.protocol", "sasl.mechanism", "ssl.ca.location"}) {
    EXPECT_TRUE(check_kafka_property(good)) << good;
  }
  for (const char* bad :
       {"plugin.library.paths", "sasl.kerberos.kinit.cmd", "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm", "enable.auto.commit", "ssl.engine.location"}) {
    EXPECT_FALSE(check_kafka_property(bad)) << bad;
  }
  const Status elsewhere = check_kafka_property("sasl.password");
  ASSERT_FALSE(elsewhere);
  EXPECT_NE(elsewhere.error().message.find("sasl_password_env"), std::string::npos);
}

}  // namespace
}  // namespace tidewatch
