// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_decoder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>
#include <utility>

#include "ingest/json_check.h"
#include "ingest/post_json.h"
#include "ingest/post_time.h"
#include "ingest/text_repair.h"

namespace tidewatch {
namespace {

namespace ondemand = simdjson::ondemand;
using ondemand::json_type;

using Problem = std::optional<DecodeError>;

DecodeError error(std::string_view field, std::string reason) {
  return {std::string{field}, std::move(reason)};
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && std::string_view{" \t\r\n"}.find(token.back()) != token.npos) {
    token.remove_suffix(1);
  }
  return token;
}

}  // namespace

class PostDecoder::Impl {
 public:
  Impl(DecodeLimits limits, const Clock& clock, FreshIds& fresh_ids)
      : limits_(limits), clock_(clock), fresh_ids_(fresh_ids) {}

  std::variant<Post, DecodeError> decode(std::string_view line) {
    if (line.size() > limits_.line_bytes_max) return line_too_long(limits_);
    prepare(line);
    if (const auto problem = check_json(json_, limits_.depth_max + 1)) {
      return error("", fmt::format("not a JSON object: {} at byte {}", problem->what,
                                   problem->offset + 1));
    }
    // After this check on-demand parsing cannot meet an error that is the line's.
    Post post;
    seen_text_ = seen_time_ = false;
    ondemand::document document;
    ondemand::object object;
    const simdjson::padded_string_view padded(json_.data(), json_.size(), json_.capacity());
    if (parser_.iterate(padded).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return error("", "a line must be one JSON object: {\"text\":\"…\"}");
    }
    for (auto result : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(result).get(field) != simdjson::SUCCESS ||
          field.unescaped_key().get(key) != simdjson::SUCCESS) {
        return error("", "not a JSON object");
      }
      if (Problem problem = read(key, field.value(), post)) return std::move(*problem);
    }
    if (!seen_text_) return error("text", "missing; every post needs a text (it may be empty)");
    if (!seen_time_) post.time = clock_.wall_now();
    if (post.id.empty()) post.id = fresh_ids_.next();
    return post;
  }

 private:
  // Copies the line to json_, repaired, with the padding that simdjson wants behind it.
  void prepare(std::string_view line) {
    json_.clear();
    if (is_utf8(line) && std::memchr(line.data(), '\0', line.size()) == nullptr) {
      json_.append(line);
    } else {
      append_repaired_utf8(line, json_);
    }
    if (json_.find("\\u") != std::string::npos) repair_escapes(json_);
    json_.reserve(json_.size() + simdjson::SIMDJSON_PADDING);
  }

  Problem read(std::string_view key, ondemand::value value, Post& post) {
    if (key == "text") return read_post_text(value, post);
    if (key == "id") return read_id(value, post);
    if (key == "time") return read_time(value, post);
    if (key == "source") return text(key, value, limits_.field_bytes_max, false, post.source);
    if (key == "author") return text(key, value, limits_.field_bytes_max, true, post.author);
    if (key == "region") return text(key, value, limits_.field_bytes_max, false, post.region);
    if (key == "repost_of") return text(key, value, limits_.id_bytes_max, true, post.repost_of);
    if (key == "url") return text(key, value, limits_.field_bytes_max, false, post.url);
    if (key == "likes") return count(key, value, post.likes);
    if (key == "reposts") return count(key, value, post.reposts);
    return keep(key, value, post);
  }

  static json_type type_of(ondemand::value& value) {
    json_type type = json_type::null;
    static_cast<void>(value.type().get(type));
    return type;
  }

  Problem read_post_text(ondemand::value value, Post& post) {
    std::string_view string;
    if (type_of(value) != json_type::string || value.get_string().get(string)) {
      return error("text", "must be a string (it may be empty)");
    }
    if (string.size() > limits_.text_bytes_max) {
      return error("text", fmt::format("is {} bytes; at most {} are taken", string.size(),
                                       limits_.text_bytes_max));
    }
    post.text = string;
    seen_text_ = true;
    return std::nullopt;
  }

  Problem read_id(ondemand::value value, Post& post) {
    if (type_of(value) == json_type::null) {
      post.id.clear();
      return std::nullopt;
    }
    if (Problem problem = text("id", value, limits_.id_bytes_max, true, post.id)) return problem;
    if (post.id.empty()) return error("id", "is empty; leave it out to get a fresh one");
    return std::nullopt;
  }

  Problem read_time(ondemand::value value, Post& post) {
    const json_type type = type_of(value);
    if (type == json_type::null) {
      seen_time_ = false;
      return std::nullopt;
    }
    std::optional<EventTime> time;
    if (type == json_type::number) {
      double number = 0;
      if (value.get_double().get(number) == simdjson::SUCCESS) time = time_from_number(number);
    } else if (type == json_type::string) {
      std::string_view string;
      if (value.get_string().get(string) == simdjson::SUCCESS) time = time_from_text(string);
    }
    if (!time) {
      return error("time",
                   "must be RFC 3339 with an offset (2026-01-05T08:00:00+08:00), or Unix seconds or "
                   "milliseconds, from 1970 to 2100");
    }
    post.time = *time;
    seen_time_ = true;
    return std::nullopt;
  }

  // A string, or (when `integer_too`) an integer kept as text; null is as if it were not there.
  Problem text(std::string_view key, ondemand::value value, std::size_t bytes_max,
               bool integer_too, std::string& out) const {
    const json_type type = type_of(value);
    std::string_view string;
    if (type == json_type::null) {
      out.clear();
      return std::nullopt;
    }
    if (type == json_type::number && integer_too) {
      string = trimmed(value.raw_json_token());
      if (string.find_first_of(".eE") != std::string_view::npos) {
        return error(key, "must be a string or an integer");
      }
    } else if (type != json_type::string || value.get_string().get(string)) {
      return error(key, integer_too ? "must be a string or an integer" : "must be a string");
    }
    if (string.size() > bytes_max) {
      return error(key, fmt::format("is {} bytes; at most {} are taken", string.size(), bytes_max));
    }
    out = string;
    return std::nullopt;
  }

  static Problem count(std::string_view key, ondemand::value value,
                       std::optional<std::int64_t>& out) {
    const json_type type = type_of(value);
    if (type == json_type::null) {
      out.reset();
      return std::nullopt;
    }
    std::int64_t number = 0;
    if (type != json_type::number || value.get_int64().get(number) || number < 0) {
      return error(key, "must be a whole number from 0 on");
    }
    out = number;
    return std::nullopt;
  }

  Problem keep(std::string_view key, ondemand::value value, Post& post) const {
    // Copied first: reading an object or array may overwrite the unescaped key.
    std::string member;
    append_json_string(key, member);
    member += ':';
    const json_type type = type_of(value);
    std::string_view raw;
    if (type == json_type::object) {
      ondemand::object object;
      if (value.get_object().get(object) || object.raw_json().get(raw)) {
        return error(key, "cannot be read");
      }
    } else if (type == json_type::array) {
      ondemand::array array;
      if (value.get_array().get(array) || array.raw_json().get(raw)) {
        return error(key, "cannot be read");
      }
    } else {
      raw = value.raw_json_token();
    }
    member += trimmed(raw);
    const std::size_t size = post.extra.size() + member.size() + 1;
    if (size > limits_.extra_bytes_max) {
      return error(key.size() > 64 ? std::string_view{} : key,
                   fmt::format("unknown members together pass {} bytes; leave some out",
                               limits_.extra_bytes_max));
    }
    if (!post.extra.empty()) post.extra += ',';
    post.extra += member;
    return std::nullopt;
  }

  const DecodeLimits limits_;
  const Clock& clock_;
  FreshIds& fresh_ids_;
  ondemand::parser parser_;
  std::string json_;
  bool seen_text_ = false;
  bool seen_time_ = false;
};

PostDecoder::PostDecoder(DecodeLimits limits, const Clock& clock, FreshIds& fresh_ids)
    : impl_(std::make_unique<Impl>(limits, clock, fresh_ids)) {}
PostDecoder::~PostDecoder() = default;
PostDecoder::PostDecoder(PostDecoder&&) noexcept = default;
PostDecoder& PostDecoder::operator=(PostDecoder&&) noexcept = default;

std::variant<Post, DecodeError> PostDecoder::decode(std::string_view line) {
  return impl_->decode(line);
}

DecodeError line_too_long(const DecodeLimits& limits) {
  return error("", fmt::format("the line is longer than {} bytes; send it in parts",
                               limits.line_bytes_max));
}

}  // namespace tidewatch
