// SPDX-License-Identifier: Apache-2.0
#include "app/engine_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/model_control_json.h"
#include "app/ndjson_session.h"
#include "app/post_search_json.h"
#include "app/rule_book_json.h"
#include "core/rfc3339.h"
#include "infer/engine_file.h"
#include "ingest/post_json.h"
#include "ingest/utf8.h"
#include "observe/json_text.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds kStatsSpan{60};

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error bad_param(std::string_view name, std::string_view value, std::string_view allowed) {
  return {Code::kInvalidArgument, fmt::format("{}='{}': {}", name, value, allowed)};
}

// A whole number from the query, `fallback` when absent.
Result<std::int64_t> int_param(const Engine::Params& params, std::string_view name,
                               std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const auto text = params(name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < low || value > high) {
    return bad_param(name, *text, fmt::format("must be a whole number from {} to {}", low, high));
  }
  return value;
}

// An RFC 3339 time, or seconds before `now`.
Result<std::optional<EventTime>> time_param(const Engine::Params& params, std::string_view name,
                                            EventTime now) {
  const auto text = params(name);
  if (!text || text->empty()) return std::optional<EventTime>{};
  if (const auto time = parse_rfc3339(*text)) return time;
  const auto seconds = int_param(params, name, 0, 0, 100LL * 366 * 86'400);
  if (!seconds) return bad_param(name, *text, "must be RFC 3339 or seconds before now");
  return std::optional<EventTime>{now - std::chrono::seconds{*seconds}};
}

Json percentiles_json(const Percentiles& p) {
  return {{"p50", p.p50}, {"p95", p.p95}, {"p99", p.p99}, {"p999", p.p999}, {"max", p.max}};
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json counts_json(EventTime time, const KeyCounts& counts, const LabelSchema& labels) {
  Json emotions = Json::object();
  for (std::size_t i = 0; i < labels.emotions.size(); ++i) {
    if (counts.emotions[i] > 0) emotions[labels.emotions[i]] = counts.emotions[i];
  }
  return {{"time", to_rfc3339(time)},    {"posts", counts.posts},
          {"negative", counts.negative}, {"authors", counts.new_authors},
          {"texts", counts.new_texts},   {"emotions", std::move(emotions)}};
}

std::string label_object(std::uint8_t best, std::string_view name, std::span<const float> prob,
                         const std::vector<std::string>& labels) {
  std::string out = R"({"label":)";
  tidewatch::append_json_string(out, name);
  out += fmt::format(R"(,"probability":{:.6g},"probabilities":{{)",
                     best < labels.size() ? prob[best] : 0.0F);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) out += ',';
    tidewatch::append_json_string(out, labels[i]);
    out += fmt::format(":{:.6g}", prob[i]);
  }
  out += "}}";
  return out;
}

std::string stored_post_json(const StoredPost& stored) {
  return post_json(stored.post, stored.sequence, stored.emotion, stored.emotion_probability,
                   stored.topic, stored.topic_probability);
}

Json store_json(const StoreStats& store) {
  return {{"posts", store.posts},
          {"oldest", store.oldest ? Json(to_rfc3339(*store.oldest)) : Json(nullptr)},
          {"newest", store.newest ? Json(to_rfc3339(*store.newest)) : Json(nullptr)},
          {"bytes", store.bytes},
          {"bytes_used", store.bytes_used},
          {"bytes_max", store.bytes_max},
          {"over_budget", store.over_budget},
          {"partitions", store.partitions},
          {"partitions_compacted", store.partitions_compacted},
          {"partitions_removed_by_age", store.partitions_removed_by_age},
          {"partitions_removed_by_size", store.partitions_removed_by_size},
          {"posts_removed", store.posts_expired},
          {"bytes_compacted", store.bytes_compacted},
          {"index_behind", store.index_behind},
          {"problem", store.index_error.empty() ? Json(nullptr) : Json(store.index_error)}};
}

