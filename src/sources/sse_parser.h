// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// Cuts a stream of server-sent events (WHATWG HTML, "text/event-stream"), in pieces cut anywhere,
// into events. Comments and fields but `event` and `data` are passed. Threads: none. Bound: an
// event of kEventBytesMax.
class SseParser {
 public:
  static constexpr std::size_t kEventBytesMax = 1 << 20;
  // `event` is "message" where none was named. False: no more is wanted.
  using OnEvent = std::function<bool(std::string_view event, std::string_view data)>;

  // Returns false when on_event wanted no more. kInvalidArgument: an event is too long.
  Result<bool> feed(std::string_view bytes, const OnEvent& on_event);

 private:
  // Takes a line; false: on_event wanted no more.
  bool take_line(std::string_view line, const OnEvent& on_event);

  std::string line_;
  std::string event_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;
};

}  // namespace tidewatch
