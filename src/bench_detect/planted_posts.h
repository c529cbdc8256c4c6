// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "infer/scored_post.h"
#include "simulate/random.h"

namespace tidewatch {

// What the posts of a copy-paste flood have in common.
enum class FloodText : std::uint8_t {
  kExact,      // one text
  kDecorated,  // the text with a mention, link, emoticon or punctuation now and then
  kTemplate,   // the text with a place and a number of its own within, and decorated
  kShort,      // one text of 4 to 9 characters, decorated
  kComment,    // one text as the comment on an original that is passed on, with what it quotes
  kBare,       // an original passed on over and over, with nothing or 转发微博
};
inline constexpr std::array<std::string_view, 6> kFloodTexts = {"exact", "decorated", "template",
                                                                "short", "comment",   "bare"};

enum class FloodTiming : std::uint8_t {
  kRegular,  // by a timetable, give or take a tenth
  kRandom,   // as people: exponential gaps
  kBatches,  // all accounts within a minute or so, then a pause
};
inline constexpr std::array<std::string_view, 3> kFloodTimings = {"regular", "random", "batches"};

// What many people do, none of it coordinated.
enum class CrowdShape : std::uint8_t {
  kCascade,  // pass one original on: bare, or with words of their own
  kCopying,  // copy one text once each, decorated
  kOwnWords  // write about one event
};
inline constexpr std::array<std::string_view, 3> kCrowdShapes = {"cascade", "copying", "own words"};

struct FloodPlan {
  FloodText text = FloodText::kExact;
  FloodTiming timing = FloodTiming::kRegular;
  bool in_turn = false;  // accounts post one after the other; else in any order
  std::uint32_t accounts = 15;
  std::uint32_t posts = 300;
  std::int32_t seconds = 600;
};

struct CrowdPlan {
  CrowdShape shape = CrowdShape::kCascade;
  std::uint32_t posts = 1'000;
  std::int32_t seconds = 600;
};

// 15 to 60 accounts, 300 to 30,000 posts within 10 min to 3 h (both log-uniform), every shape of
// text and time equally often.
FloodPlan draw_flood(Random& random);
// 1,000 to 30,000 posts within 10 min to 3 h.
CrowdPlan draw_crowd(Random& random);

// The posts of event number `serial`, in order of time from `start` on, with made-up texts. Ids
// begin with planted_id(serial). Nine of ten posts have the event's topic, as a classifier would
// have it.
std::vector<ScoredPost> flood_posts(const FloodPlan& plan, std::size_t serial, EventTime start,
                                    Random& random);
std::vector<ScoredPost> crowd_posts(const CrowdPlan& plan, std::size_t serial, EventTime start,
                                    Random& random);
std::string planted_id(std::size_t serial);

}  // namespace tidewatch
