// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench_detect/alarm_source.h"
#include "bench_detect/world.h"
#include "detect/detector.h"

namespace tidewatch {

// The engine's own Detector, once for each setting. `world` names the keys and must outlive this.
class EngineAlarms : public AlarmSource {
 public:
  struct Setting {
    std::string name;
    DetectOptions options;
  };
  EngineAlarms(const World& world, const std::vector<Setting>& settings);

  std::string name() const override { return "tidewatch"; }
  void observe(const Tick& tick) override;
  void reach(std::int64_t now) override;
  std::size_t num_settings() const override { return runs_.size(); }
  std::string setting_name(std::size_t setting) const override { return runs_[setting].name; }
  const std::vector<Alarm>& alarms(std::size_t setting) const override {
    return runs_[setting].alarms;
  }

  // Every change of the first setting, for calibration; the caller may clear it.
  std::vector<Change>& changes() { return changes_; }

 private:
  struct Run {
    std::string name;
    std::unique_ptr<Detector> detector;
    std::vector<Alarm> alarms;
  };
  Detector::KeyNames names_;
  std::vector<Run> runs_;
  std::vector<Change> changes_, scratch_;
};

}  // namespace tidewatch
