// SPDX-License-Identifier: Apache-2.0
#include "app/channel_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/config.h"

namespace tidewatch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The examples of docs/alerts.md, put together, are a configuration; their secrets come from files
// and variables, so those lines get values here.
TEST(ChannelConfig, TheExamplesOfTheDocumentationAreTrue) {
  const std::string document = read(TIDEWATCH_SOURCE_DIR "/docs/alerts.md");
  std::string toml;
  std::istringstream lines(document);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      inside = line == "```toml";
      continue;
    }
    if (!inside) continue;
    for (const char* suffix : {"_env", "_file"}) {
      const std::size_t at = line.find(std::string(suffix) + " = \"");
      if (at == std::string::npos || line.starts_with("ca_file")) continue;
      const std::string key = line.substr(0, at);
      line = key + (key == "url" ? " = \"https://robot.example/x\"" : " = \"1:abc\"");
    }
    toml += line + "\n";
  }
  toml +=
      "[[subscriber]]\nname = \"rest\"\nchannels = [\"desk-hook\", \"desk-wecom\", "
      "\"desk-feishu\", "
      "\"desk-slack\"]\n";
  const std::string name = "everybody-mail";  // named by the example's second step
  const std::size_t at = toml.find(name);
  ASSERT_NE(at, std::string::npos);
  toml.replace(at, name.size(), "desk-mail");
  const auto config = parse_config(toml, "alerts.md");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_THAT(config->channels, SizeIs(7));
  ASSERT_THAT(config->subscribers, SizeIs(2));
  const Subscriber& duty = config->subscribers[0];
  EXPECT_EQ(config->public_url, "https://tidewatch.example");
  EXPECT_THAT(duty.keys, ElementsAre("#高考#", "rule:*"));
  ASSERT_THAT(duty.quiet_hours, SizeIs(1));
  EXPECT_EQ(duty.quiet_hours[0].from, 22 * 60);
  EXPECT_EQ(duty.time_zone.name(), "Asia/Shanghai");
  EXPECT_EQ(duty.flap_openings_max, 3U);
  ASSERT_THAT(duty.escalation, SizeIs(2));
  EXPECT_EQ(duty.escalation[1].after, std::chrono::minutes{60});
  for (const ChannelOptions& options : config->channels) {
    const ManualClock clock;
    EXPECT_TRUE(make_channel(options, clock).ok()) << channel_name(options);
  }
}

TEST(ChannelConfig, SecretsComeFromFilesToo) {
  const auto path =
      std::filesystem::temp_directory_path() / ("tidewatch-secret-" + std::to_string(::getpid()));
  std::ofstream(path) << "s3cret\n";
  const auto config = parse_config(
      "[[channel]]\ntype='webhook'\nurl='http://a/'\nsecret_file='" + path.string() + "'\n", "t");
  std::filesystem::remove(path);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(std::get<WebhookOptions>(config->channels[0]).secret, "s3cret");
}

TEST(ChannelConfig, NamesWhatIsWrongAndNoSecret) {
  const std::string hook = "[[channel]]\ntype='webhook'\nname='a'\nurl='http://a/'\n";
  const std::string duty = hook + "[[subscriber]]\nname='d'\nchannels=['a']\n";
  const struct {
    std::string text;
    const char* why;
  } cases[] = {
      {"[[channel]]\nurl='http://a/'\n", "channel.type '' is not a type"},
      {"[[channel]]\ntype='email'\nhost='h'\nsecurity='ssl'\n", "channel.security must be"},
      {hook + "secret='TOPSECRET'\nsecret_env='X'\n", "is given twice"},
      {hook + "secret_file='/nowhere'\n", "/nowhere, which cannot be read"},
      {"[[channel]]\ntype='telegram'\ntoken='TOPSECRET/../x'\nchat_id='1'\n", "channel.token"},
      {duty + "severity_min='loud'\n", "subscriber.severity_min must be"},
      {duty + "kinds=['loud']\n", "'loud' is not known"},
      {duty + "events=['exploded']\n", "'exploded' is not known"},
      {duty + "time_zone='+08:00'\nquiet_hours=['22-07']\n", "must be written as"},
      {duty + "time_zone='+08:00'\nquiet_hours=['25:00-07:00']\n", "must be written as"},
      {duty + "quiet_hours=['22:00-07:00']\n", "time_zone is missing"},
      {duty + "time_zone='Mars/Base'\n", "not a time zone"},
      {duty + "cooldown_minutes=-1\n", "cooldown_minutes must be"},
      {duty + "[[subscriber]]\nname='d'\nchannels=['a']\n", "'d' is taken"},
      {duty + "[[subscriber.escalation]]\nafter_minutes=5\n", "channels is missing"},
      {duty + "[[subscriber.escalation]]\nafter_minutes=5\nchannels=['a']\n"
              "[[subscriber.escalation]]\nafter_minutes=5\nchannels=['a']\n",
       "must grow"},
      {duty + "[[channel]]\ntype='webhook'\nname='b'\nurl='http://b/'\n", "no subscriber names"},
  };
  for (const auto& c : cases) {
    const auto config = parse_config(c.text, "t.toml");
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_THAT(config.error().message, HasSubstr(c.why));
    EXPECT_THAT(config.error().message, Not(HasSubstr("TOPSECRET")));
  }
}

}  // namespace
}  // namespace tidewatch
