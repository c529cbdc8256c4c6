// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/event_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ingest/file_source.h"
#include "ingest/line_splitter.h"

namespace tidewatch {
namespace {

constexpr std::size_t kLineBytesMax = 64U << 20U;
constexpr double kCurveKept = 0.95;

Result<EventCurve> parse_event(std::string_view line, const std::string& path, std::size_t number) {
  const auto bad = [&](std::string_view what) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}, line {}: {}; expected name<TAB>seconds of its posts, by spaces",
                             path, number, what)};
  };
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return bad("no tab");
  EventCurve event;
  event.name = line.substr(0, tab);
  const char* at = line.data() + tab + 1;
  const char* const end = line.data() + line.size();
  while (at < end) {
    if (*at == ' ') {
      ++at;
      continue;
    }
    double second = 0;
    const auto [next, error] = std::from_chars(at, end, second);
    if (error != std::errc{} || !std::isfinite(second)) return bad("not a number");
    event.seconds.push_back(second);
    at = next;
  }
  std::sort(event.seconds.begin(), event.seconds.end());
  for (std::size_t i = event.seconds.size(); i-- > 0;) event.seconds[i] -= event.seconds[0];
  return event;
}

}  // namespace

Result<std::vector<EventCurve>> read_event_curves(const std::string& path, std::size_t posts_min) {
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
  std::vector<EventCurve> events;
  LineSplitter splitter(kLineBytesMax);
  std::size_t number = 0;
  const auto take = [&](std::string_view line) -> Status {
    ++number;
    if (line.empty() || line.front() == '#') return {};
    TRY_ASSIGN(EventCurve event, parse_event(line, path, number));
    if (event.seconds.size() >= std::max<std::size_t>(posts_min, 2) && event.seconds.back() > 0) {
      events.push_back(std::move(event));
    }
    return {};
  };
  while (true) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) {
      if (const Status status = take(line->text); !status) return status.error();
    }
  }
  if (const auto line = splitter.finish()) {
    if (const Status status = take(line->text); !status) return status.error();
  }
  if (events.empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: holds no event of {} posts or more", path, posts_min)};
  }
  return events;
}

std::vector<EventCurve> make_event_curves(std::uint64_t seed, std::size_t num_events) {
  constexpr std::size_t kPostsMax = 2'000;
  constexpr double kChildren = 0.9;     // a post draws on average
  constexpr double kDelayMin = 20;      // seconds
  constexpr double kDelayExponent = 1;  // of the survival function
  std::vector<EventCurve> events;
  std::mt19937_64 random(seed ^ 0x5EED0E7E47);
  std::uniform_real_distribution<double> uniform;
  while (events.size() < num_events) {
    EventCurve event;
    event.name = fmt::format("synthetic-{}", events.size());
    event.seconds = {0};
    const auto hub = 10 + static_cast<int>(200 * uniform(random));
    for (std::size_t i = 0; i < event.seconds.size() && event.seconds.size() < kPostsMax; ++i) {
      const int children = i == 0 ? hub : std::poisson_distribution<int>(kChildren)(random);
      for (int child = 0; child < children; ++child) {
        const double delay =
            kDelayMin * (std::pow(1 - uniform(random), -1 / kDelayExponent) - 1) + 1;
        event.seconds.push_back(event.seconds[i] + std::min(delay, 86'400.0));
      }
    }
    std::sort(event.seconds.begin(), event.seconds.end());
    if (event.seconds.size() >= 50) events.push_back(std::move(event));
  }
  return events;
}

std::vector<std::uint32_t> resample_event(const EventCurve& curve, std::uint32_t num_posts,
                                          std::int32_t length, std::mt19937_64& random) {
  const std::size_t kept = std::max<std::size_t>(
      2, static_cast<std::size_t>(kCurveKept * static_cast<double>(curve.seconds.size())));
  const double span = std::max(curve.seconds[kept - 1], 1e-9);
  std::uniform_real_distribution<double> uniform(0, static_cast<double>(kept - 1));
  std::vector<double> times;
  times.reserve(num_posts);
  for (std::uint32_t i = 0; i < num_posts; ++i) {
    const double place = uniform(random);
    const auto before = std::min(static_cast<std::size_t>(place), kept - 2);
    const double part = place - static_cast<double>(before);
    times.push_back(curve.seconds[before] +
                    part * (curve.seconds[before + 1] - curve.seconds[before]));
  }
  const double first = num_posts > 0 ? *std::min_element(times.begin(), times.end()) : 0;
  std::vector<std::uint32_t> counts(static_cast<std::size_t>(length), 0);
  for (const double time : times) {
    const double second = (time - first) / span * length;
    ++counts[std::min(static_cast<std::size_t>(second), counts.size() - 1)];
  }
  return counts;
}

}  // namespace tidewatch
