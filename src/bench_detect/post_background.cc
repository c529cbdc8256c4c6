// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/post_background.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/file_source.h"
#include "ingest/line_splitter.h"
#include "ingest/post_decoder.h"
#include "simulate/random.h"
#include "simulate/simulator.h"
#include "simulate/topics.h"

namespace tidewatch {
namespace {

constexpr std::chrono::days kLongest{3'650};
constexpr std::size_t kPostsMin = 1'000;
constexpr std::uint64_t kNegativeOf = 4;  // one of so many texts is negative

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return mix_bits(hash);
}

void set_labels(ScoredPost& post, std::size_t topic, std::size_t emotion) {
  post.scores = {};
  if (topic < kNumNewsTopics) {
    post.scores.topic = static_cast<std::uint8_t>(topic);
    post.scores.topic_prob[topic] = 1;
  }
  post.scores.emotion = static_cast<std::uint8_t>(emotion);
}

class MadeUp final : public PostBackground {
 public:
  MadeUp(std::uint64_t seed, double posts_per_second)
      : fresh_ids_("x"), decoder_({}, clock_, fresh_ids_), simulator_([&] {
          SimulateOptions options;
          options.seed = seed;
          options.duration = kLongest;
          options.posts_per_second = posts_per_second;
          return options;
        }()) {}

  void next(ScoredPost& post) override {
    simulator_.next(line_);
    auto decoded = decoder_.decode(line_);
    post = {};
    post.post = std::move(std::get<Post>(decoded));
    const PostTruth& truth = simulator_.last_post();
    const bool advert = truth.topic == "spam";
    post.post.id.insert(0, advert ? kAdvertId : kBackgroundId);
    if (!post.post.repost_of.empty()) post.post.repost_of.insert(0, kBackgroundId);
    if (post.post.text.empty()) return;  // not classified
    set_labels(post, index_of(kSimulatedTopics, truth.topic),
               index_of(kSimulatedEmotions, truth.emotion));
  }

 private:
  SystemClock clock_;
  FreshIds fresh_ids_;
  PostDecoder decoder_;
  Simulator simulator_;
  std::string line_;
};

class OfFile final : public PostBackground {
 public:
  OfFile(std::vector<Post> posts, std::uint64_t seed, double posts_per_second)
      : posts_(std::move(posts)),
        order_(posts_.size()),
        random_(seed),
        rate_(posts_per_second),
        start_(SimulateOptions{}.start) {
    std::iota(order_.begin(), order_.end(), 0U);
    shuffle();
  }

  void next(ScoredPost& post) override {
    if (place_ == order_.size()) shuffle();
    post = {};
    post.post = posts_[order_[place_++]];
    post.post.id = fmt::format("{}{}", kBackgroundId, ++serial_);
    seconds_ += random_.exponential() / rate_;
    post.post.time =
        start_ + std::chrono::milliseconds{static_cast<std::int64_t>(seconds_ * 1'000)};
    const std::string& text = post.post.text;
    if (text.empty()) return;
    const std::uint64_t cascade = hash_of(post.post.repost_of.empty() ? text : post.post.repost_of);
    const bool negative = hash_of(text) % kNegativeOf == 0;
    set_labels(post, cascade % kNumNewsTopics,
               static_cast<std::size_t>(negative ? Emotion::kAngry : Emotion::kNeutral));
  }

 private:
  void shuffle() {
    for (std::size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[random_.below(static_cast<std::uint32_t>(i))]);
    }
    place_ = 0;
  }

  const std::vector<Post> posts_;
  std::vector<std::uint32_t> order_;
  Random random_;
  const double rate_;
  const EventTime start_;
  double seconds_ = 0;
  std::size_t place_ = 0;
  std::uint64_t serial_ = 0;
};

Result<std::vector<Post>> read_posts(const std::string& path) {
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
  const SystemClock clock;
  FreshIds fresh_ids("x");
  const DecodeLimits limits;
  PostDecoder decoder(limits, clock, fresh_ids);
  LineSplitter splitter(limits.line_bytes_max);
  std::vector<Post> posts;
  std::size_t number = 0;
  const auto take = [&](std::string_view line) -> Status {
    ++number;
    if (line.empty()) return {};
    auto decoded = decoder.decode(line);
    if (const auto* const error = std::get_if<DecodeError>(&decoded)) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}, line {}: {} {}; expected a post as for `tidewatch replay`",
                               path, number, error->field, error->reason)};
    }
    Post post = std::move(std::get<Post>(decoded));
    post.extra.clear();
    posts.push_back(std::move(post));
    return {};
  };
  while (posts.size() < kPostsOfFileMax) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) {
      if (const Status status = take(line->text); !status) return status.error();
    }
  }
  if (posts.size() < kPostsOfFileMax) {
    if (const auto line = splitter.finish()) {
      if (const Status status = take(line->text); !status) return status.error();
    }
  }
  if (posts.size() > kPostsOfFileMax) posts.resize(kPostsOfFileMax);
  if (posts.size() < kPostsMin) {
    return Error{Code::kInvalidArgument, fmt::format("{}: {} posts; a background needs {} or more",
                                                     path, posts.size(), kPostsMin)};
  }
  return posts;
}

}  // namespace

LabelSchema post_trial_labels() {
  LabelSchema labels;
  for (std::size_t i = 0; i < kSimulatedEmotions.size(); ++i) {
    labels.emotions.emplace_back(kSimulatedEmotions[i]);
    labels.negative.push_back(is_negative(static_cast<Emotion>(i)));
  }
  for (std::size_t i = 0; i < kNumNewsTopics; ++i) labels.topics.emplace_back(kSimulatedTopics[i]);
  labels.neutral = static_cast<std::uint8_t>(Emotion::kNeutral);
  return labels;
}

std::unique_ptr<PostBackground> made_up_posts(std::uint64_t seed, double posts_per_second) {
  return std::make_unique<MadeUp>(seed, posts_per_second);
}

Result<std::unique_ptr<PostBackground>> posts_of_file(const std::string& path, std::uint64_t seed,
                                                      double posts_per_second) {
  TRY_ASSIGN(std::vector<Post> posts, read_posts(path));
  return std::unique_ptr<PostBackground>{
      std::make_unique<OfFile>(std::move(posts), seed, posts_per_second)};
}

}  // namespace tidewatch
