// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/confusion.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

constexpr std::size_t kEmotions = 6;
constexpr std::array<bool, kEmotions> kNegative{true, true, false, false, true, false};

}  // namespace

Result<Confusion> read_confusion(const std::string& path) {
  const auto bad = [&](std::string_view what) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: {}; give a model's metrics.json", path, what)};
  };
  std::ifstream file(path);
  if (!file) return bad("cannot be read");
  const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object() || !json.contains("evaluation")) return bad("has no 'evaluation'");
  double negatives = 0, found = 0, others = 0, wrong = 0, topics = 0, right = 0;
  for (const auto& [name, set] : json["evaluation"].items()) {
    if (!set.contains("confusion") || !set.contains("task")) continue;
    const auto& rows = set["confusion"];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < rows[i].size(); ++j) {
        const double count = rows[i][j].get<double>();
        if (set["task"] == "topic") {
          topics += count;
          if (i == j) right += count;
        } else if (rows.size() == kEmotions && j < kEmotions) {
          (kNegative[i] ? negatives : others) += count;
          if (kNegative[j]) (kNegative[i] ? found : wrong) += count;
        }
      }
    }
  }
  if (negatives <= 0 || others <= 0 || topics <= 0) return bad("lacks an emotion or a topic set");
  return Confusion{found / negatives, wrong / others, right / topics,
                   fmt::format("{} {}", json.value("model", "model"), json.value("version", ""))};
}

Confusion measured_confusion() {
  // models/fast/metrics.json: usual_eval and virus_eval together; topic_dev.
  return {0.851, 0.1037, 0.81, "fast 2026.11.2 (built in)"};
}

}  // namespace tidewatch
