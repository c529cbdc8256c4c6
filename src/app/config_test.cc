// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <filesystem>
#include <fstream>

namespace tidewatch {
namespace {

using testing::HasSubstr;

TEST(ConfigTest, ThresholdsComeInAFileOfTheirOwn) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "thresholds";
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "tidewatch.toml") << "[detect]\nthresholds_file = \"alerts.toml\"\n";
  const auto missing = read_config(dir / "tidewatch.toml");
  std::ofstream(dir / "alerts.toml")
      << "volume_thresholds = [10, 20, 30, 40, 50]\nburst_thresholds = [5, 6, 7, 8.5, 9]\n";
  const auto config = read_config(dir / "tidewatch.toml");
  std::ofstream(dir / "alerts.toml") << "volume_thresholds = [10, 20, 30]\n";
  const auto bad = read_config(dir / "tidewatch.toml");
  std::filesystem::remove_all(dir);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("calibrate-alerts"), std::string::npos);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->detect.volume_thresholds[2], 30);
  EXPECT_EQ(config->detect.burst_thresholds[3], 8.5);
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("must be 5 numbers"), std::string::npos);
}

TEST(ConfigTest, EmptyMeansTheDefaults) {
  const auto config = parse_config("", "t.toml");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->http.bind, "127.0.0.1");
  EXPECT_EQ(config->http.port, 8000);
  EXPECT_EQ(config->deadline_ms, 50U);
  EXPECT_FALSE(config->inference.window_set);
}

TEST(ConfigTest, ReadsEverySection) {
  const auto config = parse_config(R"(
[server]
bind = "0.0.0.0"
port = 9000
allowed_hosts = ["desk.example"]
[data]
dir = "/srv/tidewatch"
retention_days = 7
[model]
name = "fast"
precision = "auto"
backend = "openvino"
cache_bytes_max = 0
lanes = { base = 2, large = 1 }
[cascade]
emotion_margin = 0.2
topic_margin = 0.05
queue_tokens_max = 1000
instances = 3
[batch]
window_ms = 5
batch_max = 16
[ingest]
posts_in_flight_max = 100
text_bytes_max = 1024
[watch]
topic_probability_min = 0.4
keywords = ["退款", "地震"]
lateness_seconds = 30
settle_seconds = 2
[detect]
volume_threshold = 20
authors_min = 10
[log]
level = "warning"
format = "json"
[[webhook]]
url = "http://127.0.0.1:9/hook"
secret = "s"
[[webhook]]
name = "desk"
url = "https://desk.example/hook"
)",
                                   "t.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->http.port, 9000);
  EXPECT_EQ(config->inference.precision, Precision::kAuto);
  EXPECT_EQ(config->inference.backend, BackendKind::kOpenVino);
  EXPECT_DOUBLE_EQ(config->inference.margins.emotion, 0.2);
  EXPECT_DOUBLE_EQ(config->inference.margins.topic, 0.05);
  EXPECT_FLOAT_EQ(config->inference.margins.topic_floor, 0.4F) << "follows [watch]";
  EXPECT_EQ(config->inference.escalation_tokens_max, 1'000U);
  EXPECT_EQ(config->inference.escalation_instances, 3U);
  EXPECT_EQ(config->http.allowed_hosts, std::vector<std::string>{"desk.example"});
  EXPECT_EQ(config->store.dir, "/srv/tidewatch");
  EXPECT_EQ(config->store.retention, std::chrono::hours{7 * 24});
  EXPECT_EQ(config->inference.model, "fast");
  EXPECT_EQ(config->inference.cache_bytes_max, 0U);
  EXPECT_EQ(config->backend_options().lanes_of,
            (std::map<std::string, std::size_t>{{"base", 2}, {"large", 1}}));
  EXPECT_TRUE(config->inference.window_set);
  EXPECT_EQ(config->inference.policy.window, std::chrono::milliseconds{5});
  EXPECT_EQ(config->inference.policy.batch_max, 16U);
  EXPECT_EQ(config->pipeline.posts_in_flight_max, 100U);
  EXPECT_EQ(config->decode.text_bytes_max, 1024U);
  EXPECT_EQ(config->aggregate.keywords, (std::vector<std::string>{"退款", "地震"}));
  EXPECT_EQ(config->aggregate.lateness, std::chrono::seconds{30});
  EXPECT_EQ(config->aggregate.settle, std::chrono::seconds{2});
  EXPECT_DOUBLE_EQ(config->detect.volume_thresholds[0], 20.0);
  EXPECT_EQ(config->detect.authors_min, 10U);
  EXPECT_EQ(config->log_level, LogLevel::kWarning);
  ASSERT_EQ(config->channels.size(), 2U);
  EXPECT_EQ(channel_name(config->channels[0]), "webhook-1");
  EXPECT_EQ(channel_name(config->channels[1]), "desk");
  ASSERT_EQ(config->subscribers.size(), 1U);
  EXPECT_EQ(config->subscribers[0].channels.size(), 2U);
}

TEST(ConfigTest, NamesFileLineAndKeyOfAMistake) {
  struct Case {
    const char* name;
    const char* text;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"syntax", "[server\n", "t.toml, line 1"},
      {"unknown section", "[sever]\n", "line 1: 'sever' is not a known section"},
      {"unknown key", "[server]\nprot = 1\n", "line 2: server.prot is not known; known here are"},
      {"wrong type", "[server]\nport = \"x\"\n", "line 2: server.port must be a whole number"},
      {"out of range", "[server]\nport = 70000\n", "from 0 to 65535"},
      {"negative", "[model]\ninstances = -1\n", "model.instances must be a whole number from 0"},
      {"settling after closing", "[watch]\nlateness_seconds = 3\nsettle_seconds = 4\n",
       "line 3: watch.settle_seconds must be a whole number from 0 to 3"},
      {"lanes", "[model]\nlanes = 9\n", "model.lanes must be a whole number from 0 to 8, or such"},
      {"lanes of a model", "[model]\nlanes = { base = -1 }\n", "model.lanes.base must be a whole"},
      {"window too long", "[batch]\nwindow_ms = 51\n", "batch.window_ms must be"},
      {"list expected", "[watch]\nkeywords = \"退款\"\n", "watch.keywords must be a list"},
      {"strings expected", "[watch]\nkeywords = [1]\n", "must hold strings"},
      {"webhook without url", "[[webhook]]\nname = \"a\"\n", "webhook.url is missing"},
      {"webhook as a table", "[webhook]\nurl = \"http://a/\"\n", "written as [[webhook]]"},
      {"webhook twice",
       "[[webhook]]\nname='a'\nurl='http://a/'\n[[webhook]]\nname='a'\nurl='http://a/'\n",
       "'a' is taken"},
      {"log level", "[log]\nlevel = \"loud\"\n", "line 2: log.level"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto config = parse_config(c.text, "t.toml");
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().code, Code::kInvalidArgument);
    EXPECT_THAT(config.error().message, HasSubstr(c.expected));
    EXPECT_THAT(config.error().message, HasSubstr("t.toml"));
  }
}