std::string engine_name(const std::string& name) {
  constexpr std::string_view kEnding = ".engine";
  return name.ends_with(kEnding) ? name : name + std::string{kEnding};
}

Json published_json(const ModelManifest& manifest) {
  Json figures = Json::array();
  for (const PublishedFigure& figure : manifest.published) {
    figures.push_back({{"data", figure.data},
                       {"task", figure.task.empty() ? Json(nullptr) : Json(figure.task)},
                       {"texts", figure.texts == 0 ? Json(nullptr) : Json(figure.texts)},
                       {"accuracy", figure.accuracy},
                       {"macro_f1", figure.macro_f1 ? Json(*figure.macro_f1) : Json(nullptr)}});
  }
  return figures;
}

Json model_json(const Model& model) {
  const ModelManifest& manifest = model.manifest;
  Json tasks = Json::array();
  for (const auto& [name, labels] : {std::pair{"emotion", &manifest.labels.emotions},
                                     std::pair{"topic", &manifest.labels.topics}}) {
    tasks.push_back({{"name", name}, {"labels", *labels}});
  }
  return {{"name", manifest.name},
          {"version", manifest.version},
          {"backend", model.backend->name()},
          {"precision", model.backend->precision()},
          {"max_length", manifest.max_length},
          {"memory_bytes", model.backend->memory_bytes()},
          {"sha256", manifest.weights.sha256},
          {"active", true},
          {"tasks", std::move(tasks)},
          {"published", published_json(manifest)}};
}

std::uint64_t observations(const Histogram& histogram) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= histogram.upper_bounds().size(); ++i) {
    count += histogram.bucket_count(i);
  }
  return count;
}

ModelStatistics::Duration total(const Histogram& seconds) {
  return {observations(seconds), std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::duration<double>(seconds.sum()))};
}

Result<ClassifyCall> parse_classify(std::string_view request_json) {
  const Json request = Json::parse(request_json, nullptr, /*allow_exceptions=*/false);
  if (request.is_discarded() || !request.is_object()) {
    return Error{Code::kInvalidArgument, R"(the body must be a JSON object: {"texts":["…"]})"};
  }
  const auto texts = request.find("texts");
  if (texts == request.end() || !texts->is_array() || texts->size() > kClassifyTextsMax) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'texts' must be an array of at most {} strings", kClassifyTextsMax)};
  }
  ClassifyCall call;
  if (const auto wanted = request.find("model"); wanted != request.end()) {
    if (!wanted->is_string() || *wanted == "") {
      // Not dumped, which would recurse as deep as it is nested.
      return Error{Code::kNotFound, wanted->is_string()
                                        ? std::string{"model \"\" is not served"}
                                        : fmt::format("'model' must be a name, not of type {}",
                                                      wanted->type_name())};
    }
    call.model = wanted->get<std::string>();
  }
  for (const Json& text : *texts) {
    if (!text.is_string()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("texts[{}] must be a string", call.texts.size())};
    }
    call.texts.push_back(text.get<std::string>());
  }
  return call;
}

// What every front end's texts must keep; repairs what is not UTF-8.
Status check_texts(std::vector<std::string>& texts, std::size_t bytes_max) {
  if (texts.size() > kClassifyTextsMax) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{} texts; at most {} are taken", texts.size(), kClassifyTextsMax)};
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() > bytes_max) {
      return Error{Code::kInvalidArgument,
                   fmt::format("texts[{}] is {} bytes; at most {} are taken", i, texts[i].size(),
                               bytes_max)};
    }
    if (is_utf8(texts[i])) continue;
    std::string repaired;
    append_replacing(texts[i], repaired);
    texts[i] = std::move(repaired);
  }
  return {};
}

}  // namespace

std::string answered_by_member(const Scores& scores, const Inference& inference) {
  if (inference.models().size() < 2) return {};
  std::string out = R"(,"model":)";
  const std::string_view name = inference.answered_by(scores);
  if (name.empty()) return out + "null";
  append_json_string(out, name);
  return out;
}

