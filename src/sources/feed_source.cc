// SPDX-License-Identifier: Apache-2.0
#include "sources/feed_source.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"
#include "sources/backoff.h"
#include "sources/delivery_lane.h"
#include "sources/durable_file.h"
#include "sources/feed_parser.h"
#include "sources/foreign_json.h"

namespace tidewatch {
namespace {

using Json = nlohmann::json;
using Lane = DeliveryLane<std::size_t>;

constexpr std::chrono::seconds kPollTime{120};  // for one whole answer
constexpr std::chrono::hours kBackoffMax{24};
constexpr std::chrono::milliseconds kReceiptPause{5};
constexpr std::size_t kIdBytesMax = 200;

std::string hash_of(std::string_view text) {
  return fmt::format("{:016x}", XXH64(text.data(), text.size(), 0));
}

}  // namespace

class FeedSource::Impl {
 public:
  Impl(FeedOptions options, const SourceContext& context, std::unique_ptr<HttpFetch> http)
      : options_(std::move(options)),
        context_(context),
        http_(std::move(http)),
        status_(options_.name, "rss", "seconds", context.clock),
        ids_(options_.name),
        rules_(context.limits, ids_),
        rejects_(context.dir / (options_.name + ".rejected.ndjson")),
        state_file_(context.dir / (options_.name + ".feeds.json")) {}

  const SourceStatus& status() const { return status_; }

  void run(const std::stop_token& stop) {
    load();
    while (!stop.stop_requested()) {
      Feed& next = *std::min_element(feeds_.begin(), feeds_.end(),
                                     [](const Feed& a, const Feed& b) { return a.due < b.due; });
      const SteadyTime now = context_.clock.steady_now();
      if (next.due > now) {
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next.due - now);
        status_.set_next_attempt(context_.clock.wall_now() + wait);
        if (!context_.pauser.pause(stop, wait)) break;
        status_.set_next_attempt(std::nullopt);
      }
      poll(next, stop);
    }
    status_.set_state(SourceState::kStopped);
  }

 private:
  struct Feed {
    std::string url;
    std::string etag;
    std::string last_modified;
    std::set<std::string> seen;  // hashes of the ids of what it holds now
    SteadyTime due{};
    Backoff backoff;
  };

  void load() {
    const Json state = read_state();
    bool whole = state.is_object();
    for (const std::string& url : options_.urls) {
      Backoff backoff({options_.interval, kBackoffMax}, XXH64(url.data(), url.size(), 0));
      Feed feed{url, {}, {}, {}, context_.clock.steady_now(), backoff};
      if (whole && state.contains(url)) whole = restore(state[url], feed);
      feeds_.push_back(std::move(feed));
    }
    if (whole) return;
    for (Feed& feed : feeds_) restore(Json::object(), feed);
    status_.failed(state_file_.string() + ": not what was written there; all feeds are read anew");
  }

  // Nothing is there: an empty object. Discarded: it is no JSON.
  Json read_state() {
    const auto text = read_whole(state_file_);
    if (!text) status_.failed(text.error().message);
    if (!text || text->empty()) return Json::object();
    auto state = parse_foreign_json(*text);
    return state ? *std::move(state) : Json(Json::value_t::discarded);
  }

  // False: `kept` is not what save() writes; the feed is as before.
  static bool restore(const Json& kept, Feed& feed) {
    if (!kept.is_object()) return false;
    const Json etag = member(kept, "etag", "");
    const Json last_modified = member(kept, "last_modified", "");
    const Json seen = member(kept, "seen", Json::array());
    const auto is_text = [](const Json& one) { return one.is_string(); };
    if (!is_text(etag) || !is_text(last_modified) || !seen.is_array() ||
        !std::all_of(seen.begin(), seen.end(), is_text)) {
      return false;
    }
    feed.etag = etag.get<std::string>();
    feed.last_modified = last_modified.get<std::string>();
    feed.seen = seen.get<std::set<std::string>>();
    return true;
  }
  static Json member(const Json& object, const char* key, Json missing) {
    const auto found = object.find(key);
    return found != object.end() ? *found : std::move(missing);
  }

