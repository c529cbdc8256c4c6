// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/engine_alarms.h"

namespace tidewatch {

EngineAlarms::EngineAlarms(const World& world, const std::vector<Setting>& settings)
    : names_([&world](KeyId key) { return world.name(key); }) {
  for (const Setting& setting : settings) {
    runs_.push_back({setting.name, std::make_unique<Detector>(setting.options), {}});
  }
}

void EngineAlarms::observe(const Tick& tick) {
  for (Run& run : runs_) {
    std::vector<Change>& changes = &run == &runs_.front() ? changes_ : scratch_;
    const std::size_t before = changes.size();
    run.detector->observe(tick, names_, changes);
    for (std::size_t i = before; i < changes.size(); ++i) {
      if (changes[i].phase != ChangePhase::kStarted) continue;
      run.alarms.push_back({changes[i].at + 1, changes[i].key, changes[i].kind});
    }
    scratch_.clear();
  }
}

void EngineAlarms::reach(std::int64_t now) {
  for (Run& run : runs_) {
    run.detector->advance(now - 1, names_, &run == &runs_.front() ? changes_ : scratch_);
    scratch_.clear();
  }
}

}  // namespace tidewatch
