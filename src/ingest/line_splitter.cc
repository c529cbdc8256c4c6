// SPDX-License-Identifier: Apache-2.0
#include "ingest/line_splitter.h"

#include <cstring>

namespace tidewatch {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

std::string_view LineSplitter::without_mark(std::string_view text) const {
  if (lines_ended_ == 0 && text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  return text;
}

// A whole line, its number being lines_ended_ + 1; nothing when it is blank.
std::optional<LineSplitter::Line> LineSplitter::line(std::string_view text) {
  text = without_mark(text);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (is_blank(text)) return std::nullopt;
  if (text.size() > line_bytes_max_) return Line{lines_ended_ + 1, {}, true};
  return Line{lines_ended_ + 1, text, false};
}

std::optional<LineSplitter::Line> LineSplitter::next() {
  if (partial_used_) {
    partial_.clear();
    partial_used_ = false;
  }
  while (!chunk_.empty()) {
    const std::size_t end = chunk_.find('\n');
    const bool ended = end != std::string_view::npos;
    const std::string_view piece = chunk_.substr(0, ended ? end : chunk_.size());
    chunk_.remove_prefix(ended ? end + 1 : chunk_.size());

    if (skipping_) {
      if (ended) {
        skipping_ = false;
        ++lines_ended_;
      }
      continue;
    }
    // Room for a byte-order mark and "\r", which do not count; line() measures exactly.
    if (partial_.size() + piece.size() > line_bytes_max_ + 4) {
      const Line too_long{lines_ended_ + 1, {}, true};
      partial_.clear();
      partial_.shrink_to_fit();
      if (ended) {
        ++lines_ended_;
      } else {
        skipping_ = true;
      }
      return too_long;
    }
    if (!ended) {
      partial_.append(piece);
      return std::nullopt;
    }
    std::string_view whole = piece;
    if (!partial_.empty()) {
      partial_.append(piece);
      whole = partial_;
      partial_used_ = true;
    }
    const std::optional<Line> result = line(whole);
    ++lines_ended_;
    if (result) return result;
    partial_.clear();
    partial_used_ = false;
  }
  return std::nullopt;
}

std::optional<LineSplitter::Line> LineSplitter::finish() {
  if (partial_used_) {
    partial_.clear();
    partial_used_ = false;
  }
  if (skipping_ || partial_.empty()) return std::nullopt;
  partial_used_ = true;
  return line(partial_);
}

}  // namespace tidewatch
