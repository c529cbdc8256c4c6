// SPDX-License-Identifier: Apache-2.0
#include "ingest/line_splitter.h"

#include <algorithm>

namespace tidewatch {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";

}  // namespace

std::string_view LineSplitter::without_mark(std::string_view text) const {
  const bool first = lines_ended_ == 0;
  return first && text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

// A whole line without its line break as it is handed out; nothing when it is blank. The break
// must not be counted yet.
std::optional<LineSplitter::Line> LineSplitter::line(std::string_view text) {
  text = without_mark(text);
  const std::uint64_t number = lines_ended_ + 1;
  if (text.size() > line_bytes_max_) {
    if (text.size() - 1 > line_bytes_max_ || text.back() != '\r') return Line{number, {}, true};
  }
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.find_first_not_of(" \t\r") == std::string_view::npos) return std::nullopt;
  return Line{number, text, false};
}

std::optional<LineSplitter::Line> LineSplitter::next() {
  if (partial_used_) {
    partial_.clear();
    partial_used_ = false;
  }
  while (!chunk_.empty()) {
    const std::size_t end = chunk_.find('\n');
    if (end == std::string_view::npos) {
      if (!skipping_) {
        // Room for a byte-order mark and a "\r", so that they do not make a line too long.
        const std::size_t held_max = line_bytes_max_ + kMark.size() + 1;
        if (partial_.size() + chunk_.size() > held_max) {
          skipping_ = true;
          partial_.clear();
          partial_.shrink_to_fit();
          chunk_ = {};
          return Line{lines_ended_ + 1, {}, true};
        }
        partial_ += chunk_;
      }
      chunk_ = {};
      return std::nullopt;
    }
    const std::string_view head = chunk_.substr(0, end);
    chunk_.remove_prefix(end + 1);
    std::optional<Line> found;
    if (skipping_) {
      skipping_ = false;
    } else if (partial_.empty()) {
      found = line(head);
    } else if (partial_.size() + head.size() > line_bytes_max_ + kMark.size() + 1) {
      found = Line{lines_ended_ + 1, {}, true};
      partial_.clear();
    } else {
      partial_ += head;
      partial_used_ = true;
      found = line(partial_);
      if (!found) {
        partial_.clear();
        partial_used_ = false;
      }
    }
    ++lines_ended_;
    if (found) return found;
  }
  return std::nullopt;
}

std::optional<LineSplitter::Line> LineSplitter::finish() {
  if (partial_used_) {
    partial_.clear();
    partial_used_ = false;
  }
  if (skipping_) {
    skipping_ = false;
    ++lines_ended_;
    return std::nullopt;
  }
  if (partial_.empty()) return std::nullopt;
  partial_used_ = true;
  const auto found = line(partial_);
  ++lines_ended_;
  return found;
}

}  // namespace tidewatch
