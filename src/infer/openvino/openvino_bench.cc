// SPDX-License-Identifier: Apache-2.0
// Texts a second of one core by precision and length: the arguments are tokens and 0 (FP32) or 1
// (INT8). The models are those of the source tree.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "infer/backend.h"
#include "infer/manifest.h"

namespace tidewatch {
namespace {

void run_texts(benchmark::State& state, const std::string& name) {
  const auto manifest = read_manifest(std::string{TIDEWATCH_MODELS_DIR "/"} + name);
  if (!manifest) return state.SkipWithError(manifest.error().message.c_str());
  BackendOptions options;
  options.instances = 1;
  options.precision = state.range(1) == 0 ? Precision::kFp32 : Precision::kInt8;
  const auto backend = load_openvino_backend(*manifest, options);
  if (!backend) return state.SkipWithError(backend.error().message.c_str());
  const auto tokens = static_cast<std::size_t>(state.range(0));
  std::vector<std::int32_t> ids{101};  // [CLS], ordinary characters, [SEP]
  while (ids.size() + 1 < tokens) ids.push_back(700 + static_cast<std::int32_t>(ids.size() * 37));
  ids.push_back(102);
  const std::array<std::uint32_t, 2> offsets{0, static_cast<std::uint32_t>(ids.size())};
  std::array<Scores, 1> scores;
  for (auto _ : state) {
    if (!(*backend)->run(0, RaggedBatch{ids, offsets}, scores)) {
      return state.SkipWithError("the run failed");
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel((*backend)->precision());
}

void bm_fast(benchmark::State& state) { run_texts(state, "fast"); }
void bm_base(benchmark::State& state) { run_texts(state, "base"); }

BENCHMARK(bm_fast)->ArgsProduct({{16, 32, 96}, {0, 1}})->UseRealTime();
BENCHMARK(bm_base)->ArgsProduct({{16, 32, 96}, {0, 1}})->UseRealTime();

}  // namespace
}  // namespace tidewatch

BENCHMARK_MAIN();
