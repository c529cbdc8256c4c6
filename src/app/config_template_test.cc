// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "app/config.h"
#include "app/config_option.h"

namespace tidewatch {
namespace {

// A line that is a setting or a section with its sign: no blank follows the sign.
bool is_setting(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && line[1] != ' ';
}

std::string without_signs() {
  std::stringstream lines(config_template());
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += is_setting(line) ? line.substr(1) : line;
    out += '\n';
  }
  return out;
}

TEST(ConfigTemplate, IsValidAsItIs) {
  const auto config = parse_config(config_template(), "t");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->http.port, Config{}.http.port);
}

TEST(ConfigTemplate, IsValidWithEverySettingMade) {
  const auto config = parse_config(without_signs(), "t");
  ASSERT_TRUE(config.ok()) << config.error().message << "\n" << without_signs();
  // The defaults that it writes are the defaults there are.
  const Config standard;
  EXPECT_EQ(config->http.port, standard.http.port);
  EXPECT_EQ(config->store.retention, standard.store.retention);
  EXPECT_EQ(config->inference.model, standard.inference.model);
  EXPECT_EQ(config->inference.precision, standard.inference.precision);
  EXPECT_EQ(config->inference.cache_bytes_max, standard.inference.cache_bytes_max);
  EXPECT_EQ(config->detect.authors_min, standard.detect.authors_min);
  EXPECT_EQ(config->detect.negative_threshold, standard.detect.negative_threshold);
  EXPECT_EQ(config->log_level, standard.log_level);
  ASSERT_EQ(config->channels.size(), 1U);
  EXPECT_EQ(config->reports.size(), 1U);
}

TEST(ConfigTemplate, HasWordsForEveryOption) {
  const auto options = config_options();
  EXPECT_GT(options.size(), 60U);
  for (const ConfigOption& option : options) {
    EXPECT_FALSE(config_words(option.section, option.key).empty())
        << option.section << "." << option.key << ": say in config_template.cc what it is for";
  }
}

}  // namespace
}  // namespace tidewatch
