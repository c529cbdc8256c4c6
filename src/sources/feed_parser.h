// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

inline constexpr std::size_t kFeedEntriesMax = 1'000;

// One entry of a feed.
struct FeedEntry {
  std::string id;    // guid or atom:id, else the link, else a hash of title and text; never empty
  std::string link;  // may be empty
  std::string text;  // title and content without HTML
  std::string author;
  std::optional<EventTime> time;
};

// Reads RSS 2.0, RSS 1.0 (RDF) and Atom, in whatever encoding. At most kFeedEntriesMax entries, the
// first ones, in the feed's order. `content_type` is HTTP's; its charset stands over the
// document's. A field ends soon after 1 MiB. kInvalidArgument: not a feed, over 32 MiB of text, or
// not well-formed (the message has line and column).
Result<std::vector<FeedEntry>> parse_feed(std::string_view bytes, std::string_view content_type);

}  // namespace tidewatch
