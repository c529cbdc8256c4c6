// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "aggregate/window_counts.h"
#include "alert/alert.h"

namespace tidewatch {

// Names a topic in Chinese ("finance" is 财经); one that is not known stays as it is.
std::string_view topic_title(std::string_view topic) noexcept;

// Says where in Chinese: 财经 · 广东, 财经, 广东, 全部话题, #高考#, 关注词“退款”.
std::string key_title(const KeyName& key);

// What a title tells besides the key.
struct TitleFacts {
  std::string_view kind = "volume";  // as in Alert
  double from_rate = 0;
  double to_rate = 0;
  std::uint64_t posts = 0;
  std::uint64_t authors = 0;
  std::uint64_t texts = 0;
  std::uint64_t bare_reposts = 0;
  std::string_view hashtag = {};  // one that most of the evidence carries; empty: none
};

// One line for people: "财经 · 广东:讨论量升至 3 倍(120 条,98 人)". Says so when most posts
// repeat a few texts. Line breaks in names become spaces.
std::string alert_title(const KeyName& key, const TitleFacts& facts);

}  // namespace tidewatch
