// SPDX-License-Identifier: Apache-2.0
#include "app/rule_preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "app/engine_api.h"
#include "app/scored_post.h"
#include "core/rfc3339.h"
#include "core/unix_time.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPreviewName = "preview";

EventTime at_second(std::int64_t second) { return EventTime{std::chrono::seconds{second}}; }

// The least multiple of a minute that cuts `span` into at most kPreviewStepsMax parts.
std::chrono::seconds step_for(std::chrono::seconds span) {
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(span / kPreviewStepsMax);
  return std::max<std::chrono::seconds>(minutes, std::chrono::minutes{1});
}

// Less memory than the engine itself takes: nobody asks a preview for shapes or recent seconds.
PostWatch::Options small(PostWatch::Options watch) {
  AggregateOptions& options = watch.aggregate;
  options.keys_max = std::min<std::size_t>(options.keys_max, 32'768);
  options.unique_pairs_max = std::min<std::size_t>(options.unique_pairs_max, 1U << 21U);
  options.cascades_max = std::min<std::size_t>(options.cascades_max, 1U << 18U);
  options.evidence_posts_max = std::min<std::size_t>(options.evidence_posts_max, 4'096);
  options.recent_seconds_max = 1'024;
  options.shape_posts_max = 16;
  return watch;
}

// Counts, detects and remembers what concerns the rule.
class Replay {
 public:
  Replay(const RulePreviewer::Options& options, const LabelSchema& labels,
         std::shared_ptr<const RuleMatcher> rules, std::int64_t since)
      : watch_(small(options.watch), labels), labels_(labels), since_(since) {
    watch_.set_rules(std::move(rules));
    watch_.on_tick([this](const Tick& tick) { count_matches(tick); });
  }

  void add(const StoredPost& stored) {
    const std::int64_t second = unix_seconds(stored.post.time);
    if (second >= since_) ++posts_;
    watch_.add(scored_post(stored, labels_), visit());
  }
  void finish(std::int64_t now) {
    watch_.flush(visit());
    std::vector<Change> changes;
    watch_.detector().advance(
        now, [this](KeyId key) { return watch_.aggregator().name(key); }, changes);
    take_changes(changes);
  }

  std::uint64_t posts() const { return posts_; }
  const std::map<std::int64_t, std::uint64_t>& matches() const { return matches_; }
  std::vector<PreviewAlert> alerts() const {
    std::vector<PreviewAlert> alerts;
    for (const PreviewAlert& alert : alerts_) {
      const std::int64_t end = unix_seconds(alert.closed_at.value_or(alert.opened_at));
      if (!alert.closed_at || end >= since_) alerts.push_back(alert);
    }
    return alerts;
  }
  std::vector<std::string> example_ids() const {
    std::vector<std::string> ids;
    const auto key = watch_.aggregator().find(KeyName{KeyKind::kRule, "", "", kPreviewName});
    if (!key) return ids;
    for (const EvidencePost& post : watch_.aggregator().evidence(*key, kPreviewExamplesMax)) {
      ids.push_back(post.id);
    }
    return ids;
  }

 private:
  PostWatch::Visit visit() {
    return [this](std::span<const Change> changes) { take_changes(changes); };
  }
  void count_matches(const Tick& tick) {
    for (const KeyTick& key : tick.keys) {
      const KeyName* name = watch_.aggregator().name(key.key);
      if (name == nullptr || name->kind != KeyKind::kRule) continue;
      if (tick.second >= since_) matches_[tick.second] += key.counts.posts;
    }
  }
  void take_changes(std::span<const Change> changes) {
    for (const Change& change : changes) {
      if (change.name.kind == KeyKind::kRule) take_change(change);
    }
  }
  void take_change(const Change& change) {
    auto open = std::find_if(alerts_.begin(), alerts_.end(), [&](const PreviewAlert& alert) {
      return alert.kind == change.kind && !alert.closed_at;
    });
    if (open == alerts_.end()) {
      if (change.phase == ChangePhase::kEnded) return;
      PreviewAlert alert;
      alert.kind = change.kind;
      alert.onset_at = at_second(change.onset);
      alert.opened_at = at_second(change.at);
      open = alerts_.insert(alerts_.end(), alert);
    }
    open->posts = std::max<std::uint64_t>(open->posts, change.since_onset.posts);
    if (change.score > open->score) {
      open->score = change.score;
      open->from_rate = change.from_rate;
      open->to_rate = change.to_rate;
    }
    if (change.phase == ChangePhase::kEnded) open->closed_at = at_second(change.at);
  }

  PostWatch watch_;
  const LabelSchema& labels_;
  const std::int64_t since_;
  std::uint64_t posts_ = 0;
  std::map<std::int64_t, std::uint64_t> matches_;  // by second
  std::vector<PreviewAlert> alerts_;
};

Error busy_error() {
  return {Code::kResourceExhausted, "another preview is running; try again in some seconds"};
}

}  // namespace

RulePreviewer::RulePreviewer(Options options, const Clock& clock, Store& store,
                             const RuleBook& book)
    : options_(std::move(options)), clock_(clock), store_(store), book_(book) {}

Result<RulePreview> RulePreviewer::run(const Rule& rule, std::chrono::seconds back) {
  Rule named = rule;
  named.name = kPreviewName;
  named.enabled = true;
  TRY_ASSIGN(auto matcher, book_.compile_alone(named));
  {
    MutexLock lock(mu_);
    if (busy_) return busy_error();
    busy_ = true;
  }
  Result<RulePreview> preview = replay(std::move(matcher), back);
  MutexLock lock(mu_);
  busy_ = false;
  return preview;
}

Result<RulePreview> RulePreviewer::replay(std::shared_ptr<const RuleMatcher> rules,
                                          std::chrono::seconds back) {
  RulePreview preview;
  preview.until = clock_.wall_now();
  preview.since = preview.until - back;
  const SteadyTime deadline = clock_.steady_now() + options_.time_max;
  const Sequence last = store_.stats().last;
  const Sequence after{last.value > options_.posts_max ? last.value - options_.posts_max : 0};
  const EventTime warm_from = preview.since - kPreviewWarmUp;

  Replay replay(options_, book_.labels(), std::move(rules), unix_seconds(preview.since));
  std::optional<EventTime> first_seen;
  std::optional<EventTime> reached;
  const auto visit = [&](const StoredPost& stored) {
    if (stored.sequence.value > last.value) return false;  // came since the preview began
    if (!first_seen || stored.post.time < *first_seen) first_seen = stored.post.time;
    replay.add(stored);
    if (stored.sequence.value % 64 == 0 && clock_.steady_now() > deadline) {
      reached = stored.post.time;
      return false;
    }
    return true;
  };
  TRY(store_.scan_posts(after, warm_from, visit));
  if (first_seen && *first_seen > preview.since) {
    preview.since = *first_seen;  // the store begins here, or what is looked at does
    preview.exact = after.value == 0;
  }
  if (reached) {
    preview.until = *reached;
    preview.exact = false;
  }
  replay.finish(unix_seconds(preview.until));

  preview.step = step_for(std::chrono::ceil<std::chrono::seconds>(
      std::max(preview.until, preview.since) - preview.since));
  const std::int64_t begin = unix_seconds(preview.since);
  const std::int64_t step = preview.step.count();
  const std::int64_t end = std::max(unix_seconds(preview.until), begin + 1);
  preview.histogram.assign(static_cast<std::size_t>((end - begin + step - 1) / step), 0);
  for (const auto& [second, posts] : replay.matches()) {
    preview.matches += posts;
    const auto part = static_cast<std::size_t>(std::max<std::int64_t>(second - begin, 0) / step);
    if (part < preview.histogram.size()) preview.histogram[part] += posts;
  }
  preview.posts = replay.posts();
  preview.alerts = replay.alerts();
  for (const std::string& id : replay.example_ids()) {
    TRY_ASSIGN(const auto post, store_.post(id));
    if (post) preview.examples.push_back(*post);
  }
  return preview;
}

namespace {

// "24h", "30m", "7d" or seconds.
Result<std::chrono::seconds> read_span(const Json& value) {
  // Not dump() for whatever it is: that recurses, and people may nest as deep as they like.
  const std::string text = value.is_string()           ? value.get<std::string>()
                           : value.is_number_integer() ? std::to_string(value.get<std::int64_t>())
                                                       : std::string{};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t scale = unit.empty() || unit == "s" ? 1
                             : unit == "m"               ? 60
                             : unit == "h"               ? 3'600
                             : unit == "d"               ? 86'400
                                                         : 0;
  const std::int64_t most = std::chrono::seconds(kPreviewSpanMax).count();
  if (error != std::errc{} || scale == 0 || number < 1 || number > most / scale) {
    return Error{Code::kInvalidArgument,
                 "'since' must be a time before now of at most 7 days: \"24h\", \"30m\", \"7d\""};
  }
  return std::chrono::seconds{number * scale};
}

struct PreviewRequest {
  Rule rule;
  std::chrono::seconds back{std::chrono::hours{24}};
};

Result<PreviewRequest> read_request(std::string_view request_json) {
  const Json request = Json::parse(request_json, nullptr, /*allow_exceptions=*/false);
  if (request.is_discarded() || !request.is_object()) {
    return Error{Code::kInvalidArgument, R"(the body must be a JSON object: {"query":"…"})"};
  }
  PreviewRequest read;
  for (const auto& [key, value] : request.items()) {
    if (key == "since") {
      TRY_ASSIGN(read.back, read_span(value));
    } else if (key == "query" && value.is_string()) {
      read.rule.query = value.get<std::string>();
    } else if ((key != "name" && key != "description") || !value.is_string()) {
      if (key == "enabled" && value.is_boolean()) continue;
      return Error{Code::kInvalidArgument,
                   "'" + key +
                       "' is not known or of the wrong type; a preview has query (string), since "
                       "(\"24h\"), and may have name, description and enabled"};
    }
  }
  if (read.rule.query.empty()) {
    return Error{Code::kInvalidArgument, R"('query' is missing: {"query":"退款"})"};
  }
  return read;
}

Json alert_json(const PreviewAlert& alert) {
  return {{"kind", alert.kind == ChangeKind::kNegative ? "negative" : "volume"},
          {"onset_at", to_rfc3339(alert.onset_at)},
          {"opened_at", to_rfc3339(alert.opened_at)},
          {"closed_at", alert.closed_at ? Json(to_rfc3339(*alert.closed_at)) : Json(nullptr)},
          {"posts", alert.posts},
          {"score", alert.score},
          {"from_rate", alert.from_rate},
          {"to_rate", alert.to_rate}};
}

}  // namespace

Result<std::string> answer_preview(RulePreviewer& previewer, const Clock& clock,
                                   std::string_view request_json) {
  TRY_ASSIGN(const PreviewRequest request, read_request(request_json));
  const SteadyTime start = clock.steady_now();
  TRY_ASSIGN(const RulePreview preview, previewer.run(request.rule, request.back));
  Json histogram = Json::array();
  EventTime at = preview.since;
  for (const std::uint64_t posts : preview.histogram) {
    histogram.push_back({{"time", to_rfc3339(at)}, {"posts", posts}});
    at += preview.step;
  }
  Json alerts = Json::array();
  for (const PreviewAlert& alert : preview.alerts) alerts.push_back(alert_json(alert));
  const Json head{
      {"matches", preview.matches},
      {"exact", preview.exact},
      {"posts", preview.posts},
      {"since", to_rfc3339(preview.since)},
      {"until", to_rfc3339(preview.until)},
      {"took_ms", std::chrono::duration<double, std::milli>(clock.steady_now() - start).count()},
      {"bucket_seconds", preview.step.count()},
      {"histogram", std::move(histogram)},
      {"alerts", std::move(alerts)}};
  std::string out = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  out.back() = ',';
  out += R"("examples":[)";
  for (const StoredPost& post : preview.examples) {
    if (out.back() == '}') out += ',';
    out += post_json(post.post, post.sequence, post.emotion, post.emotion_probability, post.topic,
                     post.topic_probability);
  }
  return out + "]}";
}

}  // namespace tidewatch
