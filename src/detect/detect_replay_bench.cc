// SPDX-License-Identifier: Apache-2.0
// Runs real reposts through the aggregator and the detector and prints every wave, with what was
// in it, so that a person can judge. No model: the topic is the cascade's, drawn from its id, the
// region is drawn from the user (there is no such data in public), negative is a word list.
//   zstd -dc ced_reposts.tsv.zst | detect_replay_bench [noise] > waves.tsv
// `noise` (0 to 1) is the share of texts that get a topic of their own, as a model's errors would.
// Columns of the input: unix_ts, event_id, kind, user_hash, text.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/aggregator.h"
#include "detect/detector.h"

namespace tidewatch {
namespace {

constexpr std::size_t kTopics = 14, kRegions = 31;
constexpr std::array<std::string_view, 24> kNegativeWords{
    "[怒]",   "[怒骂]", "[泪]", "[抓狂]", "[衰]", "[鄙视]", "[悲伤]", "[吐]",
    "[伤心]", "[哼]",   "可怕", "恐怖",   "愤怒", "恶心",   "无耻",   "可恶",
    "伤心",   "难过",   "悲哀", "气愤",   "垃圾", "畜生",   "害怕",   "该死"};

LabelSchema schema() {
  LabelSchema schema{{"angry", "neutral"}, {true, false}, {}, 1};
  for (std::size_t i = 0; i < kTopics; ++i) schema.topics.push_back("t" + std::to_string(i));
  return schema;
}

struct Row {
  std::int64_t time;
  std::uint32_t event;
  std::uint8_t topic;
  std::uint8_t region;
  bool negative;
};

struct Told {
  Change started, ended;
  int continued = 0;
  bool over = false;
};

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> columns;
  while (columns.size() < 4) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) break;
    columns.push_back(line.substr(0, tab));
    line.remove_prefix(tab + 1);
  }
  columns.push_back(line);
  return columns;
}

// Public hubs post more: a few regions hold most of the users.
std::size_t region_of(std::string_view user) {
  const std::size_t drawn = std::hash<std::string_view>{}(user) % 1'000;
  return drawn * drawn * kRegions / 1'000'000;
}

