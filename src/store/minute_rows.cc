// SPDX-License-Identifier: Apache-2.0
#include "store/minute_rows.h"

#include <algorithm>
#include <array>
#include <set>

#include "store/post_rows.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kMinutesPerRemoval = 2'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

void append_leb128(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

std::uint64_t take_leb128(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80U) == 0) break;
  }
  return value;
}

// Adds `count` of a label, keeping the order in which labels first appear.
void add_emotion(SeriesPoint& point, const std::string& label, std::uint64_t count) {
  if (count == 0) return;
  for (auto& [known, sum] : point.emotions) {
    if (known == label) {
      sum += count;
      return;
    }
  }
  point.emotions.emplace_back(label, count);
}

void add_row(SeriesPoint& point, const Statement& row, const LabelSets& label_sets) {
  const auto number = [&](int column) {
    return static_cast<std::uint64_t>(row.column_int(column));
  };
  point.posts += number(2);
  point.negative += number(3);
  point.authors += number(4);
  point.texts += number(5);
  point.bare_reposts += number(6);
  const LabelSet* labels = label_sets.find(row.column_int(1));
  std::string_view emotions = row.column_blob(7);
  for (std::size_t i = 0; labels != nullptr && i < labels->emotions.size() && !emotions.empty();
       ++i) {
    add_emotion(point, labels->emotions[i], take_leb128(emotions));
  }
}

}  // namespace

Status write_minutes(Database& db, std::span<const MinuteCounts> minutes, const LabelSet& labels,
                     EventTime now) {
  TRY_ASSIGN(Statement insert, db.prepare("INSERT OR REPLACE INTO minutes"
                                          " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"));
  std::set<std::int64_t> days;
  std::string emotions;
  for (const MinuteCounts& one : minutes) {
    const KeyCounts& counts = one.counts;
    const std::int64_t day = floor_div(one.minute, kDaySeconds);
    days.insert(day);
    emotions.clear();
    for (std::size_t i = 0; i < std::min(labels.emotions.size(), kEmotionsMax); ++i) {
      append_leb128(emotions, counts.emotions[i]);
    }
    insert.bind(1, day);
    insert.bind(2, std::string_view{one.key});
    insert.bind(3, floor_div(one.minute - day * kDaySeconds, 60));
    insert.bind(4, labels.id);
    insert.bind(5, std::int64_t{counts.posts});
    insert.bind(6, std::int64_t{counts.negative});
    insert.bind(7, std::int64_t{counts.new_authors});
    insert.bind(8, std::int64_t{counts.new_texts});
    insert.bind(9, std::int64_t{counts.bare_reposts});
    insert.bind(10, std::int64_t{counts.new_author_negative});
    insert.bind_blob(11, emotions);
    TRY(insert.run());
  }
  TRY_ASSIGN(Statement note, db.prepare("INSERT OR REPLACE INTO minute_days VALUES(?1, ?2)"));
  for (const std::int64_t day : days) {
    note.bind(1, day);
    note.bind(2, to_millis(now));
    TRY(note.run());
  }
  return {};
}

Result<std::vector<SeriesPoint>> read_series(Database& db, const LabelSets& label_sets,
                                             const std::string& key, EventTime since,
                                             EventTime until, std::chrono::seconds step) {
  std::vector<SeriesPoint> points;
  // Minutes count when they begin within [since, until).
  const std::int64_t from = -floor_div(-to_millis(since), 60'000);
  const std::int64_t to = -floor_div(-to_millis(until), 60'000);
  TRY_ASSIGN(Statement days,
             db.prepare("SELECT day FROM minute_days WHERE day>=?1 AND day<=?2 ORDER BY day"));
  TRY_ASSIGN(Statement rows,
             db.prepare("SELECT minute, label_set, posts, negative, authors, texts, bare_reposts,"
                        " emotions FROM minutes WHERE day=?1 AND key=?2 AND minute>=?3 AND"
                        " minute<?4 ORDER BY minute"));
  constexpr std::int64_t kDayMinutes = kDaySeconds / 60;
  days.bind(1, floor_div(from, kDayMinutes));
  days.bind(2, floor_div(to, kDayMinutes));
  const std::int64_t step_ms = std::chrono::milliseconds{step}.count();
  while (true) {
    TRY_ASSIGN(const bool day_row, days.step());
    if (!day_row) return points;
    const std::int64_t day_begin = days.column_int(0) * kDayMinutes;
    const ResetGuard guard(rows);
    rows.bind(1, days.column_int(0));
    rows.bind(2, std::string_view{key});
    rows.bind(3, from - day_begin);
    rows.bind(4, to - day_begin);
    while (true) {
      TRY_ASSIGN(const bool row, rows.step());
      if (!row) break;
      const std::int64_t at = (day_begin + rows.column_int(0)) * 60'000;
      const EventTime bucket = from_millis(floor_div(at, step_ms) * step_ms);
      if (points.empty() || points.back().time != bucket) points.emplace_back().time = bucket;
      add_row(points.back(), rows, label_sets);
    }
  }
}

Result<bool> remove_some_minutes(Database& db, EventTime written_before) {
  TRY_ASSIGN(Statement oldest, db.prepare("SELECT day FROM minute_days WHERE stored_at<?1"
                                          " ORDER BY stored_at, day LIMIT 1"));
  oldest.bind(1, to_millis(written_before));
  TRY_ASSIGN(const auto day, oldest.number());
  if (!day) return false;
  // Whole keys at a time, about kMinutesPerRemoval rows.
  TRY_ASSIGN(Statement bound, db.prepare("SELECT key FROM minutes WHERE day=?1 ORDER BY key, minute"
                                         " LIMIT 1 OFFSET ?2"));
  bound.bind(1, *day);
  bound.bind(2, kMinutesPerRemoval);
  TRY_ASSIGN(const bool more, bound.step());
  const std::string key{more ? bound.column_text(0) : std::string_view{}};
  TRY_ASSIGN(Statement remove, db.prepare(more ? "DELETE FROM minutes WHERE day=?1 AND key<=?2"
                                               : "DELETE FROM minutes WHERE day=?1"));
  remove.bind(1, *day);
  if (more) remove.bind(2, std::string_view{key});
  TRY(remove.run());
  if (more) return true;
  TRY_ASSIGN(Statement forget, db.prepare("DELETE FROM minute_days WHERE day=?1"));
  forget.bind(1, *day);
  TRY(forget.run());
  return true;
}

}  // namespace tidewatch
