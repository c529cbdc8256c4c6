// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidewatch {

struct BenchDetectOptions {
  std::string background;  // file or folder of counts; empty: made up
  std::string events;      // file of event curves; empty: made up
  std::string confusion;   // metrics.json; "true": true labels; empty: the bundled model's
  std::uint64_t seed = 1;
  int days = 55;  // of a made-up background
  std::size_t hashtags = 9'744;
  std::size_t passes = 6;
  double scale = 1;
  std::string picture;       // SVG; empty: none
  double step_days = 0;      // of false alarms behind the jump of one key; 0: no jumps
  double dispersion = 1;     // of the counts of a second, for the jumps
  bool engine_only = false;  // without the other methods
  std::size_t floods = 0;    // of copy-paste, with texts; 0: none
  std::string texts;         // file of background posts for them; empty: made up
  double text_rate = 2;      // of those, posts a second
  double text_days = 7;      // of them without floods, for false alarms
  bool json = false;
};
int run_bench_detect(const BenchDetectOptions& options);

}  // namespace tidewatch
