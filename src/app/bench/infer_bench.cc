// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "app/bench/bench_options.h"
#include "app/cli_support.h"
#include "app/inference.h"
#include "app/version.h"
#include "bench_serve/process_probe.h"
#include "infer/cascade.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTexts = 20'000;
constexpr double kTrySeconds = 1.0;
constexpr std::size_t kBatches[] = {1, 4, 8, 16, 32, 64};

// The texts as ids, one after the other.
struct TokenizedTexts {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
  std::size_t size() const { return offsets.size() - 1; }
};

struct Throughput {
  std::size_t batch = 0;
  double texts_per_second = 0;
  double tokens_per_second = 0;
  double cpu_us_per_text = 0;
};

// Every instance runs batch after batch, each from its own place in the texts, for `seconds`.
Result<Throughput> measure(Backend& backend, const TokenizedTexts& texts, std::size_t batch_size,
                           double seconds) {
  const std::size_t instances = backend.shapes().instances;
  std::atomic<std::uint64_t> texts_done{0};
  std::atomic<std::uint64_t> tokens_done{0};
  std::atomic<bool> failed{false};
  std::vector<Status> results(instances);
  const double cpu_before = read_process_usage(0).cpu_seconds;
  const SteadyTime begin = std::chrono::steady_clock::now();
  const SteadyTime end = begin + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  std::vector<std::thread> threads;
  for (std::size_t instance = 0; instance < instances; ++instance) {
    threads.emplace_back([&, instance] {
      std::vector<std::uint32_t> offsets;
      std::vector<Scores> scores(batch_size);
      std::size_t at = texts.size() / instances * instance;
      while (!failed.load() && std::chrono::steady_clock::now() < end) {
        if (at + batch_size > texts.size()) at = 0;
        offsets.clear();
        const std::uint32_t first = texts.offsets[at];
        for (std::size_t i = 0; i <= batch_size; ++i) {
          offsets.push_back(texts.offsets[at + i] - first);
        }
        const std::span<const std::int32_t> ids(texts.ids.data() + first, offsets.back());
        if (Status run = backend.run(instance, {ids, offsets}, scores); !run) {
          results[instance] = std::move(run);
          failed.store(true);
          return;
        }
        texts_done.fetch_add(batch_size, std::memory_order_relaxed);
        tokens_done.fetch_add(ids.size(), std::memory_order_relaxed);
        at += batch_size;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& result : results) TRY(result);
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Throughput throughput;
  throughput.batch = batch_size;
  throughput.texts_per_second = static_cast<double>(texts_done.load()) / took;
  throughput.tokens_per_second = static_cast<double>(tokens_done.load()) / took;
  throughput.cpu_us_per_text = (read_process_usage(0).cpu_seconds - cpu_before) * 1e6 /
                               std::max(1.0, static_cast<double>(texts_done.load()));
  return throughput;
}

Result<TokenizedTexts> make_texts(const ModelManifest& manifest, std::uint64_t seed) {
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(manifest));
  TextMakerOptions options;
  options.seed = seed;
  options.lengths.tokens_max = std::min(options.lengths.tokens_max, tokenizer.tokens_max());
  TRY_ASSIGN(const TextMaker maker, TextMaker::create(tokenizer, options));
  TokenizedTexts texts;
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  std::string text;
  for (std::size_t i = 0; i < kTexts; ++i) {
    text.clear();
    maker.append(i, text);
    const std::size_t count = tokenizer.encode(text, ids);
    texts.ids.insert(texts.ids.end(), ids.begin(),
                     ids.begin() + static_cast<std::ptrdiff_t>(count));
    texts.offsets.push_back(static_cast<std::uint32_t>(texts.ids.size()));
  }
  return texts;
}

Status infer(const BenchInferOptions& options) {
  TRY_ASSIGN(const Config config, resolve_config(options.common));
  BackendOptions backend_options;
  backend_options.instances = config.inference.instances;
  backend_options.precision = config.inference.precision;
  ModelRegistry registry(config.models(), backend_options);
  const std::string name =
      config.inference.model == kCascadeName ? std::string{kCascadeFirst} : config.inference.model;
  if (name == "none") {
    return Error{Code::kInvalidArgument, "--model none computes nothing; name a model"};
  }
  TRY_ASSIGN(const auto model, registry.load(name));
  TRY_ASSIGN(const TokenizedTexts texts, make_texts(model->manifest, options.seed));
  Backend& backend = *model->backend;

  std::vector<Throughput> tries;
  std::size_t batch = options.batch;
  if (batch > backend.shapes().batch_max) {
    return Error{Code::kInvalidArgument, fmt::format("--batch {}: the model takes at most {}",
                                                     batch, backend.shapes().batch_max)};
  }
  if (batch == 0) {
    double best = 0;
    for (const std::size_t size : kBatches) {
      if (size > backend.shapes().batch_max) break;
      TRY_ASSIGN(const Throughput one, measure(backend, texts, size, kTrySeconds));
      if (one.texts_per_second > best) {
        best = one.texts_per_second;
        batch = size;
      }
      tries.push_back(one);
    }
  }
  TRY_ASSIGN(const Throughput result, measure(backend, texts, batch, options.seconds));
  const double tokens_mean =
      static_cast<double>(texts.ids.size()) / static_cast<double>(texts.size());

  if (options.json) {
    Json tried = Json::array();
    for (const Throughput& one : tries) {
      tried.push_back({{"batch", one.batch}, {"texts_per_second", one.texts_per_second}});
    }
    fmt::print("{}\n", Json{{"bench", "infer"},
                            {"machine", machine_text()},
                            {"version", version_text()},
                            {"model", model->manifest.name},
                            {"backend", backend.name()},
                            {"precision", backend.precision()},
                            {"instances", backend.shapes().instances},
                            {"batch", result.batch},
                            {"texts", texts.size()},
                            {"tokens_mean", tokens_mean},
                            {"texts_per_second", result.texts_per_second},
                            {"tokens_per_second", result.tokens_per_second},
                            {"cpu_us_per_text", result.cpu_us_per_text},
                            {"tries", std::move(tried)}}
                           .dump());
    return {};
  }
  fmt::print("machine   {}\nversion   {}\n", machine_text(), version_text());
  fmt::print("model     {}, {} by {}, {} instances\n", model->manifest.name, backend.precision(),
             backend.name(), backend.shapes().instances);
  fmt::print("texts     {} of {:.1f} tokens on average\n", texts.size(), tokens_mean);
  for (const Throughput& one : tries) {
    fmt::print("batch {:>3} {:.0f} texts/s\n", one.batch, one.texts_per_second);
  }
  fmt::print(
      "speed     {:.0f} texts/s, {:.0f} tokens/s in batches of {}, {:.1f} us of CPU a text\n",
      result.texts_per_second, result.tokens_per_second, result.batch, result.cpu_us_per_text);
  return {};
}

}  // namespace

int run_bench_infer(const BenchInferOptions& options) {
  const Status status = infer(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
