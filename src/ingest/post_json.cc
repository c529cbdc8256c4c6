// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_json.h"

#include <fmt/format.h>

#include <optional>

#include "core/rfc3339.h"
#include "ingest/text_repair.h"

namespace tidewatch {
namespace {

void append_escaped(std::string_view text, std::string& out) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out += text.substr(plain);
}

void append_member(std::string_view name, std::string_view text, std::string& out) {
  fmt::format_to(std::back_inserter(out), "\"{}\":", name);
  append_json_string(text, out);
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  if (is_utf8(text)) {
    append_escaped(text, out);
  } else {
    std::string repaired;
    append_repaired_utf8(text, repaired);
    append_escaped(repaired, out);
  }
  out += '"';
}

void append_post_members(const Post& post, std::string& out) {
  append_member("id", post.id, out);
  out += ',';
  append_member("text", post.text, out);
  out += ',';
  append_member("time", to_rfc3339(post.time), out);
  const auto text = [&](std::string_view name, const std::string& value) {
    out += ',';
    if (value.empty()) {
      fmt::format_to(std::back_inserter(out), "\"{}\":null", name);
    } else {
      append_member(name, value, out);
    }
  };
  text("source", post.source);
  text("author", post.author);
  text("region", post.region);
  text("repost_of", post.repost_of);
  text("url", post.url);
  const auto number = [&](std::string_view name, const std::optional<std::int64_t>& value) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name,
                   value ? std::to_string(*value) : "null");
  };
  number("likes", post.likes);
  number("reposts", post.reposts);
}

void append_post_json(const Post& post, std::string& out) {
  out += '{';
  append_member("id", post.id, out);
  out += ',';
  append_member("text", post.text, out);
  out += ',';
  append_member("time", to_rfc3339(post.time), out);
  const auto text = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    out += ',';
    append_member(name, value, out);
  };
  text("source", post.source);
  text("author", post.author);
  text("region", post.region);
  text("repost_of", post.repost_of);
  text("url", post.url);
  if (post.likes) fmt::format_to(std::back_inserter(out), ",\"likes\":{}", *post.likes);
  if (post.reposts) fmt::format_to(std::back_inserter(out), ",\"reposts\":{}", *post.reposts);
  if (!post.extra.empty()) {
    out += ',';
    out += post.extra;
  }
  out += '}';
}

}  // namespace tidewatch
