// SPDX-License-Identifier: Apache-2.0
#include "sources/jetstream_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"
#include "sources/backoff.h"
#include "sources/delivery_lane.h"
#include "sources/durable_file.h"
#include "sources/foreign_json.h"
#include "sources/http_fetch.h"

namespace tidewatch {
namespace {

using Json = nlohmann::json;
using Lane = DeliveryLane<std::int64_t>;

constexpr char kCollection[] = "app.bsky.feed.post";
constexpr std::chrono::seconds kSaveEvery{5};
constexpr std::chrono::seconds kDrainTime{10};
constexpr std::chrono::hours kClockSkew{1};

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string{};
}

// "zh" takes zh and zh-Hans.
bool speaks(const Json& record, const std::vector<std::string>& langs) {
  if (langs.empty()) return true;
  const auto said = record.find("langs");
  if (said == record.end() || !said->is_array()) return false;
  return std::any_of(said->begin(), said->end(), [&](const Json& one) {
    if (!one.is_string()) return false;
    const auto& lang = one.get_ref<const std::string&>();
    return std::any_of(langs.begin(), langs.end(), [&](const std::string& wanted) {
      return lang == wanted || lang.starts_with(wanted + "-");
    });
  });
}

// The author's own time where it is believable, else when the event was seen.
EventTime time_of(const Json& record, std::int64_t time_us) {
  const EventTime seen{std::chrono::milliseconds{time_us / 1'000}};
  const auto said = parse_rfc3339(text_of(record, "createdAt"));
  return said && *said <= seen && *said >= seen - kClockSkew ? *said : seen;
}

}  // namespace

Result<JetstreamEvent> parse_jetstream_event(std::string_view text,
                                             const std::vector<std::string>& langs) {
  TRY_ASSIGN(const Json json, parse_foreign_json(text));
  if (!json.is_object()) return Error{Code::kInvalidArgument, "not a JSON object"};
  JetstreamEvent event;
  const auto time = json.find("time_us");
  if (time == json.end() || !time->is_number_integer()) {
    return Error{Code::kInvalidArgument, "time_us is missing"};
  }
  event.time_us = time->get<std::int64_t>();
  const auto commit = json.find("commit");
  if (text_of(json, "kind") != "commit" || commit == json.end() || !commit->is_object())
    return event;
  const auto record = commit->find("record");
  const bool creates =
      text_of(*commit, "operation") == "create" && text_of(*commit, "collection") == kCollection;
  if (!creates) return event;
  const std::string did = text_of(json, "did");
  const std::string key = text_of(*commit, "rkey");
  if (record == commit->end() || !record->is_object() || did.empty() || key.empty() ||
      !record->contains("text") || !(*record)["text"].is_string()) {
    return Error{Code::kInvalidArgument, "a post without did, rkey or text"};
  }
  if (!speaks(*record, langs)) return event;
  Post post;
  post.id = fmt::format("at://{}/{}/{}", did, kCollection, key);
  post.text = text_of(*record, "text");
  post.author = did;
  post.url = fmt::format("https://bsky.app/profile/{}/post/{}", did, key);
  post.time = time_of(*record, event.time_us);
  event.post = std::move(post);
  return event;
}

class JetstreamSource::Impl {
 public:
  Impl(JetstreamOptions options, const SourceContext& context, std::unique_ptr<WebSocket> socket)
      : options_(std::move(options)),
        context_(context),
        socket_(std::move(socket)),
        status_(options_.name, "bluesky", "seconds", context.clock),
        ids_(options_.name),
        rules_(context.limits, ids_),
        rejects_(context.dir / (options_.name + ".rejected.ndjson")),
        cursor_file_(context.dir / (options_.name + ".cursor")),
        backoff_({std::chrono::seconds{1}, std::chrono::minutes{1}},
                 std::hash<std::string>{}(options_.name)) {}

  const SourceStatus& status() const { return status_; }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const Status ended = follow(stop);
      if (stop.stop_requested()) break;
      status_.failed(ended ? "the connection ended" : ended.error().message);
      status_.set_state(SourceState::kWaiting);
      const auto wait = backoff_.next();
      status_.set_next_attempt(context_.clock.wall_now() + wait);
      context_.pauser.pause(stop, wait);
      status_.set_next_attempt(std::nullopt);
    }
    status_.set_state(SourceState::kStopped);
  }

