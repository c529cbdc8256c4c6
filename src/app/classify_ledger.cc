// SPDX-License-Identifier: Apache-2.0
#include "app/classify_ledger.h"

#include <algorithm>
#include <utility>

namespace tidewatch {

void ClassifyLedger::succeeded(const std::string& model, const std::string& version,
                               std::size_t texts, std::chrono::nanoseconds took, EventTime now) {
  MutexLock lock(mu_);
  ModelStatistics& e = entry(model, version);
  e.last_inference = now;
  e.inference_count += texts;
  ++e.success.count;
  e.success.total += took;
}

void ClassifyLedger::failed(const std::string& model, const std::string& version,
                            std::chrono::nanoseconds took) {
  MutexLock lock(mu_);
  ModelStatistics& e = entry(model, version);
  ++e.fail.count;
  e.fail.total += took;
}

std::vector<ModelStatistics> ClassifyLedger::statistics(const std::string& model,
                                                        const std::string& version) {
  MutexLock lock(mu_);
  std::vector<ModelStatistics> all{entry(model, version)};
  for (const ModelStatistics& e : entries_) {
    if (e.name != model || e.version != version) all.push_back(e);
  }
  return all;
}

ModelStatistics& ClassifyLedger::entry(const std::string& model, const std::string& version) {
  const auto found = std::find_if(
      entries_.rbegin(), entries_.rend(),
      [&](const ModelStatistics& e) { return e.name == model && e.version == version; });
  if (found != entries_.rend()) return *found;
  if (entries_.size() >= kModelsMax) entries_.erase(entries_.begin());
  ModelStatistics fresh;
  fresh.name = model;
  fresh.version = version;
  entries_.push_back(std::move(fresh));
  return entries_.back();
}

}  // namespace tidewatch
