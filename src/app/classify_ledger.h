// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/mutex.h"
#include "serve/engine.h"

namespace tidewatch {

// Counts the classify requests by the model and version they asked, for the statistics of the Open
// Inference Protocol.
// Threads: every member may be called concurrently. Bound: kModelsMax versions; the oldest goes.
class ClassifyLedger {
 public:
  static constexpr std::size_t kModelsMax = 64;

  void succeeded(const std::string& model, const std::string& version, std::size_t texts,
                 std::chrono::nanoseconds took, EventTime now) EXCLUDES(mu_);
  void failed(const std::string& model, const std::string& version, std::chrono::nanoseconds took)
      EXCLUDES(mu_);
  // All that were asked, the named one first (with zeros when it never was).
  std::vector<ModelStatistics> statistics(const std::string& model, const std::string& version)
      EXCLUDES(mu_);

 private:
  ModelStatistics& entry(const std::string& model, const std::string& version) REQUIRES(mu_);

  Mutex mu_;
  std::vector<ModelStatistics> entries_ GUARDED_BY(mu_);  // the oldest first
};

}  // namespace tidewatch
