// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "app/bench/bench_options.h"
#include "app/bench/plain_tensorrt.h"
#include "app/cli_support.h"
#include "app/inference.h"
#include "app/version.h"
#include "bench_serve/process_probe.h"
#include "infer/cascade.h"
#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTexts = 20'000;
constexpr double kTrySeconds = 1.0;
constexpr std::size_t kWarmUpRuns = 400;
constexpr std::array<std::size_t, 8> kBatches{1, 4, 8, 16, 32, 64, 128, 256};

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
  double run_ms = 0;      // one run, as its caller sees it
  double fill_ratio = 1;  // real ids of those computed with
};

// Runs every batch once on each instance of a backend that sets itself up by shape, untimed.
Status warm_up(Backend& backend, const TokenizedTexts& texts, std::size_t batch_size) {
  if (!backend.shapes().gains_from_batches) return {};
  std::vector<Scores> scores(batch_size);
  std::vector<std::uint32_t> offsets;
  for (std::size_t instance = 0; instance < backend.shapes().instances; ++instance) {
    const std::size_t end = std::min(texts.size(), kWarmUpRuns * batch_size);
    for (std::size_t at = 0; at + batch_size <= end; at += batch_size) {
      offsets.clear();
      const std::uint32_t first = texts.offsets[at];
      for (std::size_t i = 0; i <= batch_size; ++i)
        offsets.push_back(texts.offsets[at + i] - first);
      const std::span<const std::int32_t> ids(texts.ids.data() + first, offsets.back());
      TRY(backend.run(instance, {ids, offsets}, scores));
    }
  }
  return {};
}

// Every instance runs batch after batch, each from its own place in the texts, for `seconds`.
Result<Throughput> measure(Backend& backend, const TokenizedTexts& texts, std::size_t batch_size,
                           double seconds) {
  const std::size_t instances = backend.shapes().instances;
  TRY(warm_up(backend, texts, batch_size));
  std::atomic<std::uint64_t> texts_done{0};
  std::atomic<std::uint64_t> tokens_done{0};
  std::atomic<std::uint64_t> runs{0};
  std::atomic<double> computed{0};
  std::atomic<bool> failed{false};
  std::vector<Status> results(instances);
  const double cpu_before = read_process_usage(0).cpu_seconds;
  const SteadyTime begin = std::chrono::steady_clock::now();
  const SteadyTime end = begin + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  std::vector<std::thread> threads;
  threads.reserve(instances);
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
        runs.fetch_add(1, std::memory_order_relaxed);
        computed.fetch_add(static_cast<double>(ids.size()) / backend.last_fill(instance));
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
  throughput.run_ms =
      took * 1e3 * static_cast<double>(instances) / std::max(1.0, static_cast<double>(runs.load()));
  throughput.fill_ratio =
      computed.load() > 0 ? static_cast<double>(tokens_done.load()) / computed.load() : 1;
  return throughput;
}

