// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {

// How `tidewatch bench tokenize` and the micro-benchmark measure the tokenizer, on one thread.
struct TokenizeBenchOptions {
  std::chrono::milliseconds duration_min{2000};  // of the throughput part; whole passes are made
  std::uint64_t passes_max = 100'000;            // ends it earlier, should the clock not move
};

struct TokenizeBenchResult {
  std::uint64_t texts = 0;  // encoded in the throughput part
  std::uint64_t tokens = 0;
  std::chrono::nanoseconds elapsed{};
  double texts_per_second = 0;
  double tokens_per_second = 0;
  double tokens_mean = 0;  // a text, [CLS] and [SEP] included
  // Of one text, from a pass of its own, so that reading the clock does not slow the other figures.
  // They include one reading of the clock (some 20 to 40 ns).
  std::chrono::nanoseconds p50{};
  std::chrono::nanoseconds p95{};
  std::chrono::nanoseconds p99{};
  std::chrono::nanoseconds p999{};
  std::chrono::nanoseconds max{};
};

// Encodes all `texts` once to warm up, then again and again, then once more timing each. Uses
// 8 bytes a text for the timings. All zeros when there are no texts.
TokenizeBenchResult run_tokenize_bench(const Tokenizer& tokenizer,
                                       std::span<const std::string> texts, const Clock& clock,
                                       TokenizeBenchOptions options = {});

struct TokenizeBenchTexts {
  std::uint64_t seed = 1;
  std::size_t count = 20'000;
  std::uint32_t tokens_min = 15;
  std::uint32_t tokens_mean = 96;  // lengths are exponential from tokens_min, cut at the
                                   // tokenizer's tokens_max
};

// Makes up texts like posts: mostly Chinese with punctuation, mentions, hashtags, emoticons, links,
// numbers, English, full-width and traditional characters. The same seed gives the same texts.
std::vector<std::string> make_tokenize_bench_texts(const Tokenizer& tokenizer,
                                                   TokenizeBenchTexts options = {});

}  // namespace tidewatch
