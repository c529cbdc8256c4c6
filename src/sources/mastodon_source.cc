// SPDX-License-Identifier: Apache-2.0
#include "sources/mastodon_source.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/rfc3339.h"
#include "sources/durable_file.h"
#include "sources/foreign_json.h"
#include "sources/html_text.h"
#include "sources/sse_parser.h"
#include "sources/stream_follower.h"

namespace tidewatch {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPageTime{60};
constexpr int kPagesMax = 100;
constexpr int kPageStatuses = 40;
constexpr std::size_t kIdBytesMax = 250;
constexpr std::size_t kStatusBytesMax = 8 << 20;

// For a part of an address.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || c == '-';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

std::optional<std::int64_t> count_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_number_integer()) return std::nullopt;
  return std::max<std::int64_t>(0, member->get<std::int64_t>());
}

// A status is the same on every instance by its URI.
std::string post_id(const Json& status) {
  std::string uri = foreign_text(status, "uri");
  if (uri.size() <= kIdBytesMax) return uri;
  return fmt::format("mastodon:{:016x}", XXH64(uri.data(), uri.size(), 0));
}

bool speaks(const std::string& lang, const std::vector<std::string>& langs) {
  return langs.empty() || std::any_of(langs.begin(), langs.end(), [&](const std::string& wanted) {
           return lang == wanted || lang.starts_with(wanted + "-");
         });
}

Result<MastodonStatus> read_status(const Json& json, const std::vector<std::string>& langs) {
  if (!json.is_object()) return Error{Code::kInvalidArgument, "not a JSON object"};
  MastodonStatus status;
  status.id = foreign_text(json, "id");
  Post& post = status.post;
  post.id = post_id(json);
  const auto time = parse_rfc3339(foreign_text(json, "created_at"));
  if (status.id.empty() || post.id.empty() || !time) {
    return Error{Code::kInvalidArgument, "a status without id, uri or created_at"};
  }
  post.time = *time;
  const auto boosted = json.find("reblog");
  if (boosted != json.end() && boosted->is_object()) {
    post.repost_of = post_id(*boosted);
  } else {
    const std::string warning = foreign_text(json, "spoiler_text");
    post.text = html_text(foreign_text(json, "content"));
    if (!warning.empty()) post.text = warning + "\n" + post.text;
  }
  const auto account = json.find("account");
  if (account != json.end() && account->is_object()) {
    post.author = foreign_text(*account, "url");
    if (post.author.empty()) post.author = foreign_text(*account, "acct");
  }
  post.url = foreign_text(json, "url");
  post.likes = count_of(json, "favourites_count");
  post.reposts = count_of(json, "reblogs_count");
  status.wanted = speaks(foreign_text(json, "language"), langs);
  return status;
}

}  // namespace

Result<MastodonStatus> parse_mastodon_status(std::string_view json,
                                             const std::vector<std::string>& langs) {
  TRY_ASSIGN(const Json status, parse_foreign_json(json));
  return read_status(status, langs);
}

bool id_before(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string id_earlier(const std::string& id, std::chrono::seconds by) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  const std::uint64_t back = static_cast<std::uint64_t>(std::chrono::milliseconds{by}.count())
                             << 16;
  if (error != std::errc{} || end != id.data() + id.size() || number <= back) return id;
  return std::to_string(number - back);
}

class MastodonSource::Impl {
 public:
  Impl(MastodonOptions options, const SourceContext& context, std::unique_ptr<HttpFetch> stream,
       std::unique_ptr<HttpFetch> rest)
      : options_(std::move(options)),
        stream_(std::move(stream)),
        rest_(std::move(rest)),
        follower_(options_.name, "mastodon", context,
                  {std::chrono::seconds{1}, std::chrono::minutes{5}},
                  [this](const std::string& id) { return keep(id); }) {}

  const SourceStatus& status() const { return follower_.status(); }
  void run(const std::stop_token& stop) {
    follower_.run(stop, [&] { return connection(stop); });
  }

 private:
  // Always ends with why.
  Error connection(const std::stop_token& stop) {
    const auto kept = read_whole(follower_.cursor_file());
    if (!kept) return kept.error();
    cursor_ = *kept;
    newest_ = cursor_;  // what an earlier connection saw may not be on disk
    follower_.begin();
    Status fault;
    bool open = false;
    SseParser parser;
    const auto reply = stream_->get(request(stream_address()), stop, [&](std::string_view bytes) {
      if (!open) fault = catch_up(stop);  // nothing falls between the two: the stream is open
      open = true;
      if (fault) fault = take(bytes, parser, stop);
      return fault.ok();
    });
    const Status saved = follower_.end();
    if (!fault) return fault.error();
    if (!saved) return saved.error();
    if (!reply) return reply.error();
    if (reply->status != 200) return status_error(options_.url, *reply);
    return Error{Code::kUnavailable, address_origin(options_.url) + ": the stream ended"};
  }

