// SPDX-License-Identifier: Apache-2.0
#include "aggregate/second_history.h"

#include <algorithm>

namespace tidewatch {

SecondHistory::Position SecondHistory::add(Position previous, std::int64_t second,
                                           const KeyCounts& counts) {
  const std::size_t index = last_ % records_max_;
  if (index == records_.size()) {
    records_.push_back({second, previous, counts});
  } else {
    records_[index] = {second, previous, counts};
  }
  return ++last_;
}

std::vector<std::pair<std::int64_t, KeyCounts>> SecondHistory::read(Position last,
                                                                    std::int64_t since) const {
  std::vector<std::pair<std::int64_t, KeyCounts>> seconds;
  while (last != 0 && last + records_max_ > last_) {
    const Record& record = records_[(last - 1) % records_max_];
    if (record.second < since) break;
    seconds.emplace_back(record.second, record.counts);
    last = record.previous;
  }
  std::reverse(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace tidewatch