  Status save() {
    Json state = Json::object();
    for (const Feed& feed : feeds_) {
      state[feed.url] = {
          {"etag", feed.etag}, {"last_modified", feed.last_modified}, {"seen", feed.seen}};
    }
    return write_durably(state_file_, state.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  void poll(Feed& feed, const std::stop_token& stop) {
    const Status polled = fetch(feed, stop);
    if (stop.stop_requested()) return;
    auto wait = std::chrono::milliseconds{options_.interval};
    if (polled) {
      feed.backoff.reset();
      status_.set_state(SourceState::kRunning);
    } else {
      wait = std::max(wait, feed.backoff.next(polled.error().retry_after));
      status_.failed(polled.error().message);
      status_.set_state(SourceState::kWaiting);
    }
    feed.due = context_.clock.steady_now() + wait;
  }

  Status fetch(Feed& feed, const std::stop_token& stop) {
    HttpGet request;
    request.url = feed.url;
    request.ca_file = options_.ca_file;
    request.body_bytes_max = options_.body_bytes_max;
    request.total_timeout = kPollTime;
    request.headers = {
        {"Accept", "application/atom+xml, application/rss+xml, application/xml, */*;q=0.1"}};
    if (!feed.etag.empty()) request.headers.emplace_back("If-None-Match", feed.etag);
    if (!feed.last_modified.empty()) {
      request.headers.emplace_back("If-Modified-Since", feed.last_modified);
    }
    TRY_ASSIGN(const HttpReply reply, http_->get(request, stop));
    if (reply.status == 304) return {};
    if (reply.status != 200) return status_error(feed.url, reply);
    auto entries = parse_feed(reply.body, reply.content_type);
    if (!entries) {
      return Error{entries.error().code,
                   fmt::format("{}: {}", address_origin(feed.url), entries.error().message)};
    }
    std::set<std::string> seen;
    TRY(take(feed, *entries, stop, seen));
    feed.seen = std::move(seen);
    feed.etag = reply.etag;
    feed.last_modified = reply.last_modified;
    return save();
  }

  // Brings what was not seen before to the disk, the oldest (the feed's last) first.
  Status take(const Feed& feed, std::vector<FeedEntry>& entries, const std::stop_token& stop,
              std::set<std::string>& seen) {
    const auto lane = std::make_shared<Lane>();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      const std::string key = hash_of(entry->id);
      seen.insert(key);
      if (feed.seen.contains(key)) continue;
      status_.heard();
      Post post = post_of(*entry);
      if (const auto error = rules_.apply(post, context_.clock.wall_now())) {
        status_.rejected();
        TRY(rejects_.append(to_rfc3339(context_.clock.wall_now()), feed.url,
                            error->field + ": " + error->reason, entry->text));
        continue;
      }
      const std::uint64_t ticket = lane->open(seen.size(), 1);
      if (!deliver(context_, status_, stop, post, lane, ticket)) return stopped();
    }
    while (lane->unstored() > 0) {
      if (!context_.pauser.pause(stop, kReceiptPause)) return stopped();
    }
    const Lane::Counts counts = lane->take_counts();
    status_.count(counts.stored, counts.duplicates);
    if (const auto failure = lane->failure()) {
      return Error{Code::kUnavailable, "posts cannot be stored: " + *failure};
    }
    return rejects_.sync();
  }

  static Error stopped() { return {Code::kCancelled, "stopped"}; }

  Post post_of(const FeedEntry& entry) const {
    Post post;
    const bool long_id = entry.id.size() > kIdBytesMax;
    post.id = options_.name + ":" + (long_id ? hash_of(entry.id) : entry.id);
    post.text = entry.text;
    post.author = entry.author;
    post.url = entry.link;
    post.source = options_.name;
    if (entry.time) post.time = *entry.time;
    return post;
  }

  const FeedOptions options_;
  const SourceContext context_;
  const std::unique_ptr<HttpFetch> http_;
  SourceStatus status_;
  FreshIds ids_;  // never asked: every entry has an id
  const PostRules rules_;
  RejectFile rejects_;
  const std::filesystem::path state_file_;
  std::vector<Feed> feeds_;
};

FeedSource::FeedSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FeedSource::~FeedSource() = default;

Result<std::unique_ptr<Source>> FeedSource::create(FeedOptions options,
                                                   const SourceContext& context,
                                                   std::unique_ptr<HttpFetch> http) {
  for (const std::string& url : options.urls) {
    if (const Status good = check_address(url, {"http", "https"}); !good) {
      return Error{Code::kInvalidArgument,
                   fmt::format("source '{}': the address {} {}", options.name, address_origin(url),
                               good.error().message)};
    }
  }
  return std::unique_ptr<Source>(
      new FeedSource(std::make_unique<Impl>(std::move(options), context, std::move(http))));
}

void FeedSource::run(const std::stop_token& stop) { impl_->run(stop); }
const SourceStatus& FeedSource::status() const { return impl_->status(); }

}  // namespace tidewatch
