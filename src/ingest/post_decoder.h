// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/clock.h"
#include "ingest/post.h"

namespace tidewatch {

// Bounds on one line. A line that passes one is rejected whole; nothing is cut.
struct DecodeLimits {
  std::size_t line_bytes_max = 1 << 20;
  std::size_t text_bytes_max = 64 << 10;   // `text`, unescaped
  std::size_t id_bytes_max = 256;          // `id` and `repost_of`
  std::size_t field_bytes_max = 4 << 10;   // `source`, `author`, `region`, `url`, each
  std::size_t extra_bytes_max = 16 << 10;  // all unknown members together, without white space
  int depth_max = 32;                      // nesting of unknown members
};

// Why a line was rejected.
struct DecodeError {
  std::string field;   // the member at fault; empty: the line as a whole
  std::string reason;  // for people: what is wrong and what to do
};

// Makes ids for posts that came without one: prefix, "-" and a number from 1.
// Threads: next may be called concurrently. One a process run, shared by all decoders; the prefix
// must differ from run to run (a replay, which starts from an empty store, uses a fixed one).
class FreshIds {
 public:
  explicit FreshIds(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string next() {
    return prefix_ + '-' + std::to_string(1 + last_.fetch_add(1, std::memory_order_relaxed));
  }

 private:
  const std::string prefix_;
  std::atomic<std::uint64_t> last_{0};
};

// Turns one line of NDJSON into a Post. README.md lists the rules for every member.
//
// Lenient: bytes that are not UTF-8, lone surrogate escapes and U+0000 become U+FFFD; of a member
// given twice each value is checked and the last wins. Strict: anything else that is not JSON is
// an error, also within unknown members. The line is one without its "\n" (a "\r" at its end is
// white space).
//
// Ownership: the clock and the ids must outlive the decoder. Threads: one decoder a thread; its
// buffers (at most some times line_bytes_max) are reused. Errors: never throws on any bytes; a
// rejected line leaves no trace and takes no fresh id.
class PostDecoder {
 public:
  PostDecoder(DecodeLimits limits, const Clock& clock, FreshIds& fresh_ids);
  ~PostDecoder();
  PostDecoder(PostDecoder&&) noexcept;
  PostDecoder& operator=(PostDecoder&&) noexcept;

  // `fallback_id` is the id of a post that came without one; empty: a fresh id. A source that can
  // deliver the same line twice derives it from where the line stands.
  std::variant<Post, DecodeError> decode(std::string_view line, std::string_view fallback_id = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What to say of a line that LineSplitter reports as too long.
DecodeError line_too_long(const DecodeLimits& limits);

}  // namespace tidewatch
