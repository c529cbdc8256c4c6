// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "infer/scores.h"
#include "query/topic_tree.h"
#include "rules/rule.h"
#include "rules/rule_matcher.h"
#include "store/store.h"

namespace tidewatch {

// The rules that are watched now: those of the configuration, which only it changes, and those made
// over the API, which the store keeps. A change is on disk, compiled and watched when put() or
// remove() returns; posts counted meanwhile see the old set or the new one, never a mixture.
//
// Ownership: the store must outlive it. Threads: every member may be called concurrently; changes
// wait for one another (compiling 5,000 rules takes about 50 ms). `apply` is called under its lock.
// Bounds: kRulesMax rules together.
class RuleBook {
 public:
  using Apply = std::function<void(std::shared_ptr<const RuleMatcher>)>;

  struct Entry {
    Rule rule;
    bool from_file = false;
    std::string problem;  // empty: none; why a stored rule is not watched (a topic that is gone)
  };

  // kInvalidArgument: a rule of the configuration is wrong. Stored rules that are wrong by now are
  // kept, told in entries() and not watched; of two with one name the configuration's is.
  static Result<std::unique_ptr<RuleBook>> create(const std::vector<Rule>& file_rules,
                                                  const std::vector<TopicTree::Group>& topic_groups,
                                                  const LabelSchema& labels, Store& store,
                                                  Apply apply);

  std::vector<Entry> entries() const EXCLUDES(mu_);  // by name
  // Makes a rule or replaces it. kFailedPrecondition: the configuration has one of that name.
  Status put(const Rule& rule) EXCLUDES(mu_);
  Status remove(const std::string& name) EXCLUDES(mu_);  // kNotFound
  // One rule by itself, for a preview. kInvalidArgument: it is wrong.
  Result<std::shared_ptr<const RuleMatcher>> compile_alone(const Rule& rule) const;
  const LabelSchema& labels() const { return labels_; }
  // Whether a query could be a rule's; `detail` says where not.
  Result<QueryNode> validate(std::string_view query, QueryError* detail) const;
  // The names that queries of rules may use, for searches of the store.
  std::shared_ptr<const SearchNames> search_names() const {
    return std::make_shared<const SearchNames>(SearchNames{tree_, labels_});
  }

 private:
  using Entries = std::map<std::string, Entry, std::less<>>;
  RuleBook(TopicTree tree, LabelSchema labels, Store& store, Apply apply);
  Status check(const Rule& rule) const;
  Result<std::shared_ptr<const RuleMatcher>> compile(const Entries& entries) const;
  // Adds those of these stored rules that the matcher takes beside what is in `fitting`; the others
  // get a problem.
  void put_aside(std::span<const std::string> names, Entries& fitting) REQUIRES(mu_);

  const TopicTree tree_;
  const LabelSchema labels_;
  Store& store_;
  const Apply apply_;
  mutable Mutex mu_;
  Entries entries_ GUARDED_BY(mu_);
};

}  // namespace tidewatch
