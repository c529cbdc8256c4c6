// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "ingest/post.h"
#include "ingest/post_decoder.h"

namespace tidewatch {

enum class KafkaFormat : std::uint8_t {
  kJson,    // a message is one post; line breaks are white space
  kNdjson,  // a message is any number of posts, one a line
};

// Where a message stands. Its time belongs to it: a topic made anew under an old name begins again
// at offset 0, and must not give ids that were there before.
struct KafkaPlace {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t time_ms = 0;  // the message's own; 0 or less: none

  std::string text() const;  // "posts[3]@1207", for people
};

struct KafkaMessage {
  struct Fault {
    std::uint64_t line = 0;  // from 1
    std::string reason;
    std::string value;  // the line, or the message
  };
  std::vector<Post> posts;
  std::vector<Fault> faults;
};

// Turns a message into posts. One without an id gets NAME:topic:partition:offset:time, with :line
// after the first; one without a time the message's; one without a source the connector's name.
// An empty value (a tombstone) is no post and no fault. Threads: none. Never throws on any bytes.
class KafkaDecoder {
 public:
  KafkaDecoder(std::string name, KafkaFormat format, const DecodeLimits& limits,
               const Clock& clock);

  KafkaMessage decode(const KafkaPlace& place, std::string_view value);

 private:
  // Says the message's time as that of the arrival.
  class StampClock final : public Clock {
   public:
    explicit StampClock(const Clock& clock) : clock_(clock) {}
    void set(std::int64_t time_ms);
    EventTime wall_now() const override { return stamp_; }
    SteadyTime steady_now() const override { return clock_.steady_now(); }

   private:
    const Clock& clock_;
    EventTime stamp_{};
  };

  void take_line(const KafkaPlace& place, std::uint64_t line, std::string_view text,
                 KafkaMessage& message);

  const std::string name_;
  const KafkaFormat format_;
  const DecodeLimits limits_;
  StampClock clock_;
  FreshIds unused_ids_;
  PostDecoder decoder_;
};

}  // namespace tidewatch
