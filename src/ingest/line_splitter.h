// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidewatch {

// Cuts a stream of bytes into lines, whatever the pieces it comes in. A line within one chunk is
// handed out without copying.
//
//   splitter.feed(chunk);
//   while (auto line = splitter.next()) use(*line);
//   … more chunks …
//   if (auto line = splitter.finish()) use(*line);   // a last line without "\n"
//
// A byte-order mark at the start of the stream is skipped. Lines end with "\n" (a "\r" before it
// is taken off). Lines of nothing but spaces and tabs are not handed out, but are counted, so that
// numbers are those an editor shows. Threads: none (a plain value). Bound: holds at most
// line_bytes_max and four bytes. A longer line is handed out once, as soon as that is known, as
// `too_long` without text; the rest of it is skipped and the stream goes on.
class LineSplitter {
 public:
  struct Line {
    std::uint64_t number = 0;  // from 1
    std::string_view text;     // valid until the next call of any member
    bool too_long = false;
  };

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Precondition: next() has returned nothing since the last feed. The chunk must stay valid until
  // it does so again.
  void feed(std::string_view chunk) { chunk_ = chunk; }
  std::optional<Line> next();
  std::optional<Line> finish();

  // Lines ended so far: the line under way has this number plus one.
  std::uint64_t lines_ended() const noexcept { return lines_ended_; }

 private:
  std::optional<Line> line(std::string_view text);
  std::string_view without_mark(std::string_view text) const;

  const std::size_t line_bytes_max_;
  std::string_view chunk_;     // not looked at yet
  std::string partial_;        // the start of a line that goes on in the next chunk
  bool partial_used_ = false;  // the line handed out last lies in partial_
  bool skipping_ = false;      // within a line that was too long
  std::uint64_t lines_ended_ = 0;
};

}  // namespace tidewatch
