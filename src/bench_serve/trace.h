// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// A recorded load: when each post is due, counted from the start, and its text. One post a line,
// `seconds<TAB>text`, in order of time; the text may be empty.
// Bound: memory for the whole file, and 4 GiB of text.
class Trace {
 public:
  // Errors (kInvalidArgument) name `name` and the line.
  static Result<Trace> parse(std::string&& content, const std::string& name);
  static Result<Trace> read(const std::string& path);

  std::size_t size() const noexcept { return due_.size(); }
  std::chrono::nanoseconds due(std::size_t i) const { return due_[i]; }
  std::string_view text(std::size_t i) const {
    return std::string_view(content_).substr(begin_[i], end_[i] - begin_[i]);
  }

 private:
  std::string content_;
  std::vector<std::chrono::nanoseconds> due_;
  std::vector<std::uint32_t> begin_;
  std::vector<std::uint32_t> end_;
};

}  // namespace tidewatch
