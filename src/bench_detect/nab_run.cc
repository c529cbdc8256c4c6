// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/nab_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

// Values are the same within half a doubling; below half of the detector's threshold none is rare.
constexpr double kStepsPerDoubling = 2, kScoreMin = 0.5;
constexpr std::size_t kLevels = 64;
constexpr double kRowsPerDay = static_cast<double>(kDaySeconds) / kBinSeconds;

std::int64_t parse_stamp(const std::string& text) {
  const auto curve = parse_rate_curve(text + ",0", "windows.json");
  return curve ? curve->start : -1;
}

}  // namespace

std::vector<double> nab_scores_of(const RateCurve& curve, DetectOptions options) {
  // A row's count says nothing of single minutes.
  options.quiet_memory = options.low_memory;
  Detector detector(options);
  const KeyName name{KeyKind::kHashtag, "", "", curve.name};
  const KeyId key{1};
  const Detector::KeyNames names = [&](KeyId) { return &name; };
  std::vector<Change> changes;
  std::vector<double> scores;
  scores.reserve(curve.counts.size());
  std::array<std::size_t, kLevels> rows_seen{};  // up to the last one at each level
  for (std::size_t row = 0; row < curve.counts.size(); ++row) {
    const std::int64_t start = curve.start + static_cast<std::int64_t>(row) * kBinSeconds;
    const auto count = static_cast<std::int64_t>(std::llround(curve.counts[row]));
    double largest = 0;
    for (std::int64_t second = 0, done = 0; second < kBinSeconds; ++second) {
      const std::int64_t due = count * (second + 1) / kBinSeconds;
      if (due == done) continue;
      Tick tick;
      tick.second = start + second;
      tick.keys.push_back({key, {}});
      KeyCounts& counts = tick.keys.back().counts;
      counts.posts = counts.new_authors = counts.new_texts = static_cast<std::uint32_t>(due - done);
      done = due;
      detector.observe(tick, names, changes);
      if (const auto view = detector.view(key)) largest = std::max(largest, view->score);
    }
    detector.advance(start + kBinSeconds - 1, names, changes);
    changes.clear();
    const double step = std::floor(kStepsPerDoubling * std::log2(1 + largest));
    const std::size_t level = std::min(static_cast<std::size_t>(step), kLevels - 1);
    const std::size_t seen =
        *std::max_element(rows_seen.begin() + static_cast<std::ptrdiff_t>(level), rows_seen.end());
    scores.push_back(largest < kScoreMin ? 0 : static_cast<double>(row + 1 - seen) / kRowsPerDay);
    rows_seen[level] = row + 1;
  }
  return scores;
}

Result<std::vector<NabSeries>> read_nab(const std::string& dir, const DetectOptions& options) {
  namespace fs = std::filesystem;
  const fs::path windows_path = fs::path(dir) / "windows.json";
  std::ifstream file(windows_path);
  const nlohmann::json windows =
      file ? nlohmann::json::parse(file, nullptr, false) : nlohmann::json();
  if (!windows.is_object()) {
    return Error{Code::kNotFound,
                 fmt::format("{}: cannot be read; --data is a folder with windows.json and "
                             "realTweets/*.csv of the Numenta Anomaly Benchmark",
                             windows_path.string())};
  }
  std::vector<NabSeries> corpus;
  for (const auto& [path, list] : windows.items()) {
    TRY_ASSIGN(const RateCurve curve, read_rate_curve((fs::path(dir) / path).string()));
    NabSeries series;
    series.name = curve.name;
    series.scores = nab_scores_of(curve, options);
    for (const auto& window : list) {
      const std::int64_t first = parse_stamp(window.at(0).get<std::string>());
      const std::int64_t last = parse_stamp(window.at(1).get<std::string>());
      if (first < curve.start || last < first) {
        return Error{Code::kInvalidArgument, fmt::format("{}: {} has a window outside its series",
                                                         windows_path.string(), path)};
      }
      series.windows.emplace_back(
          (first - curve.start + kBinSeconds - 1) / kBinSeconds,
          std::min<std::size_t>(static_cast<std::size_t>((last - curve.start) / kBinSeconds),
                                series.scores.size() - 1));
    }
    corpus.push_back(std::move(series));
  }
  return corpus;
}

}  // namespace tidewatch