 private:
  // One connection, from the cursor on.
  Status follow(const std::stop_token& stop) {
    TRY_ASSIGN(const std::string kept, read_whole(cursor_file_));
    std::int64_t cursor = 0;
    std::from_chars(kept.data(), kept.data() + kept.size(), cursor);
    WebSocketRequest request;
    request.url = address(cursor);
    request.ca_file = options_.ca_file;
    lane_ = std::make_shared<Lane>();
    next_save_ = context_.clock.steady_now() + kSaveEvery;
    Status fault;
    const Status ended = socket_->run(request, stop, [&](std::string_view message) {
      fault = take(message, stop);
      return fault.ok();
    });
    lane_->drain(context_.clock.steady_now() + kDrainTime);
    const Status saved = save();
    if (!fault) return fault;
    if (!saved) return saved;
    return ended;
  }

  std::string address(std::int64_t cursor) const {
    std::string url = options_.url;
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += fmt::format("wantedCollections={}", kCollection);
    if (cursor > 0) {
      url += fmt::format("&cursor={}", cursor - std::chrono::microseconds{options_.rewind}.count());
    }
    return url;
  }

  Status take(std::string_view message, const std::stop_token& stop) {
    status_.heard();
    backoff_.reset();
    status_.set_state(SourceState::kRunning);
    auto event = parse_jetstream_event(message, options_.langs);
    if (!event) {
      TRY(set_aside("jetstream", event.error().message, message));
    } else if (!event->post) {
      lane_->open(event->time_us, 0);
    } else {
      TRY(take_post(*event, message, stop));
    }
    if (context_.clock.steady_now() < next_save_) return {};
    next_save_ = context_.clock.steady_now() + kSaveEvery;
    return save();
  }

  Status take_post(JetstreamEvent& event, std::string_view message, const std::stop_token& stop) {
    Post& post = *event.post;
    post.source = options_.name;
    if (const auto error = rules_.apply(post, context_.clock.wall_now())) {
      TRY(set_aside(post.id, error->field + ": " + error->reason, message));
      lane_->open(event.time_us, 0);
      return {};
    }
    const std::uint64_t ticket = lane_->open(event.time_us, 1);
    if (deliver(context_, status_, stop, post, lane_, ticket)) return {};
    lane_->told(ticket, Receipt::kFailed, "stopped");
    return Error{Code::kCancelled, "stopped"};
  }

  Status set_aside(std::string_view place, std::string_view reason, std::string_view value) {
    status_.rejected();
    return rejects_.append(to_rfc3339(context_.clock.wall_now()), place, reason, value);
  }

  // The cursor, the counts, the lag; and the error when a post could not be stored.
  Status save() {
    const Lane::Counts counts = lane_->take_counts();
    status_.count(counts.stored, counts.duplicates);
    if (const auto durable = lane_->durable()) {
      TRY(rejects_.sync());
      TRY(write_durably(cursor_file_, std::to_string(*durable)));
      const EventTime at{std::chrono::milliseconds{*durable / 1'000}};
      const std::chrono::duration<double> lag = context_.clock.wall_now() - at;
      status_.set_lag(std::max(0.0, lag.count()));
    }
    if (const auto failure = lane_->failure()) {
      return Error{Code::kUnavailable, "posts cannot be stored: " + *failure};
    }
    return {};
  }

  const JetstreamOptions options_;
  const SourceContext context_;
  const std::unique_ptr<WebSocket> socket_;
  SourceStatus status_;
  FreshIds ids_;  // never asked: every post has an id
  const PostRules rules_;
  RejectFile rejects_;
  const std::filesystem::path cursor_file_;
  Backoff backoff_;
  std::shared_ptr<Lane> lane_;  // of the connection
  SteadyTime next_save_{};
};

JetstreamSource::JetstreamSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JetstreamSource::~JetstreamSource() = default;

Result<std::unique_ptr<Source>> JetstreamSource::create(JetstreamOptions options,
                                                        const SourceContext& context,
                                                        std::unique_ptr<WebSocket> socket) {
  if (const Status good = check_address(options.url, {"ws", "wss"}); !good) {
    return Error{Code::kInvalidArgument, fmt::format("source '{}': the address {} {}", options.name,
                                                     options.url, good.error().message)};
  }
  return std::unique_ptr<Source>(
      new JetstreamSource(std::make_unique<Impl>(std::move(options), context, std::move(socket))));
}

void JetstreamSource::run(const std::stop_token& stop) { impl_->run(stop); }
const SourceStatus& JetstreamSource::status() const { return impl_->status(); }

}  // namespace tidewatch
