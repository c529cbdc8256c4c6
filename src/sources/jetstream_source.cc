// SPDX-License-Identifier: Apache-2.0
#include "sources/jetstream_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/rfc3339.h"
#include "sources/durable_file.h"
#include "sources/foreign_json.h"
#include "sources/http_fetch.h"
#include "sources/stream_follower.h"

namespace tidewatch {
namespace {

using Json = nlohmann::json;

constexpr char kCollection[] = "app.bsky.feed.post";
constexpr std::chrono::hours kClockSkew{1};

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
  const auto said = parse_rfc3339(foreign_text(record, "createdAt"));
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
  if (foreign_text(json, "kind") != "commit" || commit == json.end() || !commit->is_object())
    return event;
  const auto record = commit->find("record");
  const bool creates = foreign_text(*commit, "operation") == "create" &&
                       foreign_text(*commit, "collection") == kCollection;
  if (!creates) return event;
  const std::string did = foreign_text(json, "did");
  const std::string key = foreign_text(*commit, "rkey");
  if (record == commit->end() || !record->is_object() || did.empty() || key.empty() ||
      !record->contains("text") || !(*record)["text"].is_string()) {
    return Error{Code::kInvalidArgument, "a post without did, rkey or text"};
  }
  if (!speaks(*record, langs)) return event;
  Post post;
  post.id = fmt::format("at://{}/{}/{}", did, kCollection, key);
  post.text = foreign_text(*record, "text");
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
        clock_(context.clock),
        socket_(std::move(socket)),
        follower_(options_.name, "bluesky", context,
                  {std::chrono::seconds{1}, std::chrono::minutes{1}},
                  [this](std::int64_t time_us) { return keep(time_us); }) {}

  const SourceStatus& status() const { return follower_.status(); }
  void run(const std::stop_token& stop) {
    follower_.run(stop, [&] { return connection(stop); });
  }

 private:
  // From the cursor on; always ends with why.
  Error connection(const std::stop_token& stop) {
    const auto kept = read_whole(follower_.cursor_file());
    if (!kept) return kept.error();
    std::int64_t cursor = 0;
    std::from_chars(kept->data(), kept->data() + kept->size(), cursor);
    WebSocketRequest request;
    request.url = address(cursor);
    request.ca_file = options_.ca_file;
    follower_.begin();
    Status fault;
    const Status ended = socket_->run(request, stop, [&](std::string_view message) {
      fault = take(message, stop);
      return fault.ok();
    });
    const Status saved = follower_.end();
    for (const Status& status : {fault, saved, ended}) {
      if (!status) return status.error();
    }
    return Error{Code::kUnavailable, "the connection ended"};
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
    follower_.heard();
    follower_.status().set_state(SourceState::kRunning);
    auto event = parse_jetstream_event(message, options_.langs);
    if (!event) {
      TRY(follower_.set_aside("jetstream", event.error().message, message));
    } else if (!event->post) {
      follower_.pass(event->time_us);
    } else {
      const std::string place = event->post->id;
      TRY(follower_.take_post(event->time_us, *std::move(event->post), place, message, stop));
    }
    return follower_.keep_up();
  }

  Status keep(std::int64_t time_us) {
    TRY(write_durably(follower_.cursor_file(), std::to_string(time_us)));
    const EventTime at{std::chrono::milliseconds{time_us / 1'000}};
    const std::chrono::duration<double> lag = clock_.wall_now() - at;
    follower_.status().set_lag(std::max(0.0, lag.count()));
    return {};
  }

  const JetstreamOptions options_;
  const Clock& clock_;
  const std::unique_ptr<WebSocket> socket_;
  StreamFollower<std::int64_t> follower_;
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
