// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "ingest/post.h"
#include "ingest/post_decoder.h"

namespace tidewatch {

// What holds for every post, whatever it was written in: bounds, repairs and the words for what is
// wrong. PostDecoder applies the parts to JSON; PostRules is for posts whose members came as bytes
// (gRPC).

inline constexpr std::int64_t kPostTimeEndMs = 4'133'980'800'000;  // 2101-01-01; times are below

std::string bytes_reason(std::size_t bytes, std::size_t bytes_max);  // "has N bytes; at most …"
// `name` is cut to 64 bytes: it may be a sender's own member.
DecodeError field_error(std::string_view name, std::string reason);
inline constexpr std::string_view kTimeReason =
    "not a time from 1970 to 2100; write RFC 3339 with an offset, as 2026-11-23T12:31:05+08:00, or "
    "Unix seconds or milliseconds";
inline constexpr std::string_view kCountReason =
    "must be a whole number from 0 to 9223372036854775807, or null";

// Makes a post from another wire format valid, in place.
// Ownership: the ids must outlive it. Threads: apply() may be called concurrently.
class PostRules {
 public:
  PostRules(DecodeLimits limits, FreshIds& fresh_ids) : limits_(limits), fresh_ids_(fresh_ids) {}

  // On entry: strings are any bytes, `extra` is a whole JSON object or empty, the time is the
  // epoch when there is none. On success the post is as PostDecoder makes it: valid UTF-8 without
  // NUL, within the limits, with an id (a fresh one when it was empty) and a time (`arrival` when
  // there was none). On failure it is spoilt, and no id is taken; the field of `extra` is called
  // extra_json, as on the wire.
  std::optional<DecodeError> apply(Post& post, EventTime arrival) const;

  const DecodeLimits& limits() const { return limits_; }

 private:
  std::optional<DecodeError> apply_extra(Post& post) const;

  const DecodeLimits limits_;
  FreshIds& fresh_ids_;
};

}  // namespace tidewatch