// Texts of one length: what published figures are given for.
TokenizedTexts equal_texts(const ModelManifest& manifest, std::size_t tokens) {
  TokenizedTexts texts;
  const std::uint64_t words = manifest.vocabulary_size;
  for (std::uint64_t i = 0; i < kTexts; ++i) {
    for (std::uint64_t k = 0; k < tokens; ++k) {
      texts.ids.push_back(static_cast<std::int32_t>((i * 2'654'435'761U + k * 40'503U) % words));
    }
    texts.offsets.push_back(static_cast<std::uint32_t>(texts.ids.size()));
  }
  return texts;
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

// A model to be measured, and its texts.
struct Subject {
  ModelManifest manifest;
  std::shared_ptr<const Model> model;  // or:
  std::unique_ptr<Backend> plain;
  TokenizedTexts texts;
  Backend& backend() const { return plain ? *plain : *model->backend; }
};

Result<Subject> open_subject(const BenchInferOptions& options, const Config& config,
                             ModelRegistry& registry, const std::string& name) {
  if (name == "none") {
    return Error{Code::kInvalidArgument, "--model none computes nothing; name a model"};
  }
  Subject subject;
  if (options.plain.empty()) {
    TRY_ASSIGN(subject.model, registry.load(name));
    subject.manifest = subject.model->manifest;
  } else {
    TRY_ASSIGN(subject.manifest, read_manifest(config.models() / name));
    PlainOptions plain;
    plain.plan = options.plain;
    if (options.lanes > 0) plain.lanes = options.lanes;
    TRY_ASSIGN(subject.plain, make_plain_tensorrt(subject.manifest, plain));
  }
  if (options.tokens > 0) {
    subject.texts = equal_texts(subject.manifest, options.tokens);
  } else {
    TRY_ASSIGN(subject.texts, make_texts(subject.manifest, options.seed));
  }
  return subject;
}

// At the best of options.batches; one is not tried beforehand.
Result<Throughput> measure_best(const BenchInferOptions& options, const Subject& subject,
                                std::vector<Throughput>& tries) {
  Backend& backend = subject.backend();
  std::vector<std::size_t> batches = options.batches;
  if (batches.empty()) batches.assign(kBatches.begin(), kBatches.end());
  const std::size_t least = *std::min_element(batches.begin(), batches.end());
  std::erase_if(batches, [&](std::size_t size) { return size > backend.shapes().batch_max; });
  if (batches.empty()) {
    return Error{Code::kInvalidArgument, fmt::format("--batch {}: the model takes at most {}",
                                                     least, backend.shapes().batch_max)};
  }
  std::size_t batch = batches.front();
  if (batches.size() > 1) {
    double best = 0;
    for (const std::size_t size : batches) {
      TRY_ASSIGN(const Throughput one, measure(backend, subject.texts, size, kTrySeconds));
      if (one.texts_per_second > best) {
        best = one.texts_per_second;
        batch = size;
      }
      tries.push_back(one);
    }
  }
  return measure(backend, subject.texts, batch, options.seconds);
}

Json throughput_json(const Throughput& one) {
  return {{"batch", one.batch},
          {"texts_per_second", one.texts_per_second},
          {"tokens_per_second", one.tokens_per_second},
          {"run_ms", one.run_ms},
          {"fill_ratio", one.fill_ratio},
          {"cpu_us_per_text", one.cpu_us_per_text}};
}

Json subject_json(const Subject& subject, const Throughput& result,
                  const std::vector<Throughput>& tries) {
  const Backend& backend = subject.backend();
  Json tried = Json::array();
  for (const Throughput& one : tries) tried.push_back(throughput_json(one));
  Json json{{"model", subject.manifest.name},
            {"backend", backend.name()},
            {"precision", backend.precision()},
            {"instances", backend.shapes().instances},
            {"memory_bytes", backend.memory_bytes()},
            {"texts", subject.texts.size()},
            {"tokens_mean", static_cast<double>(subject.texts.ids.size()) /
                                static_cast<double>(subject.texts.size())}};
  json.update(throughput_json(result));
  json["tries"] = std::move(tried);
  return json;
}

void print_subject(const Subject& subject, const Throughput& result,
                   const std::vector<Throughput>& tries) {
  const Backend& backend = subject.backend();
  fmt::print("model     {}, {} by {}, {} instances, {:.0f} MB\n", subject.manifest.name,
             backend.precision(), backend.name(), backend.shapes().instances,
             static_cast<double>(backend.memory_bytes()) / 1e6);
  fmt::print(
      "texts     {} of {:.1f} tokens on average\n", subject.texts.size(),
      static_cast<double>(subject.texts.ids.size()) / static_cast<double>(subject.texts.size()));
  for (const Throughput& one : tries) {
    fmt::print("batch {:>3} {:.0f} texts/s, {:.2f} ms a run, {:.0f} % of the tokens real\n",
               one.batch, one.texts_per_second, one.run_ms, 100 * one.fill_ratio);
  }
  fmt::print(
      "speed     {:.0f} texts/s, {:.0f} tokens/s in batches of {}: {:.2f} ms a run, {:.0f} % of "
      "the "
      "tokens real, {:.1f} us of CPU a text\n",
      result.texts_per_second, result.tokens_per_second, result.batch, result.run_ms,
      100 * result.fill_ratio, result.cpu_us_per_text);
}

Status infer(const BenchInferOptions& options) {
  TRY_ASSIGN(const Config config, resolve_config(options.common));
  BackendOptions backend_options = config.backend_options();
  backend_options.pads_to_longest = options.padded;
  if (options.lanes > 0) backend_options.lanes = backend_options.instances = options.lanes;
  ModelRegistry registry(config.models(), backend_options);
  std::vector<std::string> names{config.inference.model};
  if (names[0] == kCascadeName) names[0] = kCascadeFirst;
  if (!options.with.empty()) names.push_back(options.with);
  const Result<std::uint64_t> free_before = gpu_free_bytes();
  std::vector<Subject> subjects;
  for (const std::string& name : names) {
    TRY_ASSIGN(Subject subject, open_subject(options, config, registry, name));
    subjects.push_back(std::move(subject));
  }
  // Side by side, each in a thread of its own that keeps its instances busy.
  std::vector<std::vector<Throughput>> tries(subjects.size());
  std::vector<Result<Throughput>> results(subjects.size(), Throughput{});
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = measure_best(options, subjects[i], tries[i]); });
    }
  }
  for (const auto& result : results) {
    if (!result) return result.error();
  }
  const Result<std::uint64_t> free_after = gpu_free_bytes();
  const bool gpu = free_before && free_after;
  const std::uint64_t gpu_bytes =
      gpu && *free_before > *free_after ? *free_before - *free_after : 0;
  if (options.json) {
    Json json{{"bench", "infer"}, {"machine", machine_text()}, {"version", version_text()}};
    json.update(subject_json(subjects[0], *results[0], tries[0]));
    if (gpu) json["gpu_bytes"] = gpu_bytes;
    if (subjects.size() > 1) json["with"] = subject_json(subjects[1], *results[1], tries[1]);
    fmt::print("{}\n", json.dump());
    return {};
  }
  fmt::print("machine   {}\nversion   {}\n", machine_text(), version_text());
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    print_subject(subjects[i], *results[i], tries[i]);
  }
  if (gpu) {
    fmt::print("GPU       {:.0f} MB beyond the CUDA context\n",
               static_cast<double>(gpu_bytes) / 1e6);
  }
  return {};
}

}  // namespace

int run_bench_infer(const BenchInferOptions& options) {
  const Status status = infer(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
