// SPDX-License-Identifier: Apache-2.0
// Key-ticks a second through the detector on one core.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "detect/simulated_ticks.h"

namespace tidewatch {
namespace {

// Argument: how many topic@region keys have a post in each second, besides those above them.
void observe(benchmark::State& state) {
  SimulatedTicks ticks(1);
  constexpr int kSeconds = 600;
  std::vector<Tick> stream;
  std::size_t key_ticks = 0;
  for (int second = 0; second < kSeconds; ++second) {
    Tick tick;
    tick.second = ticks.second() + second;
    for (int key = 0; key < state.range(0); ++key) {
      KeyTick one;
      one.key = ticks.key("t" + std::to_string(key % 14) + "@r" + std::to_string(key / 14));
      const std::uint32_t posts = 1 + ticks.draw(2);
      one.counts.posts = one.counts.new_authors = one.counts.new_texts = posts;
      one.counts.negative = one.counts.new_author_negative = ticks.draw_share(posts, 0.3);
      tick.keys.push_back(one);
    }
    key_ticks += tick.keys.size();
    stream.push_back(std::move(tick));
  }
  std::vector<Change> changes;
  for (auto _ : state) {
    Detector detector({});
    for (const Tick& tick : stream) detector.observe(tick, ticks.names(), changes);
    changes.clear();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(key_ticks));
}
BENCHMARK(observe)->Arg(10)->Arg(400)->Arg(20'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewatch
