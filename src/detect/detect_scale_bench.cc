// SPDX-License-Identifier: Apache-2.0
// A million living keys: time of a one-second tick, and memory. One thread.
//   detect_scale_bench [keys]
// Two loads: every key has posts in every second; and 8,000 posts a second, each of five keys drawn
// at random.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "detect/detector.h"

namespace tidewatch {
namespace {

constexpr int kSeconds = 200, kMeasured = 60;

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      double kib = 0;
      status >> kib;
      return kib / 1'024;
    }
  }
  return 0;
}

void run(std::size_t num_keys, bool every_key) {
  // 14 topics of 31 regions and their sums; the others are hashtags.
  constexpr std::size_t kTopics = 14, kRegions = 31;
  std::vector<KeyName> names(num_keys + 1);
  const auto at = [](std::size_t i, const char* prefix, std::size_t all) {
    return i == all ? std::string{"*"} : prefix + std::to_string(i);
  };
  std::size_t next = 1;
  for (std::size_t topic = 0; topic <= kTopics; ++topic) {
    for (std::size_t region = 0; region <= kRegions && next <= num_keys; ++region) {
      names[next++] = {KeyKind::kTopicRegion, at(topic, "t", kTopics), at(region, "r", kRegions),
                       ""};
    }
  }
  while (next <= num_keys) names[next++].kind = KeyKind::kHashtag;
  const Detector::KeyNames name = [&](KeyId key) { return &names[key.value]; };

  std::mt19937_64 random(1);
  Tick tick;
  std::vector<std::uint32_t> posts(num_keys + 1);
  const double before = resident_mb();
  Detector detector({});
  std::vector<Change> changes;
  std::vector<double> times;
  std::size_t key_ticks = 0;
  for (int second = 0; second < kSeconds; ++second) {
    tick.second = 1'600'000'000 + second;
    tick.keys.clear();
    const auto add = [&](std::size_t key, std::uint32_t count) {
      KeyCounts& counts = tick.keys.emplace_back().counts;
      tick.keys.back().key = KeyId{key};
      counts.posts = counts.new_authors = counts.new_texts = count;
      counts.negative = counts.new_author_negative =
          static_cast<std::uint32_t>(random() % 10 < 3 ? count : 0);
    };
    if (every_key || second == 0) {
      for (std::size_t key = 1; key <= num_keys; ++key) {
        add(key, 1 + static_cast<std::uint32_t>(random() % 3));
      }
    } else {
      std::vector<std::size_t> touched;
      for (int i = 0; i < 8'000 * 5; ++i) {
        const std::size_t key = 1 + random() % num_keys;
        if (posts[key]++ == 0) touched.push_back(key);
      }
      for (const std::size_t key : touched) {
        add(key, posts[key]);
        posts[key] = 0;
      }
    }
    const auto start = std::chrono::steady_clock::now();
    detector.observe(tick, name, changes);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (second >= kSeconds - kMeasured) {
      times.push_back(took.count());
      key_ticks += tick.keys.size();
    }
    changes.clear();
  }
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double time : times) sum += time;
  std::printf(
      "%-34s tick p50 %6.2f  p95 %6.2f  max %6.2f ms  %5.1f ns a key-tick  %.0f MB by its "
      "own count, %.0f resident\n",
      every_key ? "every key has posts" : "8,000 posts/s, 5 keys each", times[times.size() / 2],
      times[times.size() * 95 / 100], times.back(), sum * 1e6 / static_cast<double>(key_ticks),
      static_cast<double>(detector.stats().memory_bytes) / 1e6, resident_mb() - before);
}

}  // namespace
}  // namespace tidewatch

int main(int argc, char** argv) {
  const long keys = argc > 1 ? std::atol(argv[1]) : 1'000'000;
  tidewatch::run(static_cast<std::size_t>(keys), false);
  tidewatch::run(static_cast<std::size_t>(keys), true);
  return 0;
}
