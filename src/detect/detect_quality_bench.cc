// SPDX-License-Identifier: Apache-2.0
// How fast the detector is and how often it is wrong, on simulated counts: delay to a step, and
// false alarms a key and day on backgrounds of several levels and dispersions. Seeds are fixed.
//   detect_quality_bench [days]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "detect/simulated_ticks.h"

namespace tidewatch {
namespace {

constexpr int kDay = 86'400;

// Seconds from the step to kStarted; -1: false alarm before it; -2: missed within ten minutes.
int delay_to_step(std::uint64_t seed, double from, double to, double dispersion) {
  SimulatedTicks ticks(seed);
  Detector detector({});
  std::vector<Change> changes;
  const int before = 3'600;
  for (int second = 0; second < before + 600; ++second) {
    ticks.add("finance@*", ticks.draw(second < before ? from : to, dispersion));
    ticks.close(detector, changes);
    if (!changes.empty()) return second < before ? -1 : second - before + 1;
  }
  return -2;
}

int delay_to_share(std::uint64_t seed, double rate, double from, double to) {
  SimulatedTicks ticks(seed);
  Detector detector({});
  std::vector<Change> changes;
  const int before = 3'600;
  for (int second = 0; second < before + 1'200; ++second) {
    const std::uint32_t posts = ticks.draw(rate);
    ticks.add("finance@*", posts, ticks.draw_share(posts, second < before ? from : to));
    ticks.close(detector, changes);
    if (!changes.empty()) return second < before ? -1 : second - before + 1;
  }
  return -2;
}

template <typename Run>
void print_delays(const char* name, Run run) {
  std::vector<int> delays;
  int early = 0, missed = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    const int delay = run(seed);
    early += delay == -1;
    missed += delay == -2;
    if (delay > 0) delays.push_back(delay);
  }
  std::sort(delays.begin(), delays.end());
  const auto at = [&](double share) {
    return delays.empty()
               ? -1
               : delays[static_cast<std::size_t>(share * static_cast<double>(delays.size() - 1))];
  };
  std::printf("%-34s median %4d s  p95 %4d s  max %4d s  missed %d  early %d of 400\n", name,
              at(0.5), at(0.95), at(1), missed, early);
}

// False alarms over `days` days of one key. `daily`: the rate swings by that factor up and down
// over the day.
void print_false_alarms(double per_minute, double dispersion, double daily, int days) {
  int volume = 0, negative = 0;
  SimulatedTicks ticks(static_cast<std::uint64_t>(per_minute * 1'000 + dispersion * 10 + daily));
  Detector detector({});
  std::vector<Change> changes;
  for (int second = 0; second < days * kDay; ++second) {
    const double phase = 2 * M_PI * (second % kDay) / kDay;
    const double rate = per_minute / 60 * std::pow(daily, -std::cos(phase));
    const std::uint32_t posts = ticks.draw(rate, dispersion);
    ticks.add("finance@*", posts, ticks.draw_share(posts, 0.25));
    changes.clear();
    ticks.close(detector, changes);
    for (const Change& change : changes) {
      if (change.phase != ChangePhase::kStarted) continue;
      ++(change.kind == ChangeKind::kVolume ? volume : negative);
    }
  }
  std::printf("%8.1f posts/min  dispersion %.1f  day x%-4.1f  volume %.3f  negative %.3f a day\n",
              per_minute, dispersion, daily, volume / static_cast<double>(days),
              negative / static_cast<double>(days));
}

}  // namespace
}  // namespace tidewatch

int main(int argc, char** argv) {
  using namespace tidewatch;
  const int days = argc > 1 ? std::atoi(argv[1]) : 30;
  print_delays("1 -> 3 posts/s", [](auto s) { return delay_to_step(s, 1, 3, 1); });
  print_delays("1 -> 3 posts/s, dispersion 2", [](auto s) { return delay_to_step(s, 1, 3, 2); });
  print_delays("10 -> 20 posts/s", [](auto s) { return delay_to_step(s, 10, 20, 1); });
  print_delays("100 -> 200 posts/s", [](auto s) { return delay_to_step(s, 100, 200, 1); });
  print_delays("0.1 -> 2 posts/s", [](auto s) { return delay_to_step(s, 0.1, 2, 1); });
  print_delays("share 0.2 -> 0.6 at 3 posts/s",
               [](auto s) { return delay_to_share(s, 3, 0.2, 0.6); });
  print_delays("share 0.2 -> 0.6 at 0.3 posts/s",
               [](auto s) { return delay_to_share(s, 0.3, 0.2, 0.6); });
  std::printf("false alarms over %d days each\n", days);
  for (const double rate : {0.2, 1.0, 3.0, 10.0, 60.0, 600.0}) {
    for (const double dispersion : {1.0, 1.5, 2.0}) print_false_alarms(rate, dispersion, 1, days);
  }
  for (const double rate : {3.0, 60.0, 600.0}) print_false_alarms(rate, 1.5, 2, days);
  return 0;
}