std::string scores_members(const Scores& scores, const LabelSchema& labels) {
  return fmt::format(R"("emotion":{},"topic":{})",
                     label_object(scores.emotion, labels.emotion_name(scores.emotion),
                                  scores.emotion_prob, labels.emotions),
                     label_object(scores.topic, labels.topic_name(scores.topic), scores.topic_prob,
                                  labels.topics));
}

std::string post_json(const Post& post, Sequence sequence, std::string_view emotion,
                      double emotion_probability, std::string_view topic,
                      double topic_probability) {
  std::string out = fmt::format(R"({{"sequence":{},)", sequence.value);
  append_post_members(post, out);
  const auto label = [&](std::string_view name, std::string_view text, double probability) {
    out += fmt::format(R"(,"{}":{{"label":)", name);
    tidewatch::append_json_string(out, text);
    out += fmt::format(R"(,"probability":{:.4g}}})", probability);
  };
  label("emotion", emotion, emotion_probability);
  label("topic", topic, topic_probability);
  out += R"(,"extra":{)";
  out += post.extra;
  out += "}}";
  return out;
}

std::string post_json(const ScoredPost& post, const LabelSchema& labels) {
  const Scores& s = post.scores;
  return post_json(post.post, post.sequence, labels.emotion_name(s.emotion),
                   s.emotion < labels.emotions.size() ? s.emotion_prob[s.emotion] : 0.0F,
                   labels.topic_name(s.topic),
                   s.topic < labels.topics.size() ? s.topic_prob[s.topic] : 0.0F);
}

EngineApi::EngineApi(Runtime& runtime)
    : runtime_(runtime),
      started_at_(runtime.clock().steady_now()),
      search_names_(runtime.rules().search_names()),
      intake_(runtime.config().decode, runtime.clock(), runtime.fresh_ids(), runtime.pipeline(),
              runtime.metrics(), runtime.times()),
      previewer_({.watch = {runtime.config().aggregate, runtime.config().detect, {}}},
                 runtime.clock(), runtime.store(), runtime.rules()) {}

std::unique_ptr<IngestSession> EngineApi::open_ingest(std::chrono::milliseconds timeout) {
  return make_ndjson_session(runtime_.config().decode, runtime_.clock(), runtime_.fresh_ids(),
                             runtime_.pipeline(), runtime_.metrics(), runtime_.times(), timeout);
}

void EngineApi::ingest(PostBatch batch, std::function<void(PostBatchResult)> done) {
  intake_.take(std::move(batch), std::move(done));
}

void EngineApi::classify_json(std::string_view request_json, RequestLimits limits,
                              std::function<void(Result<std::string>)> done) {
  Result<ClassifyCall> call = parse_classify(request_json);
  if (!call) return done(call.error());
  call->limits = std::move(limits);
  const Inference& inference = runtime_.inference();
  classify_async(*std::move(call),
                 [&inference, done = std::move(done)](const Result<ClassifyResult>& result) {
                   if (!result) return done(result.error());
                   std::string out = R"({"model":)";
                   append_json_string(out, result->model);
                   out += R"(,"version":)";
                   append_json_string(out, result->version);
                   out += R"(,"results":[)";
                   for (std::size_t i = 0; i < result->scores.size(); ++i) {
                     if (i > 0) out += ',';
                     out += '{' + scores_members(result->scores[i], inference.labels());
                     out += answered_by_member(result->scores[i], inference) + '}';
                   }
                   done(out + "]}");
                 });
}

