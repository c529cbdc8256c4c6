// SPDX-License-Identifier: Apache-2.0
// Texts a second of one core with the `fast` model: our kernels beside OpenVINO's, in one run. The
// arguments are tokens (0: lengths of 15 to 512, 96 on average), texts a call and 0 (FP32) or 1
// (INT8). The counter mac_per_ns is 1e9 multiply-adds of the convolutions a second.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "infer/backend.h"
#include "infer/manifest.h"
#include "infer/native/kernel.h"
#include "infer/native/native_backend.h"

namespace tidewatch {
namespace {

constexpr std::size_t kTexts = 2'048;  // enough to visit the tables as real texts do

struct Texts {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
};

// Characters by a Zipf-like law, as in real texts; the same ones in each run.
Texts make_texts(std::size_t tokens) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  Texts texts;
  for (std::size_t i = 0; i < kTexts; ++i) {
    constexpr double kShortest = 15;
    constexpr double kTail = 83;  // with the cut at 512 a mean of 96
    const double drawn = kShortest - kTail * std::log(1 - uniform(random));
    const std::size_t length =
        tokens > 0 ? tokens : static_cast<std::size_t>(std::min(drawn, 512.0));
    texts.ids.push_back(101);
    for (std::size_t t = 2; t < length; ++t) {
      texts.ids.push_back(106 + static_cast<std::int32_t>(20'000 * std::pow(uniform(random), 3)));
    }
    texts.ids.push_back(102);
    texts.offsets.push_back(static_cast<std::uint32_t>(texts.ids.size()));
  }
  return texts;
}

void run_backend(benchmark::State& state, Backend& backend) {
  const Texts texts = make_texts(static_cast<std::size_t>(state.range(0)));
  const auto batch = static_cast<std::size_t>(state.range(1));
  std::vector<Scores> scores(batch);
  std::vector<std::uint32_t> offsets(batch + 1);
  std::size_t next = 0;
  std::size_t tokens = 0;
  for (auto _ : state) {
    const std::size_t begin = texts.offsets[next];
    for (std::size_t i = 0; i <= batch; ++i) {
      offsets[i] = static_cast<std::uint32_t>(texts.offsets[next + i] - begin);
    }
    const std::span<const std::int32_t> ids = std::span{texts.ids}.subspan(begin, offsets[batch]);
    if (!backend.run(0, RaggedBatch{ids, offsets}, scores)) {
      return state.SkipWithError("the run failed");
    }
    tokens += ids.size();
    next += batch;
    if (next + batch > kTexts) next = 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  constexpr auto kMultiplyAdds = static_cast<double>(2 * native::kWindow * native::kWidth);
  state.counters["mac_per_ns"] = benchmark::Counter(
      static_cast<double>(tokens) * kMultiplyAdds / 1e9, benchmark::Counter::kIsRate);
  state.SetLabel(backend.name() + " " + backend.precision());
}

template <typename Load>
void run_loaded(benchmark::State& state, Load load) {
  const auto manifest = read_manifest(std::string{TIDEWATCH_MODELS_DIR "/fast"});
  if (!manifest) return state.SkipWithError(manifest.error().message.c_str());
  BackendOptions options;
  options.instances = 1;
  options.precision = state.range(2) == 0 ? Precision::kFp32 : Precision::kInt8;
  const auto backend = load(*manifest, options);
  if (!backend) return state.SkipWithError(backend.error().message.c_str());
  run_backend(state, **backend);
}

void bm_native(benchmark::State& state) { run_loaded(state, load_native_backend); }
void bm_openvino(benchmark::State& state) { run_loaded(state, load_openvino_backend); }
void bm_native_avx2(benchmark::State& state) {
  run_loaded(state,
             [](const ModelManifest& manifest,
                const BackendOptions& options) -> Result<std::unique_ptr<Backend>> {
               const auto usable = native::usable_kernels();
               if (usable.size() < 2)
                 return Error{Code::kUnimplemented, "this processor has no AVX2"};
               return native::load_with_kernel(manifest, options, *usable[usable.size() - 2]);
             });
}

const std::vector<std::vector<std::int64_t>> kArguments{{16, 32, 96, 512, 0}, {1, 32}, {0, 1}};
BENCHMARK(bm_native)->ArgsProduct(kArguments);
BENCHMARK(bm_openvino)->ArgsProduct(kArguments);
BENCHMARK(bm_native_avx2)->ArgsProduct({{96}, {1}, {0, 1}});

}  // namespace
}  // namespace tidewatch

BENCHMARK_MAIN();
