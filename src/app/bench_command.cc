// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/version.h"
#include "infer/cascade.h"
#include "infer/model_registry.h"
#include "ingest/file_source.h"
#include "ingest/line_splitter.h"
#include "tokenize/tokenize_bench_run.h"

namespace tidewatch {
namespace {

Result<std::vector<std::string>> read_texts(const std::string& path, std::size_t line_bytes_max) {
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
  std::vector<std::string> texts;
  LineSplitter splitter(line_bytes_max);
  while (true) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) texts.emplace_back(line->text);
  }
  if (const auto line = splitter.finish()) texts.emplace_back(line->text);
  if (texts.empty()) {
    return Error{Code::kInvalidArgument, fmt::format("{}: holds no texts, one a line", path)};
  }
  return texts;
}

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Status bench_tokenize(const BenchTokenizeOptions& options) {
  TRY_ASSIGN(const Config config, resolve_config(options.common));
  const std::filesystem::path dir = config.models();
  const std::string first_model =
      config.inference.model == kCascadeName ? std::string{kCascadeFirst} : config.inference.model;
  TRY_ASSIGN(const ModelManifest manifest, read_manifest(dir / first_model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(manifest));
  std::vector<std::string> texts;
  if (options.file.empty()) {
    texts = make_tokenize_bench_texts(tokenizer);
  } else {
    TRY_ASSIGN(texts, read_texts(options.file, config.decode.line_bytes_max));
  }
  SystemClock clock;
  const TokenizeBenchResult result = run_tokenize_bench(tokenizer, texts, clock);
  const nlohmann::ordered_json json{{"bench", "tokenize"},
                                    {"machine", machine_text()},
                                    {"version", version_text()},
                                    {"threads", 1},
                                    {"texts", texts.size()},
                                    {"tokens_mean", result.tokens_mean},
                                    {"texts_per_second", result.texts_per_second},
                                    {"tokens_per_second", result.tokens_per_second},
                                    {"latency_ms",
                                     {{"p50", milliseconds(result.p50)},
                                      {"p95", milliseconds(result.p95)},
                                      {"p99", milliseconds(result.p99)},
                                      {"p999", milliseconds(result.p999)},
                                      {"max", milliseconds(result.max)}}}};
  if (options.json) {
    fmt::print("{}\n", json.dump());
    return {};
  }
  fmt::print("machine   {}\nversion   {}\n", machine_text(), version_text());
  fmt::print("texts     {} of {:.1f} tokens on average, one thread\n", texts.size(),
             result.tokens_mean);
  fmt::print("speed     {:.0f} texts/s, {:.0f} tokens/s\n", result.texts_per_second,
             result.tokens_per_second);
  fmt::print("latency   p50 {:.4f}  p95 {:.4f}  p99 {:.4f}  max {:.4f} ms\n",
             milliseconds(result.p50), milliseconds(result.p95), milliseconds(result.p99),
             milliseconds(result.max));
  return {};
}

}  // namespace

int run_bench_tokenize(const BenchTokenizeOptions& options) {
  const Status status = bench_tokenize(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
