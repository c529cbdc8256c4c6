// SPDX-License-Identifier: Apache-2.0
// classify, simulate and models: commands that run no engine.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/engine_api.h"
#include "app/inference.h"
#include "core/rfc3339.h"
#include "infer/cascade.h"
#include "ingest/file_source.h"
#include "ingest/line_splitter.h"
#include "observe/json_text.h"
#include "simulate/simulator.h"

namespace tidewatch {
namespace {

constexpr std::size_t kClassifyBatch = 256;

// ,"sequence":["B","I"]: the label of each token, without [CLS] and [SEP].
std::string sequence_member(const TokenLabels& labels, const SequenceTask& task) {
  std::string out = R"(,"sequence":[)";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, task.labels[labels[i]]);
  }
  return out + "]";
}

Status classify(const ClassifyOptions& options) {
  TRY_ASSIGN(const Config config, resolve_config(options.common));
  SystemClock clock;
  Metrics metrics;
  ModelRegistry registry(config.models(), config.backend_options());
  TRY_ASSIGN(const auto inference, Inference::create(registry, config.inference, clock, metrics));
  TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(options.file));
  const std::optional<SequenceTask> sequence = inference->model()->manifest.sequence;
  std::vector<std::string> texts;
  const auto flush = [&]() -> Status {
    std::vector<TokenLabels> labels;
    TRY_ASSIGN(const std::vector<Scores> scores,
               inference->classify(texts, sequence ? &labels : nullptr));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      fmt::print("{{{}{}{}}}\n", scores_members(scores[i], inference->labels()),
                 answered_by_member(scores[i], *inference),
                 sequence ? sequence_member(labels[i], *sequence) : "");
    }
    texts.clear();
    return {};
  };
  LineSplitter splitter(config.decode.line_bytes_max);
  std::uint64_t answered = 0;
  const auto take = [&](const LineSplitter::Line& line) -> Status {
    if (line.too_long) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}:{}: the line is longer than {} bytes", source->name(),
                               line.number, config.decode.line_bytes_max)};
    }
    // Blank lines are not handed out, yet get an answer: one line out for each line in.
    for (; answered + 1 < line.number; ++answered) texts.emplace_back();
    texts.emplace_back(line.text);
    ++answered;
    if (texts.size() >= kClassifyBatch) TRY(flush());
    return {};
  };
  while (true) {
    TRY_ASSIGN(const std::string_view chunk, source->read());
    if (chunk.empty()) break;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) TRY(take(*line));
  }
  if (const auto line = splitter.finish()) TRY(take(*line));
  for (; answered < splitter.lines_ended(); ++answered) texts.emplace_back();
  return flush();
}

Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", path)};
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Status simulate(const SimulateCommandOptions& command) {
  SimulateOptions options;
  options.seed = command.seed;
  options.duration = std::chrono::minutes{command.minutes};
  options.posts_per_second = command.rate;
  std::string events{demo_events_toml()};
  if (!command.events_file.empty()) {
    TRY_ASSIGN(events, read_whole(command.events_file));
  }
  const std::string name = command.events_file.empty() ? "demo_events.toml" : command.events_file;
  TRY_ASSIGN(options.events, parse_events(events, name));
  if (!command.start.empty()) {
    const auto start = parse_rfc3339(command.start);
    if (!start) {
      return Error{Code::kInvalidArgument,
                   fmt::format("--start '{}': must be RFC 3339 such as 2026-01-05T08:00:00+08:00",
                               command.start)};
    }
    options.start = *start;
  }
  std::ofstream file;
  if (command.output != "-") {
    file.open(command.output, std::ios::binary);
    if (!file) {
      return Error{Code::kPermissionDenied, fmt::format("{}: cannot be written", command.output)};
    }
  }
  std::ostream& out = command.output == "-" ? std::cout : file;
  std::ofstream truth;
  if (!command.truth_file.empty()) {
    truth.open(command.truth_file, std::ios::binary);
    if (!truth) {
      return Error{Code::kPermissionDenied,
                   fmt::format("{}: cannot be written", command.truth_file)};
    }
  }
  SystemClock clock;
  Progress progress("simulate", clock);
  Simulator simulator(options);
  std::string line;
  std::uint64_t posts = 0;
  while (simulator.next(line)) {
    line += '\n';
    out.write(line.data(), static_cast<std::streamsize>(line.size()));
    if (!out) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: writing failed; is the disk full?", command.output)};
    }
    progress.show(0, 0, ++posts);
  }
  out.flush();
  for (const EventTruth& event : simulator.truth().events) truth << to_ndjson(event) << '\n';
  if (!out || (!command.truth_file.empty() && !truth.flush())) {
    return Error{Code::kUnavailable, "writing failed; is the disk full?"};
  }
  return {};
}

}  // namespace

int run_classify(const ClassifyOptions& options) {
  const Status status = classify(options);
  std::fflush(stdout);
  return status ? 0 : fail(status.error());
}

int run_simulate(const SimulateCommandOptions& options) {
  const Status status = simulate(options);
  return status ? 0 : fail(status.error());
}

int run_models(const CommonOptions& options, bool json) {
  using Json = nlohmann::ordered_json;
  const std::filesystem::path dir =
      options.models_dir.empty() ? bundled_models_dir() : std::filesystem::path{options.models_dir};
  const std::vector<std::string> names = ModelRegistry(dir).available();
  if (names.empty()) {
    return fail({Code::kNotFound, fmt::format("no models in {}; see --models-dir", dir.string())});
  }
  int status = 0;
  Json list = Json::array();
  std::map<std::string, std::string, std::less<>> versions;  // of those that are well
  for (const std::string& name : names) {
    const auto manifest = read_manifest(dir / name);
    Status checked;
    if (manifest) {
      checked = verify_manifest_files(*manifest);
      if (checked && manifest->calibration) checked = verify_manifest_file(*manifest->calibration);
    } else {
      checked = manifest.error();
    }
    if (!checked) status = fail(checked.error());
    if (!manifest) continue;
    if (checked) versions.emplace(manifest->name, manifest->version);
    list.push_back({{"name", manifest->name},
                    {"version", manifest->version},
                    {"precision", manifest->precision},
                    {"max_length", manifest->max_length},
                    {"sha256", manifest->weights.sha256},
                    {"files_ok", checked.ok()},
                    {"description", manifest->description}});
    if (!json) {
      fmt::print("{:<8} {:<12} {:<6} {}  {}\n", manifest->name, manifest->version,
                 manifest->precision, checked.ok() ? "ok     " : "DAMAGED", manifest->description);
    }
  }
  const auto first = versions.find(kCascadeFirst);
  const auto second = versions.find(kCascadeSecond);
  if (first != versions.end() && second != versions.end()) {
    const std::string version = fmt::format("{}+{}", first->second, second->second);
    const std::string description =
        fmt::format("Cascade: {} answers, texts in doubt go to {}", kCascadeFirst, kCascadeSecond);
    list.push_back({{"name", kCascadeName},
                    {"version", version},
                    {"models", {kCascadeFirst, kCascadeSecond}},
                    {"files_ok", true},
                    {"description", description}});
    if (!json) {
      fmt::print("{:<8} {:<12} {:<6} {}  {}\n", kCascadeName, "-", "-", "ok     ", description);
    }
  }
  if (json) fmt::print("{}\n", Json{{"models", list}}.dump());
  return status;
}

}  // namespace tidewatch
