// SPDX-License-Identifier: Apache-2.0
#include "sources/sse_parser.h"

#include <utility>

namespace tidewatch {

Result<bool> SseParser::feed(std::string_view bytes, const OnEvent& on_event) {
  for (const char c : bytes) {
    const bool second_half = after_return_ && c == '\n';
    after_return_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      const std::string line = std::exchange(line_, {});
      if (!take_line(line, on_event)) return false;
      continue;
    }
    line_ += c;
    if (line_.size() + data_.size() > kEventBytesMax) {
      return Error{Code::kInvalidArgument, "an event of more than 1 MiB"};
    }
  }
  return true;
}

bool SseParser::take_line(std::string_view line, const OnEvent& on_event) {
  if (line.empty()) {
    const std::string event = std::exchange(event_, {});
    const std::string data = std::exchange(data_, {});
    if (!std::exchange(has_data_, false)) return true;
    return on_event(event.empty() ? std::string_view("message") : event, data);
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_ = value;
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  return true;
}

}  // namespace tidewatch
