// SPDX-License-Identifier: Apache-2.0
#include "store/label_sets.h"

namespace tidewatch {
namespace {

std::string join_lines(const std::vector<std::string>& lines) {
  std::string joined;
  for (const std::string& line : lines) joined += line + "\n";
  return joined;
}

std::vector<std::string> split_lines(std::string_view joined) {
  std::vector<std::string> lines;
  for (std::size_t end = joined.find('\n'); end != std::string_view::npos;
       end = joined.find('\n')) {
    lines.emplace_back(joined.substr(0, end));
    joined.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace

Status LabelSets::load(Database& db) {
  TRY_ASSIGN(Statement select,
             db.prepare("SELECT label_set, emotions, topics FROM label_sets ORDER BY label_set"));
  const MutexLock lock(mu_);
  sets_.clear();
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return {};
    sets_.push_back({select.column_int(0), split_lines(select.column_text(1)),
                     split_lines(select.column_text(2))});
  }
}

Result<const LabelSet*> LabelSets::ensure(Database& db, const LabelSchema& labels) {
  if (const LabelSet* found = find(labels)) return found;
  const std::string emotions = join_lines(labels.emotions);
  const std::string topics = join_lines(labels.topics);
  TRY_ASSIGN(Statement insert,
             db.prepare("INSERT INTO label_sets(emotions, topics) VALUES(?1, ?2)"));
  insert.bind(1, std::string_view{emotions});
  insert.bind(2, std::string_view{topics});
  TRY(insert.run());
  const MutexLock lock(mu_);
  sets_.push_back({sqlite3_last_insert_rowid(db.handle()), labels.emotions, labels.topics});
  return &sets_.back();
}

const LabelSet* LabelSets::find(std::int64_t id) const {
  const MutexLock lock(mu_);
  for (const LabelSet& set : sets_) {
    if (set.id == id) return &set;
  }
  return nullptr;
}

const LabelSet* LabelSets::find(const LabelSchema& labels) const {
  const MutexLock lock(mu_);
  for (const LabelSet& set : sets_) {
    if (set.emotions == labels.emotions && set.topics == labels.topics) return &set;
  }
  return nullptr;
}

}  // namespace tidewatch
