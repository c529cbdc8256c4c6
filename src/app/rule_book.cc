// SPDX-License-Identifier: Apache-2.0
#include "app/rule_book.h"

#include <utility>

#include "observe/log.h"

namespace tidewatch {

RuleBook::RuleBook(TopicTree tree, LabelSchema labels, Store& store, Apply apply)
    : tree_(std::move(tree)), labels_(std::move(labels)), store_(store), apply_(std::move(apply)) {}

Result<std::unique_ptr<RuleBook>> RuleBook::create(
    const std::vector<Rule>& file_rules, const std::vector<TopicTree::Group>& topic_groups,
    const LabelSchema& labels, Store& store, Apply apply) {
  TRY_ASSIGN(TopicTree tree, TopicTree::create(labels, topic_groups));
  std::unique_ptr<RuleBook> book(new RuleBook(std::move(tree), labels, store, std::move(apply)));
  TRY_ASSIGN(const std::vector<Rule> stored, store.rules());
  MutexLock lock(book->mu_);
  for (const Rule& rule : file_rules) book->entries_[rule.name] = {rule, true, {}};
  for (const Rule& rule : stored) {
    Entry entry{rule, false, {}};
    if (const Status checked = book->check(rule); !checked) {
      entry.problem = checked.error().message;
    }
    if (!book->entries_.emplace(rule.name, entry).second) {
      entry.problem = "the configuration has a rule of this name";
    }
    if (entry.problem.empty()) continue;
    log(LogLevel::kWarning, "rules", "a stored rule is not watched",
        {{"rule", rule.name}, {"reason", entry.problem}});
  }
  auto matcher = book->compile(book->entries_);
  if (!matcher) {
    // The configuration stands or falls by itself; a stored rule that is one too many is put aside.
    Entries fitting;
    for (const auto& [name, entry] : book->entries_) {
      if (entry.from_file) fitting.emplace(name, entry);
    }
    TRY(book->compile(fitting));
    std::vector<std::string> stored_names;
    for (const auto& [name, entry] : book->entries_) {
      if (!entry.from_file) stored_names.push_back(name);
    }
    book->put_aside(stored_names, fitting);
    matcher = book->compile(book->entries_);
  }
  if (!matcher) return matcher.error();
  book->apply_(*std::move(matcher));
  return book;
}

void RuleBook::put_aside(std::span<const std::string> names, Entries& fitting) {
  Entries with = fitting;
  for (const std::string& name : names) with.emplace(name, entries_.find(name)->second);
  const auto compiled = compile(with);
  if (compiled && with.size() <= kRulesMax) {
    fitting = std::move(with);
    return;
  }
  if (names.size() > 1) {
    put_aside(names.first(names.size() / 2), fitting);
    put_aside(names.subspan(names.size() / 2), fitting);
    return;
  }
  for (const std::string& name : names) {
    Entry& entry = entries_.find(name)->second;
    entry.problem = compiled ? "there are more rules than may be" : compiled.error().message;
    log(LogLevel::kWarning, "rules", "a stored rule is not watched",
        {{"rule", name}, {"reason", entry.problem}});
  }
}

std::vector<RuleBook::Entry> RuleBook::entries() const {
  MutexLock lock(mu_);
  std::vector<Entry> entries;
  for (const auto& [name, entry] : entries_) entries.push_back(entry);
  return entries;
}

Result<QueryNode> RuleBook::validate(std::string_view query, QueryError* detail) const {
  TRY_ASSIGN(QueryNode node, parse_query(query, detail));
  TRY(check_names(node, tree_, detail));
  return node;
}

Result<std::shared_ptr<const RuleMatcher>> RuleBook::compile_alone(const Rule& rule) const {
  TRY(check(rule));
  return RuleMatcher::create({rule}, tree_, labels_);
}

Status RuleBook::check(const Rule& rule) const {
  TRY(check_rule(rule));
  TRY(validate(rule.query, nullptr));
  return {};
}

Status RuleBook::put(const Rule& rule) {
  TRY(check(rule));
  MutexLock lock(mu_);
  auto changed = entries_;
  Entry& entry = changed[rule.name];
  if (entry.from_file) {
    return Error{Code::kFailedPrecondition,
                 "rule '" + rule.name +
                     "' comes from the configuration; change it there, or take another name"};
  }
  entry = {rule, false, {}};
  if (changed.size() > kRulesMax) {
    return Error{Code::kResourceExhausted, std::to_string(kRulesMax) +
                                               " rules are there; remove one before another is "
                                               "made"};
  }
  TRY_ASSIGN(auto matcher, compile(changed));
  TRY(store_.put_rule(rule));
  entries_.swap(changed);
  apply_(std::move(matcher));
  return {};
}

Status RuleBook::remove(const std::string& name) {
  MutexLock lock(mu_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return Error{Code::kNotFound, "there is no rule '" + name + "'; GET /v1/rules lists them"};
  }
  if (found->second.from_file) {
    return Error{Code::kFailedPrecondition, "rule '" + name +
                                                "' comes from the configuration; remove it there, "
                                                "or say enabled = false"};
  }
  TRY(store_.remove_rule(name));
  entries_.erase(found);
  TRY_ASSIGN(auto matcher, compile(entries_));
  apply_(std::move(matcher));
  return {};
}

Result<std::shared_ptr<const RuleMatcher>> RuleBook::compile(const Entries& entries) const {
  std::vector<Rule> rules;
  for (const auto& [name, entry] : entries) {
    if (entry.problem.empty() && entry.rule.enabled) rules.push_back(entry.rule);
  }
  if (rules.empty()) return std::shared_ptr<const RuleMatcher>{};
  return RuleMatcher::create(std::move(rules), tree_, labels_);
}

}  // namespace tidewatch
