// SPDX-License-Identifier: Apache-2.0
#include "detect/discovery.h"

namespace tidewatch {

bool Discovery::on_counted(const ScoredPost& post, std::uint8_t emotion, bool negative) {
  const bool coordinated = coordination_.on_counted(post, emotion, negative);
  if (!coordinated) emergent_.add(post, emotion, negative);
  return coordinated;
}

void Discovery::advance(std::int64_t second, std::vector<Change>& changes) {
  coordination_.advance(second, changes);
  emergent_.advance(second, changes);
}

std::vector<EvidencePost> Discovery::evidence(KeyId key, std::size_t count_max,
                                              bool negative_first) const {
  return Emergent::is_topic(key) ? emergent_.evidence(key, count_max, negative_first)
                                 : coordination_.evidence(key, count_max, negative_first);
}

}  // namespace tidewatch
