// SPDX-License-Identifier: Apache-2.0
#include "sources/kafka_message.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "ingest/line_splitter.h"
#include "ingest/post_rules.h"

namespace tidewatch {

std::string KafkaPlace::text() const { return fmt::format("{}[{}]@{}", topic, partition, offset); }

void KafkaDecoder::StampClock::set(std::int64_t time_ms) {
  const bool usable = time_ms > 0 && time_ms < kPostTimeEndMs;
  stamp_ = usable ? EventTime{std::chrono::milliseconds{time_ms}} : clock_.wall_now();
}

KafkaDecoder::KafkaDecoder(std::string name, KafkaFormat format, const DecodeLimits& limits,
                           const Clock& clock)
    : name_(std::move(name)),
      format_(format),
      limits_(limits),
      clock_(clock),
      unused_ids_(name_),
      decoder_(limits, clock_, unused_ids_) {}

KafkaMessage KafkaDecoder::decode(const KafkaPlace& place, std::string_view value) {
  KafkaMessage message;
  clock_.set(place.time_ms);
  if (format_ == KafkaFormat::kJson) {
    if (value.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      take_line(place, 1, value, message);
    }
    return message;
  }
  LineSplitter splitter(limits_.line_bytes_max);
  splitter.feed(value);
  const auto take = [&](const LineSplitter::Line& line) {
    if (line.too_long) {
      message.faults.push_back({line.number, line_too_long(limits_).reason, ""});
    } else {
      take_line(place, line.number, line.text, message);
    }
  };
  while (const auto line = splitter.next()) take(*line);
  if (const auto line = splitter.finish()) take(*line);
  return message;
}

void KafkaDecoder::take_line(const KafkaPlace& place, std::uint64_t line, std::string_view text,
                             KafkaMessage& message) {
  std::string id = fmt::format("{}:{}:{}:{}:{}", name_, place.topic, place.partition, place.offset,
                               place.time_ms);
  if (line > 1) id += fmt::format(":{}", line);
  auto decoded = decoder_.decode(text, id);
  if (auto* error = std::get_if<DecodeError>(&decoded)) {
    std::string reason =
        error->field.empty() ? error->reason : fmt::format("{}: {}", error->field, error->reason);
    message.faults.push_back({line, std::move(reason), std::string(text)});
    return;
  }
  Post& post = std::get<Post>(decoded);
  if (post.source.empty()) post.source = name_;
  message.posts.push_back(std::move(post));
}

}  // namespace tidewatch