  // A piece of the stream; a heartbeat ("thump") is one too.
  Status take(std::string_view bytes, SseParser& parser, const std::stop_token& stop) {
    follower_.status().set_state(SourceState::kRunning);
    Status fault;
    const auto fed = parser.feed(bytes, [&](std::string_view event, std::string_view data) {
      if (event == "update") {
        fault = take_status(parse_mastodon_status(data, options_.langs), data, stop);
      }
      return fault.ok();
    });
    TRY(fault);
    if (!fed) return fed.error();
    return follower_.keep_up();
  }

  HttpGet request(std::string url) const {
    HttpGet get;
    get.url = std::move(url);
    get.ca_file = options_.ca_file;
    get.body_bytes_max = kStatusBytesMax;
    if (!options_.token.empty()) {
      get.headers.emplace_back("Authorization", "Bearer " + options_.token);
    }
    return get;
  }

  std::string stream_address() const {
    std::string address = options_.url + "/api/v1/streaming/" + options_.stream;
    if (options_.stream == "hashtag") address += "?tag=" + percent_encoded(options_.tag);
    if (options_.stream == "list") address += "?list=" + percent_encoded(options_.list);
    return address;
  }

  std::string timeline_address(const std::string& min_id) const {
    std::string timeline = "public?";
    if (options_.stream == "public/local") timeline += "local=true&";
    if (options_.stream == "public/remote") timeline += "remote=true&";
    if (options_.stream == "hashtag") timeline = "tag/" + percent_encoded(options_.tag) + "?";
    if (options_.stream == "list") timeline = "list/" + percent_encoded(options_.list) + "?";
    return fmt::format("{}/api/v1/timelines/{}limit={}&min_id={}", options_.url, timeline,
                       kPageStatuses, min_id);
  }

  // What came since the cursor, page by page, the oldest first. Without a cursor: nothing.
  Status catch_up(const std::stop_token& stop) {
    if (cursor_.empty()) return {};
    std::string from = id_earlier(cursor_, options_.overlap);
    for (int page = 0; page < kPagesMax; ++page) {
      HttpGet get = request(timeline_address(from));
      get.total_timeout = kPageTime;
      TRY_ASSIGN(const HttpReply reply, rest_->get(get, stop));
      if (reply.status != 200) return status_error(options_.url, reply);
      const auto statuses = parse_foreign_json(reply.body);
      if (!statuses || !statuses->is_array()) {
        return Error{
            Code::kUnavailable,
            fmt::format("{}: the timeline is no list of statuses: {}", address_origin(options_.url),
                        statuses ? "no array" : statuses.error().message)};
      }
      if (statuses->empty()) return {};
      const std::string before = from;
      for (auto one = statuses->rbegin(); one != statuses->rend(); ++one) {
        const std::string id = one->is_object() ? foreign_text(*one, "id") : "";
        if (id_before(from, id)) from = id;
        TRY(take_status(read_status(*one, options_.langs),
                        one->dump(-1, ' ', false, Json::error_handler_t::replace), stop));
      }
      TRY(follower_.save());          // a disk that fails ends it
      if (from == before) return {};  // the server ignores min_id: it would go on for ever
    }
    follower_.status().failed(
        fmt::format("{}: more than {} statuses came meanwhile; the oldest were taken",
                    address_origin(options_.url), kPagesMax * kPageStatuses));
    return {};
  }

  // `text` is what it was read from.
  Status take_status(Result<MastodonStatus> read, std::string_view text,
                     const std::stop_token& stop) {
    follower_.heard();
    const std::string place = address_origin(options_.url);
    if (!read) return follower_.set_aside(place, read.error().message, text);
    if (!id_before(read->id, newest_)) newest_ = read->id;
    if (read->wanted) return follower_.take_post(newest_, std::move(read->post), place, text, stop);
    follower_.pass(newest_);
    return {};
  }

  // The cursor never goes back.
  Status keep(const std::string& id) {
    if (!id_before(cursor_, id)) return {};
    TRY(write_durably(follower_.cursor_file(), id));
    cursor_ = id;
    return {};
  }

  const MastodonOptions options_;
  const std::unique_ptr<HttpFetch> stream_;
  const std::unique_ptr<HttpFetch> rest_;
  StreamFollower<std::string> follower_;
  std::string cursor_;  // as it stands in the file
  std::string newest_;  // of all that came, of the connection
};

MastodonSource::MastodonSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MastodonSource::~MastodonSource() = default;

Result<std::unique_ptr<Source>> MastodonSource::create(MastodonOptions options,
                                                       const SourceContext& context,
                                                       std::unique_ptr<HttpFetch> stream,
                                                       std::unique_ptr<HttpFetch> rest) {
  if (const Status good = check_address(options.url, {"http", "https"}); !good) {
    return Error{Code::kInvalidArgument, fmt::format("source '{}': the address {} {}", options.name,
                                                     options.url, good.error().message)};
  }
  while (options.url.ends_with('/')) options.url.pop_back();
  return std::unique_ptr<Source>(new MastodonSource(
      std::make_unique<Impl>(std::move(options), context, std::move(stream), std::move(rest))));
}

void MastodonSource::run(const std::stop_token& stop) { impl_->run(stop); }
const SourceStatus& MastodonSource::status() const { return impl_->status(); }

}  // namespace tidewatch
