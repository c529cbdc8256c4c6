// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// Something that happens in the simulated world and that people post about.
struct PlantedEvent {
  std::string name;
  std::string topic;                 // one of the 14 news topics
  std::vector<std::string> regions;  // where most of its posts come from; empty: everywhere
  std::chrono::seconds start{0};     // after the start of the run
  std::chrono::seconds duration{0};  // from the first to the last of its posts, about
  std::uint64_t posts = 0;           // exactly so many, unless the run ends before
  double negative_share = 0;         // of its posts, from 0 to 1
  std::string kind;                  // wave | copypaste | happy
  std::string hashtag;               // without the signs
  std::string mood = "angry";        // the main negative emotion: angry | fear | sad
  std::string subject;               // what it is about, as people say it; default: the hashtag
  std::vector<std::string> details;  // clauses that people mention; default: general ones
};

struct SimulateOptions {
  std::uint64_t seed = 1;
  std::chrono::minutes duration{10};
  double posts_per_second = 50;  // of the background, on average over the run; events come on top
  EventTime start{std::chrono::seconds{1767571200}};  // 2026-01-05T08:00:00+08:00
  std::vector<PlantedEvent> events;
};

inline constexpr std::size_t kEventsMax = 256;
inline constexpr std::size_t kEventDetailsMax = 64;
inline constexpr std::size_t kEventTextBytesMax = 300;  // of each string of an event
inline constexpr std::uint64_t kEventPostsMax = 10'000'000;
inline constexpr std::size_t kEventsFileBytesMax = 1 << 20;

// Reads an events file: TOML ([[event]] tables), or JSON (an array of objects) when the name ends
// in ".json" or, with neither ending, when the text begins with "{" or "[{". docs/simulate.md
// describes the fields. Errors (kInvalidArgument) say
// "FILE:LINE: event N (NAME): field 'F': what is wrong".
Result<std::vector<PlantedEvent>> parse_events(std::string_view text, std::string_view file_name);

// The events of the demo, as TOML: demo_events.toml, built into the library.
std::string_view demo_events_toml();

// What really happened, to judge detectors by. Measured on the posts that were written.
struct EventTruth {
  std::string name;
  std::string topic;
  std::vector<std::string> regions;
  std::string kind;
  std::string hashtag;
  std::uint64_t posts = 0;
  std::uint64_t negative_posts = 0;
  std::string first_post_id;  // empty until it has a post
  EventTime started_at{};     // its first post
  EventTime ended_at{};       // its last post so far
  EventTime peak_at{};        // the middle of its fullest thirtieth
};

struct Truth {
  std::uint64_t posts = 0;
  std::vector<EventTruth> events;  // in the order of SimulateOptions::events
};

// What one post was meant to be. The views are valid until the next call of next().
struct PostTruth {
  std::string_view id;
  std::string_view event;    // empty: background
  std::string_view topic;    // "life" when it belongs to no news topic, "spam" for advertising
  std::string_view emotion;  // angry fear happy neutral sad surprise
  bool repost = false;
};

// One line of the truth file: an object, without a line end.
std::string to_ndjson(const EventTruth& truth);
std::string to_ndjson(const PostTruth& truth);

// Writes a made-up stream of Chinese posts in order of event time: daily rhythm, 14 topics and
// everyday life, 35 regions, reposts, spam, and the planted events. Every text is composed from
// the grammar in grammar/*.txt. The same options give the same bytes.
// Memory: some MB and some 10 KB an event, whatever the length. Threads: one at a time.
// Precondition: posts_per_second is at least 0 and finite; events are as parse_events gives them.
class Simulator {
 public:
  explicit Simulator(SimulateOptions options);
  ~Simulator();
  Simulator(Simulator&&) noexcept;
  Simulator& operator=(Simulator&&) noexcept;

  // Puts the next post into `ndjson_line` (replaced; no line end). Returns false at the end.
  bool next(std::string& ndjson_line);

  // About the post that next() gave last.
  const PostTruth& last_post() const;

  // About all posts so far.
  const Truth& truth() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch
