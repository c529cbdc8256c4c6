// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/trace.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

namespace tidewatch {
namespace {

Error bad_line(const std::string& name, std::size_t line, std::string_view reason) {
  return {Code::kInvalidArgument, fmt::format("{}:{}: {}", name, line, reason)};
}

constexpr double kSecondsMax = 30.0 * 86'400;

}  // namespace

Result<Trace> Trace::parse(std::string&& content, const std::string& name) {
  Trace trace;
  trace.content_ = std::move(content);
  const std::string_view all = trace.content_;
  if (all.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Code::kInvalidArgument, name + ": larger than 4 GiB; cut it"};
  }
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < all.size();) {
    ++line;
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    std::string_view row = all.substr(begin, end - begin);
    if (row.ends_with('\r')) row.remove_suffix(1);
    const std::size_t tab = row.find('\t');
    if (tab == std::string_view::npos) {
      return bad_line(name, line, "no tab; write seconds<TAB>text");
    }
    double seconds = 0;
    const auto parsed = std::from_chars(row.data(), row.data() + tab, seconds);
    if (parsed.ec != std::errc{} || parsed.ptr != row.data() + tab || !(seconds >= 0) ||
        seconds > kSecondsMax) {
      return bad_line(name, line, "what stands before the tab is not a time in seconds from 0");
    }
    const auto due = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(seconds));
    if (!trace.due_.empty() && due < trace.due_.back()) {
      return bad_line(name, line, "earlier than the line before; sort the file by time");
    }
    trace.due_.push_back(due);
    trace.begin_.push_back(static_cast<std::uint32_t>(begin + tab + 1));
    trace.end_.push_back(static_cast<std::uint32_t>(begin + row.size()));
    begin = end + 1;
  }
  if (trace.due_.empty()) return Error{Code::kInvalidArgument, name + ": holds no posts"};
  return trace;
}

Result<Trace> Trace::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Code::kNotFound, path + ": cannot be read"};
  std::string content{std::istreambuf_iterator<char>(file), {}};
  return parse(std::move(content), path);
}

}  // namespace tidewatch
