// SPDX-License-Identifier: Apache-2.0
#include "detect/family.h"

#include <xxhash.h>

#include <string_view>

namespace tidewatch {
namespace {

constexpr std::string_view kAll = "*";
constexpr std::string_view kUnknown = "unknown";

std::uint64_t part(std::string_view text) {
  if (text == kAll) return 0;
  const std::uint64_t hash = XXH3_64bits(text.data(), text.size());
  return hash == 0 ? 1 : hash;
}

}  // namespace

KeyPlace place_of(KeyId id, const KeyName* name) {
  KeyPlace place;
  place.id = id;
  if (name == nullptr) return place;
  place.in_family = name->kind == KeyKind::kTopicRegion;
  place.reportable = true;
  if (!place.in_family) return place;
  place.topic = part(name->topic);
  place.region = part(name->region);
  // "广东 深圳": only keys of cities hold a space (see parse_region).
  if (const std::size_t space = name->region.find(' '); space != std::string::npos) {
    place.province = part(std::string_view{name->region}.substr(0, space));
  }
  place.reportable = name->topic != kUnknown && name->region != kUnknown;
  return place;
}

bool lies_under(const KeyPlace& narrow, const KeyPlace& broad) {
  if (!broad.in_family || narrow.depth() <= broad.depth()) return false;
  if (!narrow.in_family) return broad.depth() == 0;
  return (broad.topic == 0 || broad.topic == narrow.topic) &&
         (broad.region == 0 || broad.region == narrow.region || broad.region == narrow.province);
}

std::uint64_t FamilyIndex::hash(std::uint64_t topic, std::uint64_t region) {
  return topic * 0x9E3779B97F4A7C15 ^ (region + 0xD1B54A32D192ED03) * 0xFF51AFD7ED558CCD;
}

void FamilyIndex::insert(const KeyPlace& place, std::size_t slot) {
  if (place.in_family) slots_[hash(place.topic, place.region)] = slot;
}

void FamilyIndex::erase(const KeyPlace& place, std::size_t slot) {
  if (!place.in_family) return;
  const auto found = slots_.find(hash(place.topic, place.region));
  if (found != slots_.end() && found->second == slot) slots_.erase(found);
}

std::size_t FamilyIndex::find(std::uint64_t topic, std::uint64_t region) const {
  const auto found = slots_.find(hash(topic, region));
  return found == slots_.end() ? kNobody : found->second;
}

}  // namespace tidewatch
