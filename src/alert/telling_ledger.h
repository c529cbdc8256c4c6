// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "alert/subscriber.h"

namespace tidewatch {

// What every subscriber was told, found by key. A plain container: no clock, not thread-safe.
// Bound: kTellingsMax; beyond it those of waves that are over are forgotten.
class TellingLedger {
 public:
  static constexpr std::size_t kTellingsMax = 100'000;
  // After a wave is over; cooldown and flap windows look back no further.
  static constexpr std::chrono::hours kRemembered{24};

  // The subscriber's tellings of the alert, whatever its key was, and of others with the key.
  std::vector<Telling> known(const std::string& subscriber, const std::string& alert_id,
                             const std::string& key) const;
  void put(Telling telling);
  void prune(EventTime now);
  std::size_t size() const { return tellings_.size(); }
  template <typename F>
  void each(F&& call) const {
    for (const auto& [id, telling] : tellings_) call(telling);
  }

 private:
  using Id = std::pair<std::string, std::string>;  // subscriber, alert
  void erase(const Id& id);

  std::map<Id, Telling> tellings_;
  std::multimap<Id, std::string> by_key_;  // subscriber, key: alert
};

}  // namespace tidewatch
