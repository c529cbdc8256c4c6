// SPDX-License-Identifier: Apache-2.0
#include "alert/telling_ledger.h"

#include <algorithm>

namespace tidewatch {
namespace {

EventTime last_news(const Telling& telling) {
  return telling.openings.empty() ? telling.last_at
                                  : std::max(telling.last_at, telling.openings.back());
}

}  // namespace

std::vector<Telling> TellingLedger::known(const std::string& subscriber,
                                          const std::string& alert_id,
                                          const std::string& key) const {
  std::vector<Telling> found;
  const auto own = tellings_.find({subscriber, alert_id});
  if (own != tellings_.end()) found.push_back(own->second);
  const auto [first, last] = by_key_.equal_range({subscriber, key});
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second != alert_id) found.push_back(tellings_.at({subscriber, entry->second}));
  }
  return found;
}

void TellingLedger::put(Telling telling) {
  const Id id{telling.subscriber, telling.alert_id};
  erase(id);
  if (tellings_.size() >= kTellingsMax) prune(EventTime::max());
  by_key_.emplace(Id{telling.subscriber, telling.key}, telling.alert_id);
  tellings_.emplace(id, std::move(telling));
}

void TellingLedger::prune(EventTime now) {
  std::vector<Id> old;
  for (const auto& [id, telling] : tellings_) {
    if (telling.ended && last_news(telling) < now - kRemembered) old.push_back(id);
  }
  for (const Id& id : old) erase(id);
}

void TellingLedger::erase(const Id& id) {
  const auto found = tellings_.find(id);
  if (found == tellings_.end()) return;
  const auto [first, last] = by_key_.equal_range({id.first, found->second.key});
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second != id.second) continue;
    by_key_.erase(entry);
    break;
  }
  tellings_.erase(found);
}

}  // namespace tidewatch
