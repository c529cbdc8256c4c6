// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_rules.h"

#include <algorithm>
#include <utility>

#include "ingest/raw_json.h"
#include "ingest/utf8.h"

namespace tidewatch {
namespace {

constexpr std::size_t kFieldNameBytesMax = 64;  // of an error's field
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Replaces what is not UTF-8, and NUL, by U+FFFD.
void repair(std::string& text) {
  if (!is_utf8(text)) {
    std::string repaired;
    append_replacing(text, repaired);
    text = std::move(repaired);
  }
  for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, kReplacement);
    at += kReplacement.size();
  }
}

std::optional<DecodeError> bounded(std::string_view name, std::string& value,
                                   std::size_t bytes_max) {
  if (value.empty()) return std::nullopt;
  if (value.size() <= bytes_max) repair(value);
  if (value.size() > bytes_max) return field_error(name, bytes_reason(value.size(), bytes_max));
  return std::nullopt;
}

std::optional<DecodeError> counted(std::string_view name,
                                   const std::optional<std::int64_t>& value) {
  if (!value || *value >= 0) return std::nullopt;
  return field_error(name, std::string(kCountReason));
}

}  // namespace

std::string bytes_reason(std::size_t bytes, std::size_t bytes_max) {
  return "has " + std::to_string(bytes) + " bytes; at most " + std::to_string(bytes_max) +
         " bytes are taken";
}

DecodeError field_error(std::string_view name, std::string reason) {
  if (name.size() > kFieldNameBytesMax) {
    std::size_t cut = kFieldNameBytesMax;
    while ((static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) --cut;
    name = name.substr(0, cut);
  }
  return {std::string(name), std::move(reason)};
}

std::optional<DecodeError> PostRules::apply(Post& post, EventTime arrival) const {
  const std::size_t field_max = limits_.field_bytes_max;
  std::optional<DecodeError> error = bounded("text", post.text, limits_.text_bytes_max);
  if (!error) error = bounded("id", post.id, limits_.id_bytes_max);
  if (!error) error = bounded("source", post.source, field_max);
  if (!error) error = bounded("author", post.author, field_max);
  if (!error) error = bounded("region", post.region, field_max);
  if (!error) error = bounded("repost_of", post.repost_of, limits_.id_bytes_max);
  if (!error) error = bounded("url", post.url, field_max);
  if (!error) error = counted("likes", post.likes);
  if (!error) error = counted("reposts", post.reposts);
  if (!error && !post.extra.empty()) error = apply_extra(post);
  if (error) return error;
  const std::int64_t time_ms = post.time.time_since_epoch().count();
  if (time_ms < 0 || time_ms >= kPostTimeEndMs) {
    return field_error("time", std::string(kTimeReason));
  }
  if (time_ms == 0) post.time = arrival;
  if (post.id.empty()) post.id = fresh_ids_.next();
  return std::nullopt;
}

std::optional<DecodeError> PostRules::apply_extra(Post& post) const {
  const auto fail = [](std::string reason) { return field_error("extra_json", std::move(reason)); };
  if (post.extra.size() > limits_.line_bytes_max) {
    return fail(bytes_reason(post.extra.size(), limits_.extra_bytes_max));
  }
  repair(post.extra);
  std::string compact;
  // One level more than members have: the braces around them.
  const RawJson read = append_compact(post.extra, limits_.depth_max + 1, compact);
  if (read == RawJson::kTooDeep) {
    return fail("is nested deeper than " + std::to_string(limits_.depth_max) +
                " levels; flatten it");
  }
  if (read != RawJson::kOk || !compact.starts_with('{')) {
    return fail("must be one JSON object, as {\"my_member\":1}");
  }
  compact = compact.substr(1, compact.size() - 2);
  if (compact.size() > limits_.extra_bytes_max) {
    return fail(bytes_reason(compact.size(), limits_.extra_bytes_max));
  }
  post.extra = std::move(compact);
  return std::nullopt;
}

}  // namespace tidewatch
