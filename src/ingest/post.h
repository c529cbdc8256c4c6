// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.h"

namespace tidewatch {

// One social-media post as it was read. Every string is valid UTF-8 and within the limits of
// ingest/post_decoder.h. A plain value; moved through the pipeline, copied only for people.
struct Post {
  std::string id;         // never empty: the sender's, or a fresh one
  std::string text;       // empty: a bare repost, counted but never classified
  EventTime time{};       // the post's own time; its arrival when it came without
  std::string source;     // which feed it came from; empty: not said
  std::string author;     // empty: not said; every such post counts as an author of its own
  std::string region;     // province or city, as in IP属地; empty: not said (key `unknown`)
  std::string repost_of;  // id of the post at the head of the cascade; empty: an original
  std::string url;
  std::optional<std::int64_t> likes;
  std::optional<std::int64_t> reposts;
  // Members that Tidewatch does not know, as JSON without the braces (`"a":1,"b":[]`), given back
  // as they came. Empty: none.
  std::string extra;
};

}  // namespace tidewatch
