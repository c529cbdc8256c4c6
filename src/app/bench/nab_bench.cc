// SPDX-License-Identifier: Apache-2.0
#include "app/bench/nab_bench.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli_support.h"
#include "app/version.h"
#include "bench_detect/nab_run.h"

namespace tidewatch {
namespace {

Status bench_nab(const BenchNabOptions& options) {
  TRY_ASSIGN(const std::vector<NabSeries> corpus, read_nab(options.data, DetectOptions{}));
  nlohmann::ordered_json json{
      {"bench", "nab"}, {"version", version_text()}, {"series", corpus.size()}};
  if (!options.json) {
    fmt::print(
        "version   {}\nseries    {}, one configuration for all\n\n{:<22}{:>8}{:>11}{:>10}{:>10}\n",
        version_text(), corpus.size(), "profile", "score", "threshold", "windows", "false");
  }
  for (const NabProfile& profile : nab_profiles()) {
    const NabResult result = nab_score(corpus, profile);
    json[profile.name] = result.score;
    json["detail"][profile.name] = {{"threshold", result.threshold},
                                    {"windows", result.windows},
                                    {"windows_found", result.windows_found},
                                    {"false_positives", result.false_positives}};
    for (const NabSeries& series : corpus) {
      const NabResult alone = nab_score_at({series}, profile, result.threshold);
      json["detail"][profile.name]["series"][series.name] = alone.score;
    }
    if (!options.json) {
      fmt::print("{:<22}{:>8.1f}{:>11.2f}{:>6}/{:<3}{:>10}\n", profile.name, result.score,
                 result.threshold, result.windows_found, result.windows, result.false_positives);
    }
  }
  if (options.json) fmt::print("{}\n", json.dump());
  return {};
}

}  // namespace

int run_bench_nab(const BenchNabOptions& options) {
  const Status status = bench_nab(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
