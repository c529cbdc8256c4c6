// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "query/match_query.h"
#include "rules/rule.h"

namespace tidewatch {

inline constexpr std::size_t kRegexesWithoutWordMax = 64;

// Says which of thousands of rules hold for a post, in one pass over its text.
//
// All phrases of all rules stand in one automaton over the units of the folded text; regular
// expressions are looked at only when a piece of text that they need was found (RE2's FilteredRE2).
// A rule is evaluated only when one of its triggers was found: the rarest phrases or fields of
// which one must hold for the rule to hold. Gives what matches() of query/match_query.h gives.
//
// Ownership: holds its rules. Threads: immutable; match() may be called concurrently, each caller
// with its own Scratch. Deterministic.
// Bounds: kRulesMax rules; an expression without three bytes of fixed text is run on every post,
// so there may be kRegexesWithoutWordMax of them.
class RuleMatcher {
 public:
  class Scratch;

  // Disabled rules are left out. kInvalidArgument: "rule 'NAME': column 9: …".
  static Result<std::shared_ptr<const RuleMatcher>> create(std::vector<Rule> rules,
                                                           const TopicTree& tree,
                                                           const LabelSchema& labels);
  ~RuleMatcher();
  RuleMatcher(const RuleMatcher&) = delete;
  RuleMatcher& operator=(const RuleMatcher&) = delete;

  // In order of their names.
  const std::vector<Rule>& rules() const { return rules_; }

  // Replaces `found` by the places in rules() of those that hold, ascending.
  void match(const QueryPost& post, Scratch& scratch, std::vector<std::uint32_t>& found) const;

  // By place in rules(): its query lets through negative posts alone, or none, so that the negative
  // share of its posts says nothing.
  bool fixes_negative(std::size_t rule) const { return fixes_negative_[rule]; }

  std::size_t memory_bytes() const;

 private:
  class Impl;
  RuleMatcher(std::vector<Rule> rules, std::vector<bool> fixes_negative,
              std::unique_ptr<Impl> impl);
  const std::vector<Rule> rules_;
  const std::vector<bool> fixes_negative_;
  const std::unique_ptr<Impl> impl_;
};

// Buffers of match(), reused from post to post. Not thread-safe.
class RuleMatcher::Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  friend class RuleMatcher;
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace tidewatch
