// SPDX-License-Identifier: Apache-2.0
#include "app/fixed_shares.h"

namespace tidewatch {

void FixedShares::set_rules(const RuleMatcher* rules) {
  rules_.clear();
  if (rules == nullptr) return;
  for (std::size_t i = 0; i < rules->rules().size(); ++i) {
    if (rules->fixes_negative(i)) rules_.insert(rules->rules()[i].name);
  }
}

void FixedShares::leave_out(std::vector<Change>& changes) const {
  if (rules_.empty()) return;
  std::erase_if(changes, [this](const Change& change) {
    return change.kind == ChangeKind::kNegative && change.name.kind == KeyKind::kRule &&
           rules_.contains(change.name.term);
  });
}

}  // namespace tidewatch
