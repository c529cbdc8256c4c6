// SPDX-License-Identifier: Apache-2.0
// Encodes made-up posts on one core, or the lines of TIDEWATCH_BENCH_TEXTS when that names a file.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tokenize/tokenize_bench_run.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer instance = [] {
    auto vocabulary = Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/base/vocab.txt");
    if (!vocabulary) {
      std::fprintf(stderr, "%s\n", vocabulary.error().message.c_str());
      std::exit(1);
    }
    return Tokenizer(*std::move(vocabulary), {});
  }();
  return instance;
}

std::vector<std::string> texts_of(std::uint32_t tokens_mean) {
  if (const char* path = std::getenv("TIDEWATCH_BENCH_TEXTS")) {
    std::vector<std::string> texts;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) texts.push_back(line);
    return texts;
  }
  return make_tokenize_bench_texts(tokenizer(), {.tokens_mean = tokens_mean});
}

void encode_posts(benchmark::State& state) {
  const std::vector<std::string> texts = texts_of(static_cast<std::uint32_t>(state.range(0)));
  std::vector<std::int32_t> ids(tokenizer().tokens_max());
  std::int64_t tokens = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      tokens += static_cast<std::int64_t>(tokenizer().encode(text, ids));
      benchmark::DoNotOptimize(ids.data());
    }
  }
  const auto num_texts = static_cast<std::int64_t>(texts.size()) * state.iterations();
  state.SetItemsProcessed(num_texts);
  state.counters["tokens_mean"] = static_cast<double>(tokens) / static_cast<double>(num_texts);
  state.counters["tokens"] =
      benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
}
BENCHMARK(encode_posts)->Arg(32)->Arg(96)->Arg(256)->Unit(benchmark::kMillisecond);

void encode_one_megabyte(benchmark::State& state, const std::string& unit) {
  std::string text;
  while (text.size() < 1'000'000) text += unit;
  std::vector<std::int32_t> ids(tokenizer().tokens_max());
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer().encode(text, ids));
}
BENCHMARK_CAPTURE(encode_one_megabyte, ideographs, "潮")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(encode_one_megabyte, one_word, "a")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(encode_one_megabyte, spaces, " ")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(encode_one_megabyte, combining, "\xF0\x9D\x85\xA5")  // U+1D165
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(encode_one_megabyte, invalid, "\xE4")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tidewatch

BENCHMARK_MAIN();