Result<std::string> EngineApi::stats() {
  const SteadyTime now = runtime_.clock().steady_now();
  const RecentLatency& recent = runtime_.times().recent();
  Metrics& metrics = runtime_.metrics();
  const LabelSchema& labels = runtime_.inference().labels();
  const AggregateStats aggregate = runtime_.counting().stats();
  const StoreStats store = runtime_.store().stats();

  KeyCounts sum;
  const KeyName everything{KeyKind::kTopicRegion, "*", "*", ""};
  const auto seconds = runtime_.counting().recent_seconds(everything, kStatsSpan);
  for (const auto& [second, counts] :
       seconds.value_or(std::vector<std::pair<std::int64_t, KeyCounts>>{})) {
    sum.posts += counts.posts;
    sum.negative += counts.negative;
    for (std::size_t i = 0; i < sum.emotions.size(); ++i) sum.emotions[i] += counts.emotions[i];
  }
  Json emotions = Json::object();
  for (std::size_t i = 0; i < labels.emotions.size(); ++i) {
    emotions[labels.emotions[i]] = share(sum.emotions[i], sum.posts);
  }
  std::uint64_t rejected = 0;
  for (const char* reason : {"json", "type", "missing", "range", "time", "too_long", "encoding",
                             "depth", "line_too_long", "body_too_large", "other"}) {
    rejected += metrics.rejected(reason).value();
  }
  const std::uint64_t hits = metrics.cache_hits().value();
  const Json json{
      {"time", to_rfc3339(runtime_.clock().wall_now())},
      {"uptime_seconds", std::chrono::duration<double>(now - started_at_).count()},
      {"posts_per_second", recent.per_second(now)},
      {"accepted", metrics.posts_accepted().value()},
      {"rejected", rejected},
      {"duplicates", metrics.posts_duplicate().value()},
      {"late", aggregate.late},
      {"latency_ms", percentiles_json(recent.percentiles(now))},
      {"deadline_ms", runtime_.config().deadline_ms},
      {"negative_share", share(sum.negative, sum.posts)},
      {"emotions", std::move(emotions)},
      {"queue_depth", runtime_.pipeline().in_flight()},
      {"cache_hit_share", share(hits, hits + metrics.cache_misses().value())},
      {"open_alerts", runtime_.counting().open_alerts()},
      {"model", runtime_.inference().name()},
      {"ready", ready().ok()},
      {"index_lag_posts", store.index_lag_posts},
      {"store", store_json(store)},
      {"watermark", aggregate.watermark ? Json(to_rfc3339(*aggregate.watermark)) : Json(nullptr)}};
  return dump(json);
}

Result<std::string> EngineApi::trends(const Params& params) {
  TRY_ASSIGN(const std::int64_t window, int_param(params, "window", 300, 60, kRecentSpan.count()));
  TRY_ASSIGN(const std::int64_t limit, int_param(params, "limit", 20, 1, 200));
  const std::string kind = params("kind").value_or("topic");
  const std::string region = params("region").value_or("*");
  if (kind != "topic" && kind != "hashtag" && kind != "keyword" && kind != "rule") {
    return bad_param("kind", kind, "must be topic, hashtag, keyword or rule");
  }
  const auto filter = [&](const KeyName& name) {
    switch (name.kind) {
      case KeyKind::kTopicRegion:
        return kind == "topic" && name.region == region && name.topic != "*";
      case KeyKind::kHashtag:
        return kind == "hashtag";
      case KeyKind::kKeyword:
        return kind == "keyword";
      case KeyKind::kRule:
        return kind == "rule";
      case KeyKind::kTextGroup:
      case KeyKind::kEmergentTopic:
        return false;  // not counted keys
    }
    return false;
  };
  const std::chrono::seconds span{window};
  Json list = Json::array();
  for (const TrendView& trend :
       runtime_.counting().trends(static_cast<std::size_t>(limit), span, filter)) {
    const bool topic = trend.name.kind == KeyKind::kTopicRegion;
    list.push_back({{"key", to_string(trend.name)},
                    {"topic", topic ? trend.name.topic : "*"},
                    {"region", topic ? trend.name.region : "*"},
                    {"kind", kind},
                    {"posts", trend.window.posts},
                    {"authors", trend.window.new_authors},
                    {"texts", trend.window.new_texts},
                    {"rate_per_minute", trend.now.rate_per_minute},
                    {"baseline_per_minute", trend.now.baseline_per_minute},
                    {"score", trend.now.score},
                    {"negative_share", share(trend.window.negative, trend.window.posts)},
                    {"rising", trend.now.rising},
                    {"sparkline", trend.sparkline}});
  }
  return dump({{"time", to_rfc3339(runtime_.clock().wall_now())},
               {"window_seconds", span.count()},
               {"trends", std::move(list)}});
}

