// SPDX-License-Identifier: Apache-2.0
#include "app/bench/flood_bench.h"

#include <fmt/format.h>

#include <memory>

#include "app/cli_support.h"
#include "app/version.h"
#include "bench_detect/flood_report.h"

namespace tidewatch {

Status bench_floods(const BenchDetectOptions& options) {
  FloodTrialOptions trial_options;
  trial_options.seed = options.seed;
  trial_options.floods = options.floods;
  trial_options.crowds = options.floods / 2;
  trial_options.background_days = options.text_days;
  std::unique_ptr<PostBackground> background;
  if (options.texts.empty()) {
    background = made_up_posts(options.seed, options.text_rate);
  } else {
    TRY_ASSIGN(background, posts_of_file(options.texts, options.seed, options.text_rate));
  }
  const FloodTrial trial = run_flood_trial(trial_options, *background, [](const std::string& what) {
    fmt::print(stderr, "{} ...\n", what);
  });
  if (options.json) {
    nlohmann::ordered_json json{{"bench", "detect"},
                                {"machine", machine_text()},
                                {"version", version_text()},
                                {"seed", options.seed},
                                {"texts", options.texts.empty() ? "made up" : options.texts},
                                {"posts_per_second", options.text_rate}};
    json.update(flood_json(trial));
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("machine   {}\nversion   {}\n{}", machine_text(), version_text(), flood_text(trial));
  }
  return {};
}

}  // namespace tidewatch
