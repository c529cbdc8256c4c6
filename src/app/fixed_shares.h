// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "detect/change.h"
#include "rules/rule_matcher.h"

namespace tidewatch {

// Keeps what is no news from people: a rule whose query lets through negative posts alone
// (`emotion:negative`) has a negative share of 1 by definition, far above that of the stream. Its
// volume is watched like any other's. Not thread-safe.
class FixedShares {
 public:
  void set_rules(const RuleMatcher* rules);  // null: none
  // Takes the changes of kind kNegative of such rules out, in all phases.
  void leave_out(std::vector<Change>& changes) const;

 private:
  std::set<std::string> rules_;  // names
};

}  // namespace tidewatch