Result<std::string> EngineApi::series(const std::string& key, const Params& params) {
  const auto name = parse_key(key);
  if (!name) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'{}' is not a key; keys look like finance@广东, finance@*, #高考# "
                             "or kw:退款",
                             key)};
  }
  TRY_ASSIGN(const std::int64_t step, int_param(params, "step", 60, 1, 86'400));
  const EventTime now = runtime_.clock().wall_now();
  TRY_ASSIGN(const auto since, time_param(params, "since", now));
  Json points = Json::array();
  if (step == 1 || step == 10) {
    const LabelSchema& labels = runtime_.inference().labels();
    std::map<std::int64_t, KeyCounts> steps;
    const auto seconds = runtime_.counting().recent_seconds(*name, kRecentSpan);
    for (const auto& [second, counts] :
         seconds.value_or(std::vector<std::pair<std::int64_t, KeyCounts>>{})) {
      if (since && EventTime{std::chrono::seconds{second}} < *since) continue;
      add_counts(steps[second - second % step], counts);
    }
    for (const auto& [second, counts] : steps) {
      points.push_back(counts_json(EventTime{std::chrono::seconds{second}}, counts, labels));
    }
  } else if (step % 60 == 0) {
    TRY_ASSIGN(
        const std::vector<SeriesPoint> stored,
        runtime_.store().series(to_string(*name), since.value_or(now - std::chrono::hours{1}), now,
                                std::chrono::seconds{step}));
    for (const SeriesPoint& point : stored) {
      Json emotions = Json::object();
      for (const auto& [label, count] : point.emotions) emotions[label] = count;
      points.push_back({{"time", to_rfc3339(point.time)},
                        {"posts", point.posts},
                        {"negative", point.negative},
                        {"authors", point.authors},
                        {"texts", point.texts},
                        {"emotions", std::move(emotions)}});
    }
  } else {
    return bad_param("step", std::to_string(step), "must be 1, 10 or a multiple of 60");
  }
  return dump({{"key", to_string(*name)}, {"step_seconds", step}, {"points", std::move(points)}});
}

Result<std::string> EngineApi::alerts(const Params& params) {
  AlertQuery query;
  const std::string state = params("state").value_or("all");
  if (state == "open") {
    query.state = AlertQuery::State::kOpen;
  } else if (state == "closed") {
    query.state = AlertQuery::State::kClosed;
  } else if (state != "all") {
    return bad_param("state", state, "must be open, closed or all");
  }
  TRY_ASSIGN(const std::int64_t limit, int_param(params, "limit", 50, 1, 1'000));
  query.limit = static_cast<std::size_t>(limit);
  query.before = params("before").value_or("");
  TRY_ASSIGN(const AlertPage page, runtime_.store().alerts(query));
  std::string out = R"({"alerts":[)";
  for (std::size_t i = 0; i < page.alerts.size(); ++i) {
    if (i > 0) out += ',';
    out += to_json(page.alerts[i]);
  }
  out += R"(],"next":)";
  if (page.next) {
    append_json_string(out, *page.next);
  } else {
    out += "null";
  }
  return out + "}";
}

Result<std::string> EngineApi::alert(const std::string& id) {
  TRY_ASSIGN(const std::optional<Alert> alert, runtime_.store().alert(id));
  if (!alert) return Error{Code::kNotFound, fmt::format("no alert '{}'", id)};
  std::string out = to_json(*alert);
  out.pop_back();  // its closing brace
  out += R"(,"evidence_posts":[)";
  bool first = true;
  for (const std::string& post_id : alert->evidence) {
    TRY_ASSIGN(const std::optional<StoredPost> post, runtime_.store().post(post_id));
    if (!post) continue;  // past its retention
    if (!first) out += ',';
    first = false;
    out += stored_post_json(*post);
  }
  TRY_ASSIGN(const std::vector<AlertHistoryEntry> history, runtime_.store().history(id));
  return out + R"(],"history":)" + to_json(history) + "}";
}

Result<std::string> EngineApi::act_on_alert(AlertEvent event, const std::string& id,
                                            std::string_view request_json) {
  TRY_ASSIGN(const AlertAction action, parse_action(event, request_json));
  TRY(runtime_.desk().act(id, action));
  return alert(id);
}

Result<std::string> EngineApi::posts(const Params& params) {
  return answer_posts(runtime_.store(), params, search_names_, runtime_.clock());
}

Result<std::string> EngineApi::posts_summary(const Params& params) {
  return answer_posts_summary(runtime_.store(), params, search_names_, runtime_.clock());
}

Result<std::string> EngineApi::post(const std::string& id) {
  TRY_ASSIGN(const std::optional<StoredPost> post, runtime_.store().post(id));
  if (!post) return Error{Code::kNotFound, fmt::format("no post '{}'", id)};
  return stored_post_json(*post);
}

void EngineApi::classify_async(ClassifyCall call,
                               std::function<void(Result<ClassifyResult>)> done) {
  Inference& inference = runtime_.inference();
  ClassifyResult result;
  result.model = inference.name();
  result.version = inference.version();
  if (!call.model.empty() && call.model != result.model) {
    done(Error{Code::kNotFound,
               fmt::format("no model '{}' is served; there is: {}", call.model, result.model)});
    return;
  }
  if (const Status status = check_texts(call.texts, runtime_.config().decode.text_bytes_max);
      !status) {
    done(status.error());
    return;
  }
  const SteadyTime received = runtime_.clock().steady_now();
  inference.classify_async(call.texts, call.limits,
                           [this, &inference, received, result = std::move(result),
                            done = std::move(done)](Result<std::vector<Scores>> scores) mutable {
                             const auto took = runtime_.clock().steady_now() - received;
                             if (!scores) {
                               ledger_.failed(result.model, result.version, took);
                               done(scores.error());
                               return;
                             }
                             ledger_.succeeded(result.model, result.version, scores->size(), took,
                                               runtime_.clock().wall_now());
                             result.scores = std::move(*scores);
                             for (const Scores& one : result.scores) {
                               result.answered_by.emplace_back(inference.answered_by(one));
                             }
                             done(std::move(result));
                           });
}

const LabelSchema& EngineApi::labels() const { return runtime_.inference().labels(); }

std::vector<ServedModel> EngineApi::served_models() {
  const Inference& inference = runtime_.inference();
  const auto model = inference.model();
  return {{inference.name(), inference.version(), model->backend->name(),
           model->manifest.max_length, true}};
}

std::vector<ModelStatistics> EngineApi::model_statistics() {
  const Inference& inference = runtime_.inference();
  std::vector<ModelStatistics> all = ledger_.statistics(inference.name(), inference.version());
  // What the engine ran, it ran for all of them together: told of the one that is served.
  Metrics& metrics = runtime_.metrics();
  ModelStatistics& served = all.front();
  served.execution_count = observations(metrics.batch_size());
  served.queue = total(metrics.stage_seconds(Stage::kQueue));
  served.compute = total(metrics.stage_seconds(Stage::kInfer));
  served.cache_hit.count = metrics.cache_hits().value();
  served.cache_miss.count = metrics.cache_misses().value();
  return all;
}

Result<std::string> EngineApi::models() {
  const Inference& inference = runtime_.inference();
  Json models = Json::array();
  for (const auto& model : inference.models()) {
    Json entry = model_json(*model);
    const SlotState state = runtime_.control().state_of(model->manifest.name);
    entry["engine"] = model->engine.empty() ? Json(nullptr) : Json(model->engine);
    entry["rollback_to"] = state.previous ? Json(*state.previous) : Json(nullptr);
    entry["canary"] = nullptr;
    if (const auto canary = runtime_.control().canary(model->manifest.name);
        canary && canary->state == CanaryState::kRunning) {
      entry["canary"] = canary_json(*canary, inference.labels());
    }
    models.push_back(std::move(entry));
  }
  Json answer{{"models", std::move(models)}};
  if (inference.models().size() > 1) {
    answer["cascade"] = {{"name", inference.name()},
                         {"version", inference.version()},
                         {"first", kCascadeFirst},
                         {"second", kCascadeSecond},
                         {"emotion_margin", inference.margins().emotion},
                         {"topic_margin", inference.margins().topic},
                         {"escalated", runtime_.metrics().cascade_escalated().value()},
                         {"skipped", runtime_.metrics().cascade_skipped_for_any_reason()}};
  }
  return dump(answer);
}

Status EngineApi::load_model(const std::string& name) {
  Inference& inference = runtime_.inference();
  if (name == inference.name()) return {};
  for (const auto& model : inference.models()) {
    if (name == model->manifest.name) return {};
  }
  const std::string engine = engine_name(name);
  TRY(check_engine_name(engine));
  std::string model;
  if (inference.models().size() > 1) {
    // KServe names the engine only: in which model's place it goes, its file says.
    TRY_ASSIGN(const EngineHeader header,
               read_engine_header(runtime_.control().options().engines_dir / engine));
    model = header.manifest.name;
  }
  const std::string request = dump(Json{{"new_engine", engine}});
  const ControlAnswer answer = control_model(ModelAction::kSwap, model, request);
  return answer.refused ? Status{*answer.refused} : Status{};
}

Status EngineApi::unload_model(const std::string& name) {
  Inference& inference = runtime_.inference();
  for (const auto& model : inference.models()) {
    if (!model->engine.empty() && model->engine == engine_name(name)) {
      const ControlAnswer answer =
          control_model(ModelAction::kRollback, model->manifest.name, "{}");
      return answer.refused ? Status{*answer.refused} : Status{};
    }
    if (name == model->manifest.name || name == inference.name()) {
      return Error{Code::kFailedPrecondition,
                   fmt::format("model '{}' is served and stays: posts are always classified. Load "
                               "another engine in its place, or start with --model none",
                               name)};
    }
  }
  return Error{Code::kNotFound, fmt::format("no model or engine '{}' is served", name)};
}

Result<std::string> EngineApi::rules(RuleAction action, const std::string& name,
                                     std::string_view request_json) {
  if (action == RuleAction::kPreview) {
    return answer_preview(previewer_, runtime_.clock(), request_json);
  }
  return answer_rules(runtime_.rules(), action, name, request_json);
}

ControlAnswer EngineApi::control_model(ModelAction action, const std::string& model,
                                       std::string_view request_json) {
  return answer_control(runtime_.control(), runtime_.inference().labels(), action, model,
                        request_json);
}

Status EngineApi::ready() {
  if (Status stored = runtime_.pipeline().last_commit(); !stored) {
    return Error{Code::kUnavailable, "posts cannot be stored: " + stored.error().message};
  }
  const StoreStats stats = runtime_.store().stats();
  if (!stats.maintenance_error.empty()) {
    return Error{Code::kUnavailable, "the store: " + stats.maintenance_error};
  }
  return {};
}

std::string EngineApi::metrics_text() {
  runtime_.refresh_gauges();
  return runtime_.metrics().expose();
}

}  // namespace tidewatch