std::string date(std::int64_t second) {
  const std::time_t time = second;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

void print(const Told& told, const std::vector<Row>& rows) {
  const Change& start = told.started;
  const std::int64_t end = told.over ? told.ended.at : rows.back().time;
  std::map<std::uint32_t, int> events;
  int posts = 0, ten_minutes = 0, hour = 0;
  auto row = std::lower_bound(rows.begin(), rows.end(), start.onset,
                              [](const Row& r, std::int64_t time) { return r.time < time; });
  for (; row != rows.end() && row->time <= end; ++row) {
    const bool topic =
        start.name.topic == "*" || start.name.topic == "t" + std::to_string(row->topic);
    const bool region =
        start.name.region == "*" || start.name.region == "r" + std::to_string(row->region);
    if (start.name.kind == KeyKind::kTopicRegion && (!topic || !region)) continue;
    if (start.kind == ChangeKind::kNegative && !row->negative) continue;
    ++posts;
    ten_minutes += row->time < start.onset + 600;
    hour += row->time < start.onset + 3'600;
    ++events[row->event];
  }
  std::vector<std::pair<int, std::uint32_t>> largest;
  for (const auto& [event, count] : events) largest.emplace_back(count, event);
  std::sort(largest.rbegin(), largest.rend());
  const Change& last = told.over ? told.ended : start;
  std::printf(
      "%s\t%s\tonset %s\tafter %lds\tlasted %.1fh\tstart: %u authors %.1f->%.1f\tposts %d (10min "
      "%d, 1h %d)\tauthors %u\t"
      "texts %u\tevents %zu:",
      to_string(start.name).c_str(), start.kind == ChangeKind::kVolume ? "volume" : "negative",
      date(start.onset).c_str(), static_cast<long>(start.at - start.onset),
      static_cast<double>(end - start.at) / 3'600, start.since_onset.new_authors, start.from_rate,
      start.to_rate, posts, ten_minutes, hour, last.since_onset.new_authors,
      last.since_onset.new_texts, events.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(largest.size(), 3); ++i) {
    std::printf(" %u=%d", largest[i].second, largest[i].first);
  }
  std::printf("\n");
}

void run(double noise) {
  Aggregator aggregator({}, schema());
  Detector detector({});
  std::vector<Row> rows;
  std::vector<Tick> ticks;
  std::vector<Change> changes;
  std::vector<Told> waves;
  std::map<std::pair<std::uint64_t, ChangeKind>, std::size_t> open;
  const Detector::KeyNames names = [&](KeyId key) { return aggregator.name(key); };
  std::size_t num_ticks = 0, num_key_ticks = 0;
  std::chrono::nanoseconds detecting{0};
  const auto note = [&] {
    const auto start = std::chrono::steady_clock::now();
    for (const Tick& tick : ticks) {
      detector.observe(tick, names, changes);
      ++num_ticks;
      num_key_ticks += tick.keys.size();
    }
    detecting += std::chrono::steady_clock::now() - start;
    ticks.clear();
    for (const Change& change : changes) {
      const std::pair id{change.key.value, change.kind};
      if (change.phase == ChangePhase::kStarted) {
        open[id] = waves.size();
        waves.push_back({change, {}, 0, false});
      } else if (change.phase == ChangePhase::kEnded) {
        waves[open.at(id)].ended = change;
        waves[open.at(id)].over = true;
      } else {
        ++waves[open.at(id)].continued;
      }
    }
    changes.clear();
    aggregator.take_minutes();
  };
  std::string line;
  std::getline(std::cin, line);
  while (std::getline(std::cin, line)) {
    const auto columns = split(line);
    if (columns.size() != 5) continue;
    ScoredPost one;
    one.post.id = std::to_string(rows.size());
    one.post.time = EventTime{std::chrono::seconds{std::atoll(std::string{columns[0]}.c_str())}};
    one.post.author = columns[3];
    one.post.text = columns[4];
    one.post.repost_of = columns[1];
    const std::size_t region = region_of(columns[3]);
    one.post.region = "r" + std::to_string(region);
    const std::size_t drawn = std::hash<std::string_view>{}(columns[4]);
    std::size_t topic = std::hash<std::string_view>{}(columns[1]) % kTopics;
    if (static_cast<double>(drawn % 1'000) < noise * 1'000) topic = drawn / 1'000 % kTopics;
    if (!one.post.text.empty()) {
      one.scores.topic = static_cast<std::uint8_t>(topic);
      const bool negative = std::any_of(
          kNegativeWords.begin(), kNegativeWords.end(),
          [&](std::string_view word) { return columns[4].find(word) != std::string_view::npos; });
      one.scores.emotion = negative ? 0 : 1;
    }
    rows.push_back({floor<std::chrono::seconds>(one.post.time).time_since_epoch().count(),
                    static_cast<std::uint32_t>(std::atoi(std::string{columns[1]}.c_str())),
                    static_cast<std::uint8_t>(topic), static_cast<std::uint8_t>(region),
                    one.scores.emotion == 0});
    aggregator.add(one, ticks);
    note();
  }
  aggregator.flush(ticks);
  note();
  for (const Told& told : waves) print(told, rows);
  const AggregateStats stats = aggregator.stats();
  const double hundreds_of_thousands = static_cast<double>(rows.size()) / 100'000;
  std::fprintf(stderr,
               "posts %zu, counted %lu, late %lu, ahead %lu, ticks %zu, key-ticks %zu at %.0f ns\n"
               "waves %zu (%.1f per 100,000 posts), explained by a relative's %lu\n",
               rows.size(), stats.posts, stats.late, stats.ahead, num_ticks, num_key_ticks,
               static_cast<double>(detecting.count()) / static_cast<double>(num_key_ticks),
               waves.size(), static_cast<double>(waves.size()) / hundreds_of_thousands,
               detector.stats().waves_explained);
}

}  // namespace
}  // namespace tidewatch

int main(int argc, char** argv) {
  tidewatch::run(argc > 1 ? std::atof(argv[1]) : 0);
  return 0;
}
