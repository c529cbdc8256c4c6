// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/rate_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace tidewatch {
namespace {

constexpr std::int64_t kGapBinsMax = kDaySeconds / kBinSeconds;

// "2015-02-26 21:42:53" (a fraction may follow); -1: none.
std::int64_t parse_time(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%d%*[ T]%d:%d:%d", &year, &month, &day, &hour, &minute,
                  &second) != 6) {
    return -1;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return -1;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return days * kDaySeconds + hour * 3'600 + minute * 60 + second;
}

Error bad_line(const std::string& name, std::size_t line, std::string_view what) {
  return Error{
      Code::kInvalidArgument,
      fmt::format("{}, line {}: {}; expected timestamp,value as in 2015-02-26 21:42:53,104", name,
                  line, what)};
}

}  // namespace

Result<RateCurve> parse_rate_curve(std::string_view text, std::string name) {
  RateCurve curve;
  curve.name = std::move(name);
  std::istringstream lines{std::string{text}};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (number == 1 && line.starts_with("timestamp"))) continue;
    const std::size_t comma = line.find(',');
    if (comma == std::string::npos) return bad_line(curve.name, number, "no comma");
    const std::int64_t time = parse_time(line.substr(0, comma));
    if (time < 0) return bad_line(curve.name, number, "no time");
    double value = 0;
    const char* const end = line.data() + line.size();
    if (std::from_chars(line.data() + comma + 1, end, value).ec != std::errc{} || value < 0) {
      return bad_line(curve.name, number, "no count");
    }
    if (curve.counts.empty()) curve.start = time;
    const std::int64_t bin = (time - curve.start + kBinSeconds / 2) / kBinSeconds;
    const auto size = static_cast<std::int64_t>(curve.counts.size());
    if (bin < size - 1 || time < curve.start) return bad_line(curve.name, number, "time goes back");
    if (bin - size > kGapBinsMax) return bad_line(curve.name, number, "a gap of over a day");
    if (bin < size) continue;  // a second value within one bin
    curve.counts.resize(static_cast<std::size_t>(bin) + 1,
                        curve.counts.empty() ? value : curve.counts.back());
    curve.counts.back() = value;
  }
  if (curve.counts.empty()) {
    return Error{Code::kInvalidArgument, fmt::format("{}: holds no counts", curve.name)};
  }
  return curve;
}

Result<RateCurve> read_rate_curve(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error{Code::kNotFound, fmt::format("{}: cannot be read; is the path right?", path)};
  }
  std::ostringstream text;
  text << file.rdbuf();
  return parse_rate_curve(text.str(), std::filesystem::path(path).stem().string());
}

Result<std::vector<RateCurve>> read_rate_curves(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    fs::path dir = path;
    if (fs::is_directory(dir / "realTweets", error)) dir /= "realTweets";
    for (const auto& entry : fs::directory_iterator(dir, error)) {
      if (entry.path().extension() == ".csv") files.push_back(entry.path().string());
    }
  } else {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    return Error{Code::kNotFound, fmt::format("{}: holds no .csv files of counts", path)};
  }
  std::vector<RateCurve> curves;
  std::int64_t start = 0;
  for (const std::string& file : files) {
    TRY_ASSIGN(RateCurve curve, read_rate_curve(file));
    start = std::max(start, curve.start);
    curves.push_back(std::move(curve));
  }
  std::size_t bins = SIZE_MAX;
  for (RateCurve& curve : curves) {
    const auto skip = static_cast<std::size_t>((start - curve.start) / kBinSeconds);
    if (skip >= curve.counts.size()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}: {} ends before another curve begins", path, curve.name)};
    }
    curve.counts.erase(curve.counts.begin(),
                       curve.counts.begin() + static_cast<std::ptrdiff_t>(skip));
    curve.start = start;
    bins = std::min(bins, curve.counts.size());
  }
  for (RateCurve& curve : curves) curve.counts.resize(bins);
  return curves;
}

std::vector<RateCurve> make_rate_curves(std::uint64_t seed, int days) {
  struct Level {
    const char* name;
    double per_minute;
  };
  constexpr Level kLevels[] = {{"north", 17},   {"east", 10.7},  {"south", 3.6}, {"west", 0.9},
                               {"delta", 0.66}, {"hills", 0.17}, {"coast", 0.08}};
  constexpr double kWanderKept = 0.995, kWanderStep = 0.03;
  constexpr double kBurstsPerDay = 0.3;
  constexpr double kBurstKept = 0.7;  // of a burst from bin to bin
  const auto bins = static_cast<std::size_t>(days) * kDaySeconds / kBinSeconds;
  std::vector<RateCurve> curves;
  for (const Level& level : kLevels) {
    std::mt19937_64 random(seed * 1'000'003 + curves.size());
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    RateCurve curve;
    curve.name = level.name;
    curve.start = 1'609'459'200;  // a Friday, 00:00 UTC
    double wander = 0, burst = 0;
    for (std::size_t bin = 0; bin < bins; ++bin) {
      const double hour = static_cast<double>(bin * kBinSeconds % kDaySeconds) / 3'600;
      const std::size_t day = bin * kBinSeconds / kDaySeconds;
      const double daily = std::exp(0.6 * std::cos((hour - 13) / 12 * M_PI));
      const double weekly = day % 7 == 1 || day % 7 == 2 ? 0.7 : 1;
      wander = kWanderKept * wander + kWanderStep * normal(random);
      burst *= kBurstKept;
      if (uniform(random) < kBurstsPerDay * kBinSeconds / kDaySeconds) {
        burst += 2 * std::pow(1 - uniform(random), -0.7);  // Pareto: few are large
      }
      const double mean = level.per_minute * 5 * daily * weekly * std::exp(wander) * (1 + burst);
      curve.counts.push_back(static_cast<double>(std::poisson_distribution<int>(mean)(random)));
    }
    curves.push_back(std::move(curve));
  }
  return curves;
}

}  // namespace tidewatch
