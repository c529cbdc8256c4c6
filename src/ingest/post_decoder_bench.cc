// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "ingest/line_splitter.h"
#include "ingest/post_decoder.h"
#include "ingest/post_json.h"

namespace tidewatch {
namespace {

// NDJSON lines of about 300 bytes with all usual members and some 60 Chinese characters of text.
std::string make_lines(std::size_t count, bool with_escapes) {
  std::mt19937_64 random(1);
  static constexpr const char* kWords[] = {"食品", "安全", "地铁", "停运", "高考", "加油",
                                           "退款", "通道", "今天", "大家", "😀",   "，"};
  std::string lines;
  for (std::size_t i = 0; i < count; ++i) {
    lines += "{\"id\":\"46" + std::to_string(random() % 1'000'000'000'000) + "\",\"text\":\"";
    for (int word = 0; word < 25; ++word) lines += kWords[random() % std::size(kWords)];
    if (with_escapes) lines += "\\n\\\"\\u4e2d\\ud83d\\ude00\\\"";
    lines +=
        "\",\"time\":" + std::to_string(1'700'000'000 + i) + ",\"author\":\"u" +
        std::to_string(random() % 100'000) +
        "\",\"region\":\"广东\",\"source\":\"weibo\",\"likes\":" + std::to_string(random() % 99) +
        ",\"lang\":\"zh\"}\n";
  }
  return lines;
}

void decode_lines(benchmark::State& state, bool with_escapes) {
  const std::string lines = make_lines(2'000, with_escapes);
  const SystemClock clock;
  FreshIds ids("bench");
  PostDecoder decoder(DecodeLimits{}, clock, ids);
  std::int64_t posts = 0;
  for (auto _ : state) {
    LineSplitter splitter(DecodeLimits{}.line_bytes_max);
    splitter.feed(lines);
    while (const auto line = splitter.next()) {
      auto decoded = decoder.decode(line->text);
      if (!std::holds_alternative<Post>(decoded)) state.SkipWithError("a line was rejected");
      benchmark::DoNotOptimize(decoded);
      ++posts;
    }
  }
  state.SetItemsProcessed(posts);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(lines.size()));
  state.counters["line_bytes"] = static_cast<double>(lines.size()) / 2'000;
}

void BM_Decode(benchmark::State& state) { decode_lines(state, false); }
void BM_DecodeEscapes(benchmark::State& state) { decode_lines(state, true); }
BENCHMARK(BM_Decode);
BENCHMARK(BM_DecodeEscapes);

void BM_Encode(benchmark::State& state) {
  const SystemClock clock;
  FreshIds ids("bench");
  PostDecoder decoder(DecodeLimits{}, clock, ids);
  std::string line = make_lines(1, true);
  line.pop_back();
  const auto decoded = decoder.decode(line);
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_post_json(std::get<Post>(decoded), out);
    benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(BM_Encode);

}  // namespace
}  // namespace tidewatch
