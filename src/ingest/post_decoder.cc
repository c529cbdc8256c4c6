// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_decoder.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"
#include "ingest/raw_json.h"
#include "ingest/utf8.h"

namespace tidewatch {
namespace {

namespace ondemand = simdjson::ondemand;

// From here on a number is milliseconds: 1e11 seconds would be the year 5138.
constexpr double kMillisecondsFrom = 1e11;

std::string_view trim(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\t' || token.back() == '\n' ||
                            token.back() == '\r')) {
    token.remove_suffix(1);
  }
  return token;
}

std::string at_most(std::size_t bytes) { return "at most " + std::to_string(bytes) + " bytes"; }

// What simdjson's error means to the sender.
std::string syntax_reason(simdjson::error_code error) {
  switch (error) {
    case simdjson::UNESCAPED_CHARS:
      return "a control character stands unescaped in a string; write it as \\u00XX";
    case simdjson::UNCLOSED_STRING:
      return "a string has no closing quote; is the line cut off?";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return "the object has no end; send one whole JSON object a line";
    case simdjson::INCORRECT_TYPE:
      return "not a JSON object; send one object a line, as {\"text\":\"…\"}";
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC:
      return "no memory to parse it; send it again";
    default:
      return "not valid JSON; send one whole JSON object a line";
  }
}

std::optional<EventTime> from_milliseconds(double milliseconds) {
  if (!(milliseconds >= 0) || milliseconds >= static_cast<double>(kPostTimeEndMs))
    return std::nullopt;
  return EventTime{std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)}};
}

