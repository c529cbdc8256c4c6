// SPDX-License-Identifier: Apache-2.0
#include "report/collect_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <unordered_map>

#include "aggregate/terms.h"
#include "alert/telling_terms.h"
#include "alert/title.h"
#include "core/rfc3339.h"
#include "query/region.h"
#include "report/provinces.h"

namespace tidewatch {
namespace {

using std::chrono::seconds;

constexpr std::size_t kPointsMax = 100;
constexpr std::size_t kTellingTexts = 60;   // of the posts that spread most
constexpr std::size_t kTextsOfWords = 400;  // bytes of a text that words are counted in

// The shortest step of these with which the period has at most kPointsMax points.
seconds step_of(EventTime since, EventTime until) {
  constexpr std::array<std::int64_t, 9> kSteps{60,    300,    900,    1'800, 3'600,
                                               7'200, 21'600, 43'200, 86'400};
  for (const std::int64_t step : kSteps) {
    if ((until - since) / seconds{step} <= static_cast<std::int64_t>(kPointsMax)) {
      return seconds{step};
    }
  }
  return seconds{7 * 86'400};
}

std::string key_of(const KeyName& subject, std::string_view topic, std::string_view region) {
  KeyName key = subject;
  key.topic = topic;
  key.region = region;
  return to_string(key);
}

class Collector {
 public:
  Collector(Store& store, const ReportRequest& request, Report& report)
      : store_(store), request_(request), report_(report) {}

  Status run() {
    TRY(curve());
    if (report_.sums.posts > 0 || !request_.empty_is_error) TRY(look_at_posts());
    if (report_.sums.posts == 0 && request_.empty_is_error) return nothing();
    TRY(shares());
    return alerts();
  }

 private:
  const KeyName& subject() const { return report_.subject; }
  bool is_topic_key() const { return subject().kind == KeyKind::kTopicRegion; }

  Result<ReportSums> sums_of(const std::string& key, EventTime since, EventTime until) {
    ReportSums sums;
    const seconds step = std::max(step_of(since, until), seconds{3'600});
    TRY_ASSIGN(const std::vector<SeriesPoint> points, store_.series(key, since, until, step));
    for (const SeriesPoint& point : points) {
      sums.posts += point.posts;
      sums.negative += point.negative;
      sums.authors += point.authors;
      sums.texts += point.texts;
    }
    return sums;
  }

  Status curve() {
    const std::string key = to_string(subject());
    TRY_ASSIGN(const std::vector<SeriesPoint> stored,
               store_.series(key, report_.since, report_.until, report_.step));
    std::map<EventTime, ReportPoint> points;
    for (EventTime time = std::chrono::floor<seconds>(report_.since); time < report_.until;
         time += report_.step) {
      points[time] = {time, 0, 0};
    }
    std::map<std::string, std::uint64_t> emotions;
    for (const SeriesPoint& point : stored) {
      auto at = points.upper_bound(point.time);
      if (at != points.begin()) --at;
      at->second.posts += point.posts;
      at->second.negative += point.negative;
      report_.sums.posts += point.posts;
      report_.sums.negative += point.negative;
      report_.sums.authors += point.authors;
      report_.sums.texts += point.texts;
      for (const auto& [label, posts] : point.emotions) emotions[label] += posts;
    }
    for (const auto& [time, point] : points) report_.points.push_back(point);
    for (const auto& [label, posts] : emotions) report_.emotions.push_back({label, posts, 0});
    sort(report_.emotions);
    TRY_ASSIGN(report_.before,
               sums_of(key, report_.since - (report_.until - report_.since), report_.since));
    return {};
  }

  Status shares() {
    if (!is_topic_key()) return {};
    if (subject().region == "*") {
      std::vector<std::string> places{"unknown"};
      for (const Province& province : provinces()) places.emplace_back(province.name);
      for (const std::string& place : places_seen_) places.push_back(place);
      std::sort(places.begin(), places.end());
      places.erase(std::unique(places.begin(), places.end()), places.end());
      TRY(add_shares(places, /*of_topics=*/false, report_.regions));
    }
    if (subject().topic == "*") {
      std::vector<std::string> topics = request_.known_topics;
      topics.emplace_back("unknown");
      TRY(add_shares(topics, /*of_topics=*/true, report_.topics));
    }
    return {};
  }

  Status add_shares(const std::vector<std::string>& names, bool of_topics,
                    std::vector<ReportShare>& shares) {
    for (const std::string& name : names) {
      const std::string key = of_topics ? key_of(subject(), name, subject().region)
                                        : key_of(subject(), subject().topic, name);
      TRY_ASSIGN(const ReportSums sums, sums_of(key, report_.since, report_.until));
      if (sums.posts > 0) shares.push_back({name, sums.posts, sums.negative});
    }
    sort(shares);
    return {};
  }

  static void sort(std::vector<ReportShare>& shares) {
    std::sort(shares.begin(), shares.end(), [](const ReportShare& a, const ReportShare& b) {
      return a.posts != b.posts ? a.posts > b.posts : a.name < b.name;
    });
  }

  bool is_of_subject(const StoredPost& stored) const {
    const Post& post = stored.post;
    if (post.time >= report_.until) return false;
    if (subject().kind == KeyKind::kKeyword || subject().kind == KeyKind::kHashtag) {
      std::string text = post.text;
      lower_ascii(text);
      const bool tag = subject().kind == KeyKind::kHashtag;
      return text.find(tag ? "#" + subject().term + "#" : subject().term) != std::string::npos;
    }
    if (subject().topic != "*" &&
        (stored.topic != subject().topic ||
         static_cast<double>(stored.topic_probability) < request_.topic_probability_min)) {
      return false;
    }
    if (subject().region == "*") return true;
    const PostRegion region = parse_region(post.region);
    if (region.province.empty()) return subject().region == "unknown";
    return subject().region == region.province || subject().region == region_name(region);
  }

  // The newest posts of the store, those of the subject among them.
  Status look_at_posts() {
    const std::uint64_t last = store_.stats().last.value;
    const Sequence after{last > kReportScanMax ? last - kReportScanMax : 0};
    std::vector<StoredPost> seen;
    std::unordered_map<std::string, std::uint64_t> reposts;  // by id of the post reposted
    EventTime oldest = EventTime::max();
    std::size_t bytes = 0;
    bool cut_short = false;
    TRY(store_.scan_posts(after, report_.since, [&](const StoredPost& stored) {
      oldest = std::min(oldest, stored.post.time);
      if (!is_of_subject(stored)) return true;
      if (!stored.post.repost_of.empty()) ++reposts[stored.post.repost_of];
      const PostRegion region = parse_region(stored.post.region);
      if (!region.province.empty() && places_seen_.size() < 100) {
        places_seen_.emplace(region.province);
      }
      bytes += stored.post.text.size();
      seen.push_back(stored);
      seen.back().post.extra.clear();
      cut_short = bytes > kReportBytesMax;
      return !cut_short;
    }));
    report_.posts_looked_at = seen.size();
    report_.looked_at_all =
        (after.value == 0 && !cut_short) || seen.size() + seen.size() / 50 >= report_.sums.posts;
    count_accounts(seen, reposts);
    choose_posts(seen, reposts);
    count_terms(seen);
    return {};
  }

  void count_accounts(const std::vector<StoredPost>& seen,
                      const std::unordered_map<std::string, std::uint64_t>& reposts) {
    std::unordered_map<std::string, ReportAccount> accounts;
    for (const StoredPost& stored : seen) {
      if (stored.post.author.empty()) continue;
      ReportAccount& account = accounts[stored.post.author];
      ++account.posts;
      if (const auto found = reposts.find(stored.post.id); found != reposts.end()) {
        account.reposted += found->second;
      }
    }
    for (auto& [author, account] : accounts) {
      account.author = author;
      if (account.posts + account.reposted >= 2) report_.accounts.push_back(account);
    }
    const auto more = [](const ReportAccount& a, const ReportAccount& b) {
      const std::uint64_t x = a.posts + a.reposted;
      const std::uint64_t y = b.posts + b.reposted;
      return x != y ? x > y : a.author < b.author;
    };
    std::sort(report_.accounts.begin(), report_.accounts.end(), more);
    if (report_.accounts.size() > kReportAccountsMax) report_.accounts.resize(kReportAccountsMax);
  }

  // One of each text, those that spread most first.
  void choose_posts(const std::vector<StoredPost>& seen,
                    const std::unordered_map<std::string, std::uint64_t>& reposts) {
    struct Candidate {
      const StoredPost* stored;
      std::uint64_t reposted;
      std::uint64_t weight;
    };
    std::unordered_map<std::uint64_t, Candidate> by_text;
    for (const StoredPost& stored : seen) {
      if (stored.post.text.empty()) continue;
      const auto found = reposts.find(stored.post.id);
      const std::uint64_t reposted = found == reposts.end() ? 0 : found->second;
      const auto said = [](const auto& count) {
        return count ? static_cast<std::uint64_t>(std::max<std::int64_t>(*count, 0)) : 0;
      };
      const std::uint64_t weight =
          reposted + said(stored.post.reposts) + said(stored.post.likes) / 10;
      const Candidate candidate{&stored, reposted, weight};
      const auto [at, is_new] = by_text.try_emplace(stored.text_hash, candidate);
      if (!is_new && at->second.weight < weight) at->second = candidate;
    }
    std::vector<Candidate> order;
    order.reserve(by_text.size());
    for (const auto& [hash, candidate] : by_text) order.push_back(candidate);
    const std::size_t kept = std::min(order.size(), kTellingTexts);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [](const Candidate& a, const Candidate& b) {
                        if (a.weight != b.weight) return a.weight > b.weight;
                        return a.stored->sequence.value > b.stored->sequence.value;
                      });
    order.resize(kept);
    for (const Candidate& candidate : order) {
      if (report_.posts.size() < kReportPostsMax) {
        report_.posts.push_back({*candidate.stored, candidate.reposted});
      }
      spread_.push_back(candidate.stored->post.text);
    }
  }

  // Hashtags of all posts, and the words that tell what those are about that spread most.
  void count_terms(const std::vector<StoredPost>& seen) {
    std::map<std::string, ReportShare> tags;
    std::vector<std::string> found;
    const auto is_negative = [](const StoredPost& stored) {
      return stored.emotion == "angry" || stored.emotion == "fear" || stored.emotion == "sad";
    };
    for (const StoredPost& stored : seen) {
      find_hashtags(stored.post.text, found);
      for (const std::string& tag : found) {
        ReportShare& share = tags["#" + tag + "#"];
        ++share.posts;
        share.negative += is_negative(stored) ? 1 : 0;
      }
    }
    const std::vector<std::string_view> texts(spread_.begin(), spread_.end());
    std::map<std::string, ReportShare> words;
    for (const std::string& word : telling_terms(texts, kReportTermsMax)) {
      if (!word.starts_with('#')) words[word] = {};
    }
    for (const StoredPost& stored : seen) {
      const std::string_view text = cut_at_character(stored.post.text, kTextsOfWords);
      for (auto& [word, share] : words) {
        if (text.find(word) == std::string_view::npos) continue;
        ++share.posts;
        share.negative += is_negative(stored) ? 1 : 0;
      }
    }
    for (auto* terms : {&tags, &words}) {
      for (auto& [name, share] : *terms) {
        if (share.posts < 2) continue;
        share.name = name;
        report_.terms.push_back(share);
      }
    }
    sort(report_.terms);
    if (report_.terms.size() > kReportTermsMax) report_.terms.resize(kReportTermsMax);
  }

  bool is_of_subject(const Alert& alert) const {
    if (!is_topic_key()) return alert.key == to_string(subject());
    if (subject().topic == "*" && subject().region == "*") return true;
    const bool topic = subject().topic == "*" || alert.topic == subject().topic;
    const bool region = subject().region == "*" || alert.region == subject().region ||
                        alert.region.starts_with(subject().region + " ");
    return topic && region;
  }

  Status alerts() {
    constexpr std::chrono::hours kLongest{24 *
                                          7};  // no alert is looked for that opened so long ago
    AlertQuery query;
    query.limit = 500;
    while (true) {
      TRY_ASSIGN(const AlertPage page, store_.alerts(query));
      for (const Alert& alert : page.alerts) {
        const EventTime end = alert.closed_at.value_or(report_.until);
        if (alert.opened_at >= report_.until || end < report_.since || !is_of_subject(alert)) {
          continue;
        }
        report_.alerts_cut = report_.alerts.size() >= kReportAlertsMax;
        if (!report_.alerts_cut) report_.alerts.push_back(alert);
      }
      const bool past =
          !page.alerts.empty() && page.alerts.back().opened_at < report_.since - kLongest;
      if (!page.next || past || report_.alerts_cut) break;
      query.before = *page.next;
    }
    std::reverse(report_.alerts.begin(), report_.alerts.end());
    return {};
  }

  Error nothing() const {
    const StoreStats stats = store_.stats();
    std::string what = fmt::format("no posts on {} from {} to {}", to_string(subject()),
                                   to_rfc3339(report_.since), to_rfc3339(report_.until));
    if (stats.posts == 0) return {Code::kNotFound, what + "; the store is empty"};
    const EventTime oldest = stats.oldest.value_or(EventTime{});
    const EventTime newest = stats.newest.value_or(EventTime{});
    return {Code::kNotFound, what + fmt::format("; the store has posts from {} to {}: choose since "
                                                "and until within that, or another topic",
                                                to_rfc3339(oldest), to_rfc3339(newest))};
  }

  Store& store_;
  const ReportRequest& request_;
  Report& report_;
  std::set<std::string> places_seen_;
  std::vector<std::string> spread_;  // texts
};

}  // namespace

Result<KeyName> report_subject(std::string_view topic, const std::vector<std::string>& known) {
  if (topic.empty() || topic == "*") return KeyName{KeyKind::kTopicRegion, "*", "*", ""};
  const auto label = [&](std::string_view name) -> std::string {
    for (const std::string& each : known) {
      if (name == each || name == topic_title(each)) return each;
    }
    return name == "unknown" || name == "*" ? std::string(name) : std::string{};
  };
  if (const std::string found = label(topic); !found.empty()) {
    return KeyName{KeyKind::kTopicRegion, found, "*", ""};
  }
  auto key = parse_key(std::string(topic));
  if (key && key->kind == KeyKind::kTopicRegion) {
    if (std::string found = label(key->topic); !found.empty()) {
      key->topic = std::move(found);
      return *key;
    }
  } else if (key && (key->kind == KeyKind::kHashtag || key->kind == KeyKind::kKeyword)) {
    return *key;
  }
  std::vector<std::string> names;
  for (const std::string& each : known)
    names.push_back(fmt::format("{} ({})", each, topic_title(each)));
  return Error{
      Code::kInvalidArgument,
      fmt::format("topic '{}': not one of {}; or a key such as finance@广东, *@广东, #高考# or "
                  "kw:退款",
                  topic, fmt::join(names, ", "))};
}

Result<EventTime> report_since(std::string_view text, EventTime now) {
  if (const auto time = parse_rfc3339(text)) return *time;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::map<std::string_view, std::int64_t> units{{"", 1},      {"s", 1},      {"m", 60},
                                                       {"h", 3'600}, {"d", 86'400}, {"w", 604'800}};
  const auto found = units.find(unit);
  const std::int64_t most = std::chrono::seconds(kReportPeriodMax).count();
  if (error != std::errc{} || found == units.end() || count < 0 || count > most / found->second) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'{}': must be a time such as 24h, 30m, 7d, 2w or "
                             "2026-11-25T08:00:00+08:00, at most a year back",
                             text)};
  }
  return now - seconds{count * found->second};
}

Result<Report> collect_report(Store& store, const ReportRequest& request, EventTime now) {
  Report report;
  TRY_ASSIGN(report.subject, report_subject(request.topic, request.known_topics));
  // Minutes are the finest that is counted.
  report.since = std::chrono::floor<std::chrono::minutes>(request.since);
  report.until = request.until;
  if (report.since >= report.until || report.until - report.since > kReportPeriodMax) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("the period from {} to {} must be more than nothing and at most a year",
                    to_rfc3339(report.since), to_rfc3339(report.until))};
  }
  report.name = request.name;
  report.made_at = now;
  report.zone = request.zone;
  report.public_url = request.public_url;
  report.step = step_of(report.since, report.until);
  TRY(Collector(store, request, report).run());
  return report;
}

}  // namespace tidewatch
