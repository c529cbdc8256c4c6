// SPDX-License-Identifier: Apache-2.0
#include "store/post_rows.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

constexpr std::size_t kNumberDigitsMax = 19;  // fits 64 bits
constexpr std::uint64_t kKeyMask = ~std::uint64_t{0} >> 1;

// Probabilities are stored as two bytes each, little end first: emotions, then topics.
constexpr float kProbabilityScale = 65'535.0F;

void append_probability(std::string& out, float probability) {
  const float clamped = std::clamp(probability, 0.0F, 1.0F);
  const auto scaled = static_cast<unsigned>(std::lround(clamped * kProbabilityScale));
  out.push_back(static_cast<char>(scaled & 0xFF));
  out.push_back(static_cast<char>(scaled >> 8));
}

float probability_at(std::string_view bytes, std::size_t i) {
  if (2 * i + 1 >= bytes.size()) return 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  return static_cast<float>(byte(2 * i) | (byte(2 * i + 1) << 8)) / kProbabilityScale;
}

void bind_label(Statement& insert, int parameter, std::uint8_t label, std::size_t labels) {
  if (label < labels) {
    insert.bind(parameter, std::int64_t{label});
  } else {
    insert.bind_null(parameter);
  }
}

void bind_optional(Statement& insert, int parameter, const std::optional<std::int64_t>& value) {
  value ? insert.bind(parameter, *value) : insert.bind_null(parameter);
}

}  // namespace

std::int64_t id_key(std::string_view id) {
  std::size_t digits = 0;
  while (digits < id.size() && digits < kNumberDigitsMax && id[id.size() - 1 - digits] >= '0' &&
         id[id.size() - 1 - digits] <= '9') {
    ++digits;
  }
  const std::string_view prefix = id.substr(0, id.size() - digits);
  std::uint64_t number = 0;
  for (const char digit : id.substr(prefix.size())) {
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return static_cast<std::int64_t>((XXH3_64bits(prefix.data(), prefix.size()) + number) & kKeyMask);
}

void bind_post_row(Statement& insert, std::int64_t sequence, const ScoredPost& scored,
                   const LabelSet& labels, std::int64_t key, std::string& scratch) {
  const Post& post = scored.post;
  insert.bind(1, sequence);
  insert.bind(2, std::string_view{post.id});
  insert.bind(3, std::string_view{post.text});
  insert.bind(4, to_millis(post.time));
  insert.bind_or_null(5, post.source);
  insert.bind_or_null(6, post.author);
  insert.bind_or_null(7, post.region);
  insert.bind_or_null(8, post.repost_of);
  insert.bind_or_null(9, post.url);
  bind_optional(insert, 10, post.likes);
  bind_optional(insert, 11, post.reposts);
  insert.bind_or_null(12, post.extra);
  insert.bind(13, labels.id);
  bind_label(insert, 14, scored.scores.emotion, labels.emotions.size());
  bind_label(insert, 15, scored.scores.topic, labels.topics.size());
  scratch.clear();
  if (scored.scores.model.value != 0) {
    const Scores& scores = scored.scores;
    for (std::size_t i = 0; i < std::min(labels.emotions.size(), kEmotionsMax); ++i) {
      append_probability(scratch, scores.emotion_prob[i]);
    }
    for (std::size_t i = 0; i < std::min(labels.topics.size(), kTopicsMax); ++i) {
      append_probability(scratch, scores.topic_prob[i]);
    }
  }
  scratch.empty() ? insert.bind_null(16) : insert.bind_blob(16, scratch);
  if (scored.text_hash != 0) {
    insert.bind(17, static_cast<std::int64_t>(scored.text_hash));
  } else {
    insert.bind_null(17);
  }
  insert.bind(18, key);
}

StoredPost read_post_row(const Statement& select, const LabelSets& label_sets) {
  StoredPost stored;
  stored.sequence = {static_cast<std::uint64_t>(select.column_int(0))};
  Post& post = stored.post;
  post.id = select.column_text(1);
  post.text = select.column_text(2);
  post.time = from_millis(select.column_int(3));
  post.source = select.column_text(4);
  post.author = select.column_text(5);
  post.region = select.column_text(6);
  post.repost_of = select.column_text(7);
  post.url = select.column_text(8);
  if (!select.column_is_null(9)) post.likes = select.column_int(9);
  if (!select.column_is_null(10)) post.reposts = select.column_int(10);
  post.extra = select.column_text(11);

  stored.emotion = stored.topic = "unknown";
  const LabelSet* labels = label_sets.find(select.column_int(12));
  const std::string_view probabilities = select.column_blob(15);
  const auto emotion = static_cast<std::size_t>(select.column_int(13));
  const auto topic = static_cast<std::size_t>(select.column_int(14));
  if (labels != nullptr && !select.column_is_null(13) && emotion < labels->emotions.size()) {
    stored.emotion = labels->emotions[emotion];
    stored.emotion_probability = probability_at(probabilities, emotion);
  }
  if (labels != nullptr && !select.column_is_null(14) && topic < labels->topics.size()) {
    stored.topic = labels->topics[topic];
    stored.topic_probability = probability_at(probabilities, labels->emotions.size() + topic);
  }
  stored.text_hash = static_cast<std::uint64_t>(select.column_int(16));
  return stored;
}

}  // namespace tidewatch