std::optional<EventTime> from_number(std::string_view token) {
  std::int64_t whole = 0;
  const char* const begin = token.data();
  const char* const end = begin + token.size();
  const auto integer = std::from_chars(begin, end, whole);
  if (integer.ec == std::errc{} && integer.ptr == end) {
    const bool seconds = whole < static_cast<std::int64_t>(kMillisecondsFrom);
    if (whole < 0 || whole >= (seconds ? kPostTimeEndMs / 1'000 : kPostTimeEndMs))
      return std::nullopt;
    return EventTime{std::chrono::milliseconds{seconds ? whole * 1'000 : whole}};
  }
  double number = 0;
  const auto real = std::from_chars(begin, end, number);
  if (real.ec != std::errc{} || real.ptr != end) return std::nullopt;
  // Rounded, since 1700000000.123 has no exact double.
  return from_milliseconds(number < kMillisecondsFrom ? std::round(number * 1'000)
                                                      : std::floor(number));
}

enum class Field : std::uint8_t {
  kText,
  kId,
  kTime,
  kSource,
  kAuthor,
  kRegion,
  kRepostOf,
  kUrl,
  kLikes,
  kReposts,
  kUnknown
};

Field field_of(std::string_view key) {
  static constexpr std::array<std::pair<std::string_view, Field>, 10> kFields{{
      {"text", Field::kText},
      {"id", Field::kId},
      {"time", Field::kTime},
      {"source", Field::kSource},
      {"author", Field::kAuthor},
      {"region", Field::kRegion},
      {"repost_of", Field::kRepostOf},
      {"url", Field::kUrl},
      {"likes", Field::kLikes},
      {"reposts", Field::kReposts},
  }};
  for (const auto& [name, field] : kFields) {
    if (name == key) return field;
  }
  return Field::kUnknown;
}

}  // namespace

class PostDecoder::Impl {
 public:
  Impl(DecodeLimits limits, const Clock& clock, FreshIds& fresh_ids)
      : limits_(limits), clock_(clock), fresh_ids_(fresh_ids) {}

  std::variant<Post, DecodeError> decode(std::string_view line, std::string_view fallback_id) {
    if (line.size() > limits_.line_bytes_max) return line_too_long(limits_);
    post_ = Post{};
    has_text_ = has_time_ = false;
    error_.reset();
    fill_buffer(line);
    if (!parse()) return *std::move(error_);
    if (!has_text_) {
      return DecodeError{"text", "missing; every post needs a text (it may be empty)"};
    }
    if (!has_time_) post_.time = clock_.wall_now();
    if (post_.id.empty()) {
      post_.id = fallback_id.empty() ? fresh_ids_.next() : std::string(fallback_id);
    }
    return std::move(post_);
  }

 private:
  bool fail(std::string_view field, std::string reason) {
    error_ = field_error(field, std::move(reason));
    return false;
  }
  bool fail_syntax(simdjson::error_code error) { return fail("", syntax_reason(error)); }

  void fill_buffer(std::string_view line) {
    buffer_.clear();
    if (is_utf8(line)) {
      buffer_.append(line);
    } else {
      append_replacing(line, buffer_);
    }
    size_ = buffer_.size();
    buffer_.append(simdjson::SIMDJSON_PADDING, ' ');
  }

  bool parse() {
    ondemand::document document;
    if (const auto error = parser_.iterate(buffer_.data(), size_, buffer_.size()).get(document)) {
      return fail_syntax(error == simdjson::EMPTY ? simdjson::INCORRECT_TYPE : error);
    }
    ondemand::object object;
    if (const auto error = document.get_object().get(object)) return fail_syntax(error);
    for (auto member : object) {
      ondemand::field field;
      if (const auto error = std::move(member).get(field)) return fail_syntax(error);
      if (!take(field)) return false;
    }
    const char* rest = nullptr;
    if (document.current_location().get(rest) == simdjson::SUCCESS) {
      return fail("", "something follows the object; send one object a line");
    }
    return true;
  }

  bool take(ondemand::field& member) {
    // The key as written, between its quotes.
    const char* const begin = member.key().raw();
    const char* end = begin;
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    const std::string_view written(begin, static_cast<std::size_t>(end - begin));
    std::string_view key = written;
    if (key.find('\\') != std::string_view::npos) {
      key_.clear();
      if (!append_unescaped(written, key_)) return fail_syntax(simdjson::STRING_ERROR);
      key = key_;
    }
    const Field field = field_of(key);
    if (field == Field::kUnknown) return take_unknown(written, key, member.value());
    const std::string_view token = trim(scalar_token(member.value()));
    switch (field) {
      case Field::kText:
        return take_text(token);
      case Field::kId:
        return take_id("id", token, post_.id);
      case Field::kTime:
        return take_time(token);
      case Field::kSource:
        return take_string("source", token, post_.source);
      case Field::kAuthor:
        return take_string_or_integer("author", token, post_.author);
      case Field::kRegion:
        return take_string("region", token, post_.region);
      case Field::kRepostOf:
        return take_id("repost_of", token, post_.repost_of);
      case Field::kUrl:
        return take_string("url", token, post_.url);
      case Field::kLikes:
        return take_count("likes", token, post_.likes);
      case Field::kReposts:
        return take_count("reposts", token, post_.reposts);
      case Field::kUnknown:
        break;
    }
    return true;
  }

  // The value as written when it is a scalar, else its first character. A string is consumed: left
  // alone, simdjson takes one that a colon follows for a key and skips what comes then unchecked.
  static std::string_view scalar_token(ondemand::value& value) {
    const std::string_view token = value.raw_json_token();
    if (token.starts_with('"')) static_cast<void>(value.get_raw_json_string().error());
    return token;
  }

  static bool is_string(std::string_view token) {
    return token.size() >= 2 && token.front() == '"' && token.back() == '"';
  }

  // Reads a string token into `out`, at most `bytes_max` bytes of it.
  bool read_string(std::string_view name, std::string_view token, std::size_t bytes_max,
                   std::string& out) {
    const std::string_view inside = token.substr(1, token.size() - 2);
    out.clear();
    if (inside.find('\\') == std::string_view::npos) {
      out = inside;
    } else if (!append_unescaped(inside, out)) {
      return fail(name, "has an escape that JSON does not know; write \\\\ for a backslash");
    }
    if (out.size() > bytes_max) {
      const std::size_t size = out.size();
      out.clear();
      return fail(name, bytes_reason(size, bytes_max));
    }
    return true;
  }

  bool take_text(std::string_view token) {
    if (!is_string(token)) return fail("text", "must be a string (it may be empty)");
    has_text_ = true;
    return read_string("text", token, limits_.text_bytes_max, post_.text);
  }

  bool take_string(std::string_view name, std::string_view token, std::string& out) {
    if (token == "null") {
      out.clear();
      return true;
    }
    if (!is_string(token)) return fail(name, "must be a string or null");
    return read_string(name, token, limits_.field_bytes_max, out);
  }

  bool take_string_or_integer(std::string_view name, std::string_view token, std::string& out) {
    if (!is_json_integer(token)) {
      if (token == "null" || is_string(token)) return take_string(name, token, out);
      return fail(name, "must be a string, an integer or null");
    }
    if (token.size() > limits_.field_bytes_max) {
      return fail(name, at_most(limits_.field_bytes_max) + " are taken");
    }
    out = token;
    return true;
  }

  bool take_id(std::string_view name, std::string_view token, std::string& out) {
    if (token == "null") {
      out.clear();
      return true;
    }
    if (is_json_integer(token)) {
      out = token;
    } else if (!is_string(token)) {
      return fail(name, "must be a string or an integer");
    } else if (!read_string(name, token, std::numeric_limits<std::size_t>::max(), out)) {
      return false;
    }
    if (out.empty()) return fail(name, "must not be empty; leave it out instead");
    if (out.size() > limits_.id_bytes_max) {
      return fail(name, bytes_reason(out.size(), limits_.id_bytes_max));
    }
    return true;
  }

  bool take_time(std::string_view token) {
    has_time_ = false;
    if (token == "null") return true;
    std::optional<EventTime> time;
    if (is_string(token)) {
      const std::string_view inside = token.substr(1, token.size() - 2);
      time = is_json_number(inside) ? from_number(inside) : parse_rfc3339(inside);
    } else if (is_json_number(token)) {
      time = from_number(token);
    } else {
      return fail("time", "must be an RFC 3339 string or a Unix time in seconds or milliseconds");
    }
    if (!time || time->time_since_epoch().count() < 0 ||
        time->time_since_epoch().count() >= kPostTimeEndMs) {
      return fail("time", std::string(kTimeReason));
    }
    post_.time = *time;
    has_time_ = true;
    return true;
  }

  bool take_count(std::string_view name, std::string_view token, std::optional<std::int64_t>& out) {
    out.reset();
    if (token == "null") return true;
    std::int64_t count = 0;
    const char* const begin = token.data();
    const char* const end = begin + token.size();
    const auto parsed = std::from_chars(begin, end, count);
    if (!is_json_integer(token) || parsed.ec != std::errc{} || parsed.ptr != end || count < 0) {
      return fail(name, std::string(kCountReason));
    }
    out = count;
    return true;
  }

  bool take_unknown(std::string_view written, std::string_view key, ondemand::value& value) {
    std::string& extra = post_.extra;
    if (!extra.empty()) extra += ',';
    RawJson read = RawJson::kInvalid;
    // The key is a string value too: checked, and its lone surrogates replaced.
    const std::string_view quoted(written.data() - 1, written.size() + 2);
    if (append_compact(quoted, 0, extra) == RawJson::kOk) {
      extra += ':';
      std::string_view raw;
      if (const auto error = raw_json(value, raw)) return fail_syntax(error);
      read = append_compact(raw, limits_.depth_max, extra);
    }
    if (read == RawJson::kTooDeep) {
      return fail(key, "is nested deeper than " + std::to_string(limits_.depth_max) +
                           " levels; flatten it");
    }
    if (read != RawJson::kOk) return fail_syntax(simdjson::TAPE_ERROR);
    if (extra.size() > limits_.extra_bytes_max) {
      return fail(key, "members that Tidewatch does not know have more than " +
                           std::to_string(limits_.extra_bytes_max) + " bytes; send fewer");
    }
    return true;
  }

  static simdjson::error_code raw_json(ondemand::value& value, std::string_view& raw) {
    ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return error;
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      if (const auto error = value.get_object().get(object)) return error;
      return object.raw_json().get(raw);
    }
    if (type == ondemand::json_type::array) {
      ondemand::array array;
      if (const auto error = value.get_array().get(array)) return error;
      return array.raw_json().get(raw);
    }
    raw = scalar_token(value);
    return simdjson::SUCCESS;
  }

  const DecodeLimits limits_;
  const Clock& clock_;
  FreshIds& fresh_ids_;
  ondemand::parser parser_;
  std::string buffer_;    // the line in UTF-8, with the padding simdjson reads over
  std::size_t size_ = 0;  // without the padding
  std::string key_;       // unescaped
  Post post_;
  bool has_text_ = false;
  bool has_time_ = false;
  std::optional<DecodeError> error_;
};

PostDecoder::PostDecoder(DecodeLimits limits, const Clock& clock, FreshIds& fresh_ids)
    : impl_(std::make_unique<Impl>(limits, clock, fresh_ids)) {}
PostDecoder::~PostDecoder() = default;
PostDecoder::PostDecoder(PostDecoder&&) noexcept = default;
PostDecoder& PostDecoder::operator=(PostDecoder&&) noexcept = default;

std::variant<Post, DecodeError> PostDecoder::decode(std::string_view line,
                                                    std::string_view fallback_id) {
  return impl_->decode(line, fallback_id);
}

DecodeError line_too_long(const DecodeLimits& limits) {
  return {"", "the line is longer than " + std::to_string(limits.line_bytes_max) +
                  " bytes; send one post a line, each within the limit"};
}

}  // namespace tidewatch
