// SPDX-License-Identifier: Apache-2.0
#include "app/post_search_json.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/engine_api.h"
#include "core/rfc3339.h"
#include "observe/json_text.h"
#include "store/snippet.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kUnixSecondsMin = 1'000'000'000;  // less is an age
constexpr std::int64_t kSecondsMax = 100LL * 366 * 86'400;
constexpr std::int64_t kBucketsDefault = 60;

Error bad_param(std::string_view name, std::string_view value, std::string_view allowed) {
  return {Code::kInvalidArgument, fmt::format("{}='{}': {}", name, value, allowed)};
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

Result<std::int64_t> number_param(const Engine::Params& params, std::string_view name,
                                  std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const auto text = params(name);
  if (!text || text->empty()) return fallback;
  const auto value = whole_number(*text);
  if (!value || *value < low || *value > high) {
    return bad_param(name, *text, fmt::format("must be a whole number from {} to {}", low, high));
  }
  return *value;
}

Result<std::optional<EventTime>> read_time(const Engine::Params& params, std::string_view name,
                                           EventTime now) {
  const auto text = params(name);
  if (!text || text->empty()) return std::optional<EventTime>{};
  if (const auto time = parse_rfc3339(*text)) return time;
  std::string_view digits{*text};
  std::int64_t unit = 1;
  for (const auto& [letter, seconds] :
       {std::pair{'s', 1}, std::pair{'m', 60}, std::pair{'h', 3'600}, std::pair{'d', 86'400}}) {
    if (digits.empty() || digits.back() != letter) continue;
    unit = seconds;
    digits.remove_suffix(1);
    break;
  }
  const auto value = whole_number(digits);
  if (!value || *value > kSecondsMax / unit) {
    return bad_param(name, *text,
                     "must be RFC 3339, Unix seconds, or how long before now: 90, 30m, 24h, 7d");
  }
  const bool unix_time = digits.size() == text->size() && *value >= kUnixSecondsMin;
  return std::optional<EventTime>{unix_time ? EventTime{std::chrono::seconds{*value}}
                                            : now - std::chrono::seconds{*value * unit}};
}

// Each post as GET /v1/posts/{id} has it, with what matched.
void append_found(std::string& out, const StoredPost& stored, SnippetMaker& snippets) {
  out += post_json(stored.post, stored.sequence, stored.emotion, stored.emotion_probability,
                   stored.topic, stored.topic_probability);
  const Snippet snippet = snippets.make(stored.post.text);
  out.back() = ',';  // its closing brace
  out += R"("snippet":)";
  append_json_string(out, snippet.text);
  out += R"(,"highlights":[)";
  for (std::size_t i = 0; i < snippet.highlights.size(); ++i) {
    out += fmt::format("{}[{},{}]", i == 0 ? "" : ",", snippet.highlights[i].first,
                       snippet.highlights[i].second);
  }
  out += "]}";
}

Json facet_json(const PostSummary::Facet& facet) {
  Json list = Json::array();
  for (const auto& [name, posts] : facet) list.push_back({{"name", name}, {"posts", posts}});
  return list;
}

std::int64_t ms_since(SteadyTime begin, const Clock& clock) {
  const auto took = clock.steady_now() - begin;
  return std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
}

}  // namespace

Result<PostQuery> read_post_query(const Engine::Params& params,
                                  std::shared_ptr<const SearchNames> names, EventTime now) {
  PostQuery query;
  query.q = params("q").value_or("");
  const auto text = [&](std::string_view name) {
    auto value = params(name);
    if (value && value->empty()) value.reset();
    return value;
  };
  query.topic = text("topic");
  query.region = text("region");
  query.emotion = text("emotion");
  query.author = text("author");
  query.source = text("source");
  TRY_ASSIGN(query.since, read_time(params, "since", now));
  TRY_ASSIGN(query.until, read_time(params, "until", now));
  query.names = std::move(names);
  return query;
}

Result<std::string> answer_posts(Store& store, const Engine::Params& params,
                                 std::shared_ptr<const SearchNames> names, const Clock& clock) {
  const SteadyTime begin = clock.steady_now();
  TRY_ASSIGN(PostQuery query, read_post_query(params, std::move(names), clock.wall_now()));
  TRY_ASSIGN(const std::int64_t limit, number_param(params, "limit", 50, 1, kPostQueryLimitMax));
  query.limit = static_cast<std::size_t>(limit);
  if (const auto cursor = params("before"); cursor && !cursor->empty()) {
    const auto before = whole_number(*cursor);
    if (!before) return bad_param("before", *cursor, "must be the 'next' of an earlier answer");
    query.before = Sequence{static_cast<std::uint64_t>(*before)};
  }
  TRY_ASSIGN(SnippetMaker snippets, SnippetMaker::create(query.q, query.names.get()));
  TRY_ASSIGN(const PostPage page, store.posts(query));
  std::string out = R"({"posts":[)";
  for (std::size_t i = 0; i < page.posts.size(); ++i) {
    if (i > 0) out += ',';
    append_found(out, page.posts[i], snippets);
  }
  out += R"(],"next":)";
  out += page.next ? fmt::format("\"{}\"", page.next->value) : "null";
  out += fmt::format(R"(,"complete":{},"searched_from":)", page.complete);
  out += page.searched_from ? fmt::format("\"{}\"", to_rfc3339(*page.searched_from)) : "null";
  return out + fmt::format(R"(,"index_lag_posts":{},"took_ms":{}}})", page.index_lag_posts,
                           ms_since(begin, clock));
}

Result<std::string> answer_posts_summary(Store& store, const Engine::Params& params,
                                         std::shared_ptr<const SearchNames> names,
                                         const Clock& clock) {
  const SteadyTime begin = clock.steady_now();
  TRY_ASSIGN(const PostQuery query, read_post_query(params, std::move(names), clock.wall_now()));
  TRY_ASSIGN(const std::int64_t buckets,
             number_param(params, "buckets", kBucketsDefault, 1, kSummaryBucketsMax));
  TRY_ASSIGN(const PostSummary summary, store.summary(query, static_cast<std::size_t>(buckets)));
  Json histogram = Json::array();
  for (const PostSummary::Bucket& bucket : summary.histogram) {
    histogram.push_back({{"time", to_rfc3339(bucket.time)},
                         {"posts", bucket.posts},
                         {"negative", bucket.negative}});
  }
  const Json json{{"posts", summary.posts},
                  {"exact", summary.exact},
                  {"from", to_rfc3339(summary.from)},
                  {"until", to_rfc3339(summary.until)},
                  {"bucket_seconds", summary.bucket.count()},
                  {"histogram", std::move(histogram)},
                  {"topics", facet_json(summary.topics)},
                  {"regions", facet_json(summary.regions)},
                  {"emotions", facet_json(summary.emotions)},
                  {"authors", facet_json(summary.authors)},
                  {"sources", facet_json(summary.sources)},
                  {"index_lag_posts", summary.index_lag_posts},
                  {"took_ms", ms_since(begin, clock)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tidewatch