TEST(ConfigTest, RulesComeFromTheFileAndItsFolder) {
  const auto dir =
      std::filesystem::temp_directory_path() / ("tidewatch-rules-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "b.toml") << "[[rule]]\nname = 'b'\nquery = '投诉'\n";
  std::ofstream(dir / "a.toml") << "[[rule]]\nname = 'a'\nquery = '退款'\n";
  std::ofstream(dir / "notes.txt") << "not a rule";
  const std::string watch =
      "[watch]\nsources = ['weibo']\nemotions = ['negative']\nrules_dir = '" + dir.string() + "'\n";
  const auto config = parse_config(
      watch + "[topics]\nmoney = ['finance', 'house']\n[[rule]]\nname = 'own'\nquery = '涨价'\n",
      "t.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  std::vector<std::string> names;
  for (const Rule& rule : config->rules) names.push_back(rule.name);
  EXPECT_EQ(names, (std::vector<std::string>{"source:weibo", "emotion:negative", "own", "a", "b"}));
  EXPECT_EQ(config->topic_groups, (std::vector<TopicTree::Group>{{"money", {"finance", "house"}}}));

  std::ofstream(dir / "c.toml") << "[[rule]]\nname = 'a'\nquery = 'x'\n";
  const auto twice = parse_config(watch, "t.toml");
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, HasSubstr("c.toml: rule 'a' is there already"));
  std::filesystem::remove_all(dir);
  const auto gone = parse_config(watch, "t.toml");
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().message, HasSubstr("watch.rules_dir cannot be read"));
}

TEST(ConfigTest, SaysWhenTheFileIsNotThere) {
  EXPECT_EQ(read_config("/nowhere/t.toml").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace tidewatch
