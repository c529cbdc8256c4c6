// SPDX-License-Identifier: Apache-2.0
// Posts a second through the aggregator on one core, at 8,000 posts a second of event time.
#include <benchmark/benchmark.h>

#include <random>

#include "aggregate/aggregator.h"

namespace tidewatch {
namespace {

constexpr int kPosts = 1'000'000;

LabelSchema schema() {
  LabelSchema schema;
  schema.emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"};
  schema.negative = {true, true, false, false, true, false};
  for (int i = 0; i < 14; ++i) schema.topics.push_back("topic" + std::to_string(i));
  schema.neutral = 3;
  return schema;
}

// 31 regions, 14 topics, 500,000 authors, two posts in five bare, one text in ten with a hashtag
// of 20,000; 40 characters a text.
std::vector<ScoredPost> posts() {
  std::mt19937_64 random(1);
  std::vector<ScoredPost> posts(kPosts);
  for (int i = 0; i < kPosts; ++i) {
    ScoredPost& one = posts[static_cast<std::size_t>(i)];
    one.post.id = "post-" + std::to_string(1'000'000'000 + i);
    one.post.time = EventTime{std::chrono::milliseconds{1'700'000'000'000 + i / 8}};
    one.post.author = "author-" + std::to_string(random() % 500'000);
    one.post.region = "region" + std::to_string(random() % 31);
    if (random() % 5 < 2) {
      one.post.repost_of = "post-" + std::to_string(1'000'000'000 + i / 1'000 * 1'000);
      continue;
    }
    for (int k = 0; k < 40; ++k) {
      const auto code = 0x4E00 + random() % 5'000;
      one.post.text +=
          {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
           static_cast<char>(0x80 | (code & 0x3F))};
    }
    if (random() % 10 == 0) one.post.text += "#t" + std::to_string(random() % 20'000) + "#";
    one.text_hash = random() | 1;
    one.scores.topic = static_cast<std::uint8_t>(random() % 14);
    one.scores.emotion = static_cast<std::uint8_t>(random() % 6);
  }
  return posts;
}

// Argument: the number of followed keywords.
void aggregate(benchmark::State& state) {
  const std::vector<ScoredPost> stream = posts();
  AggregateOptions options;
  for (int i = 0; i < state.range(0); ++i) {
    options.keywords.push_back(stream[static_cast<std::size_t>(i) * 5 + 2].post.text.substr(0, 9));
  }
  std::uint64_t memory = 0;
  for (auto _ : state) {
    Aggregator aggregator(options, schema());
    std::vector<Tick> ticks;
    for (const ScoredPost& post : stream) {
      aggregator.add(post, ticks);
      ticks.clear();
    }
    memory = aggregator.stats().memory_bytes;
  }
  state.SetItemsProcessed(state.iterations() * kPosts);
  state.counters["memory_bytes"] = static_cast<double>(memory);
}
BENCHMARK(aggregate)->Arg(0)->Arg(256)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewatch
