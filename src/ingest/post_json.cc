// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_json.h"

#include "core/rfc3339.h"
#include "observe/json_text.h"

namespace tidewatch {
namespace {

void append_string_or_null(std::string_view name, const std::string& text, std::string& out) {
  out += name;
  if (text.empty()) {
    out += "null";
  } else {
    append_json_string(out, text);
  }
}

void append_count_or_null(std::string_view name, const std::optional<std::int64_t>& count,
                          std::string& out) {
  out += name;
  out += count ? std::to_string(*count) : "null";
}

}  // namespace

void append_post_members(const Post& post, std::string& out) {
  out += "\"id\":";
  append_json_string(out, post.id);
  out += ",\"text\":";
  append_json_string(out, post.text);
  out += ",\"time\":\"";
  out += to_rfc3339(post.time);
  out += '"';
  append_string_or_null(",\"source\":", post.source, out);
  append_string_or_null(",\"author\":", post.author, out);
  append_string_or_null(",\"region\":", post.region, out);
  append_string_or_null(",\"repost_of\":", post.repost_of, out);
  append_string_or_null(",\"url\":", post.url, out);
  append_count_or_null(",\"likes\":", post.likes, out);
  append_count_or_null(",\"reposts\":", post.reposts, out);
}

void append_post_json(const Post& post, std::string& out) {
  out += "{\"id\":";
  append_json_string(out, post.id);
  out += ",\"text\":";
  append_json_string(out, post.text);
  out += ",\"time\":\"";
  out += to_rfc3339(post.time);
  out += '"';
  const auto append_if_said = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) append_string_or_null(name, text, out);
  };
  append_if_said(",\"source\":", post.source);
  append_if_said(",\"author\":", post.author);
  append_if_said(",\"region\":", post.region);
  append_if_said(",\"repost_of\":", post.repost_of);
  append_if_said(",\"url\":", post.url);
  if (post.likes) append_count_or_null(",\"likes\":", post.likes, out);
  if (post.reposts) append_count_or_null(",\"reposts\":", post.reposts, out);
  if (!post.extra.empty()) {
    out += ',';
    out += post.extra;
  }
  out += '}';
}

}  // namespace tidewatch
