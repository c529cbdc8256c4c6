// SPDX-License-Identifier: Apache-2.0
// build-engine: makes one file of a model, calibrated when asked and held against FP32 first.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/inference.h"
#include "app/labelled_file.h"
#include "app/text_files.h"
#include "app/version.h"
#include "core/rfc3339.h"
#include "infer/calibration/calibration_set.h"
#include "infer/calibration/calibrator.h"
#include "infer/cascade.h"
#include "infer/classification_report.h"
#include "infer/engine_file.h"
#include "infer/engine_loader.h"
#include "infer/golden_set.h"
#include "infer/model_registry.h"
#include "infer/swap_rules.h"
#include "infer/tensorrt/builder.h"
#include "infer/tensorrt/tensorrt_backend.h"
#include "infer/trained_labels.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kDropMax = 0.008;  // of macro-F1
constexpr std::size_t kCalibrationTextsMin = 32;

void step(std::string_view what) {
  if (::isatty(STDERR_FILENO) == 1) fmt::print(stderr, "build-engine: {} …\n", what);
}

Result<std::string> read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{Code::kNotFound, fmt::format("{}: cannot be read", file.string())};
  return std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// What is built.
struct Source {
  Json manifest_json;
  ModelManifest manifest;  // its calibration is the one to be used, if any
  std::optional<Tokenizer> tokenizer;
  std::string from;  // for people

  std::vector<std::int32_t> encode(std::string_view text) const {
    std::array<std::int32_t, 512> ids;  // filled by encode
    const std::size_t count = tokenizer->encode(text, ids);
    return {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)};
  }
};

// The model that a bare ONNX file is to replace: what --like says, or the only one with the labels
// that the weights carry.
Result<std::string> find_like(const BuildEngineOptions& options, const ModelRegistry& registry,
                              const std::filesystem::path& models,
                              const std::filesystem::path& weights) {
  if (!options.like.empty()) return options.like;
  TRY_ASSIGN(const WeightsMetadata metadata, read_weights_metadata(weights));
  std::vector<std::string> fits;
  if (metadata.contains("tidewatch.labels.emotion")) {
    for (const std::string& name : registry.available()) {
      const auto manifest = read_manifest(models / name);
      if (manifest && check_trained_labels(*manifest, metadata)) fits.push_back(name);
    }
  }
  if (fits.size() == 1) return fits.front();
  return Error{
      Code::kInvalidArgument,
      fmt::format("{}: {}; say with --like NAME which model it is made to replace: labels, "
                  "vocabulary and length are taken from there",
                  weights.string(),
                  fits.empty()
                      ? std::string{"its metadata_props name no labels, or none of a model here"}
                      : fmt::format("its labels are those of {}", fmt::join(fits, ", ")))};
}

// A named model, or a bare ONNX file with a manifest made after another model's.
Result<Source> open_source(const BuildEngineOptions& options, const Config& config) {
  Source source;
  const std::string& name = config.inference.model;
  const std::filesystem::path models = config.models();
  const ModelRegistry registry(models);
  if (name == "none" || name == kCascadeName) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("--model {}: name one model, such as fast or base, or an ONNX file", name)};
  }
  const bool bare = name.ends_with(".onnx");
  std::string folder = name;
  if (bare) {
    TRY_ASSIGN(folder, find_like(options, registry, models, name));
  }
  TRY_ASSIGN(source.manifest, read_manifest(models / folder));
  TRY_ASSIGN(const std::string text, read_bytes(models / folder / "manifest.json"));
  source.manifest_json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  source.from = fmt::format("{} {}", source.manifest.name, source.manifest.version);
  if (bare) {
    source.manifest.weights.path = std::filesystem::absolute(name);
    TRY_ASSIGN(source.manifest.weights.sha256, sha256_of_file(name));
    source.manifest.calibration.reset();
    source.manifest_json.erase("trained_on");
    source.manifest_json.erase("description");
    source.from =
        fmt::format("{}, like {}", std::filesystem::path(name).filename().string(), source.from);
  }
  source.manifest.version = options.engine_version;
  if (source.manifest.version.empty()) {
    source.manifest.version = std::filesystem::path(options.output).stem().string();
  }
  TRY(verify_manifest_files(source.manifest));
  TRY_ASSIGN(source.tokenizer, load_tokenizer(source.manifest));
  return source;
}

Result<TermList> read_terms(const std::filesystem::path& models, const char* name) {
  std::error_code ignored;
  const std::filesystem::path own = models / name;
  return TermList::read(std::filesystem::exists(own, ignored) ? own : bundled_models_dir() / name);
}

// Makes a recipe from --calibration, into `folder`, and names it in the manifest.
Status calibrate(const BuildEngineOptions& options, const Config& config,
                 const std::filesystem::path& folder, const Clock& clock, Source& source) {
  TRY_ASSIGN(const TermList slang, read_terms(config.models(), "slang.txt"));
  TRY_ASSIGN(const TermList dialect, read_terms(config.models(), "dialect.txt"));
  CalibrationSampler sampler(SampleOptions{}, source.tokenizer->vocabulary().size());
  std::uint64_t skipped = 0;
  for (const std::string& file : options.calibration) {
    step("reading " + file);
    TRY(read_text_file(
        file, config.decode.line_bytes_max,
        [&](std::string_view text) {
          const std::vector<std::int32_t> ids = source.encode(text);
          sampler.add(ids, strata_of(text, ids.size() - 2, slang, dialect));
        },
        skipped));
  }
  const CalibrationSample sample = sampler.draw();
  if (sample.texts.size() < kCalibrationTextsMin) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("{} different texts were found; a calibration needs at least {}",
                             sample.texts.size(), kCalibrationTextsMin)};
  }
  std::vector<TokenIds> ranging;
  std::vector<TokenIds> judging;
  for (std::size_t i = 0; i < sample.texts.size(); ++i) {
    (i % 2 == 0 ? ranging : judging).emplace_back(sample.texts[i].ids);
  }
  CalibratorOptions calibrator;
  if (::isatty(STDERR_FILENO) == 1) {
    calibrator.progress = [](std::string_view what, std::size_t done, std::size_t total) {
      fmt::print(stderr, "\r\033[Kbuild-engine: {} {}/{}", what, done, total);
      std::fflush(stderr);
    };
  }
  Result<CalibratorOutcome> outcome =
      calibrate_model(source.manifest, ranging, judging, calibrator);
  if (calibrator.progress) fmt::print(stderr, "\r\033[K");
  if (!outcome) return outcome.error();
  outcome->recipe.set = {fmt::format("{} files of texts", options.calibration.size()),
                         to_rfc3339(clock.wall_now()).substr(0, 10),
                         sample.texts_read,
                         sample.texts.size(),
                         SampleOptions{}.seed,
                         sample.vocabulary_share,
                         sample.coverage};
  ManifestFile recipe;
  recipe.path = folder / "int8.json";
  TRY(write_atomically(recipe.path, to_json(outcome->recipe)));
  TRY_ASSIGN(recipe.sha256, sha256_of_file(recipe.path));
  source.manifest.calibration = recipe;
  return {};
}

bool eight_bit(const BuildEngineOptions& options) {
  return options.precision == "int8" || options.precision == "fp8";
}

// The engine's header and sections, but for what the accuracy check says.
struct Draft {
  EngineHeader header;
  std::vector<std::pair<std::string, std::string>> sections;

  Status write(const std::filesystem::path& file) const {
    std::vector<EnginePart> parts;
    for (const auto& [name, bytes] : sections) parts.push_back({name, bytes});
    return write_engine(file, header, parts);
  }
};

Status draft_plan(const BuildEngineOptions& options, const Source& source, Draft& draft) {
  TensorRtBuildOptions build;
  using tensorrt::NumberFormat;
  for (const NumberFormat format :
       {NumberFormat::kFp32, NumberFormat::kFp16, NumberFormat::kInt8, NumberFormat::kFp8}) {
    if (options.precision == tensorrt::number_format_name(format)) build.format = format;
  }
  build.tokens = options.tokens;
  build.workspace_bytes = options.workspace_mb << 20;
  build.level = options.level;
  build.timing_cache = options.timing_cache;
  if (::isatty(STDERR_FILENO) == 1) {
    build.progress = [](std::string_view phase, double share) {
      fmt::print(stderr, "\r\033[Kbuild-engine: {} {:.0f} %", phase, 100 * share);
      std::fflush(stderr);
      return true;
    };
  }
  step("building for the GPU; this takes minutes");
  Result<TensorRtPlan> plan = build_tensorrt_plan(source.manifest, build);
  if (build.progress) fmt::print(stderr, "\r\033[K");
  if (!plan) return plan.error();
  if (!options.layers.empty()) TRY(write_atomically(options.layers, plan->layer_report));
  TRY_ASSIGN(draft.header.compatibility, tensorrt_compatibility());
  draft.header.kind = kEngineTensorRt;
  draft.header.backend = "tensorrt";
  draft.header.shapes = plan->shapes;
  draft.sections.emplace_back("plan", std::move(plan->bytes));
  return {};
}

Result<Draft> draft_engine(const BuildEngineOptions& options, const Source& source,
                           Precision precision, const Clock& clock) {
  Draft draft;
  Json manifest = source.manifest_json;
  manifest["version"] = source.manifest.version;
  manifest["weights"] = {{"file", "model.onnx"}, {"sha256", source.manifest.weights.sha256}};
  manifest.erase("calibration");
  draft.header.precision = options.precision;
  if (eight_bit(options)) {
    manifest["calibration"] = {{"file", "int8.json"},
                               {"sha256", source.manifest.calibration->sha256}};
    TRY_ASSIGN(std::string recipe, read_bytes(source.manifest.calibration->path));
    draft.sections.emplace_back("int8.json", std::move(recipe));
  }
  draft.header.manifest_json = manifest.dump();
  draft.header.backend = "openvino";
  draft.header.built_from = source.from;
  draft.header.built_by = "tidewatch " + version_text();
  draft.header.built_at = to_rfc3339(clock.wall_now());
  if (options.backend == "tensorrt") {
    TRY(draft_plan(options, source, draft));
  } else if (options.backend == "openvino") {
    step("compiling");
    BackendOptions backend;
    backend.precision = precision;
    TRY_ASSIGN(ExportedModel exported, export_openvino_model(source.manifest, backend));
    draft.header.kind = kEngineOpenVino;
    draft.header.compatibility = openvino_compatibility();
    draft.sections.emplace_back("compiled.blob", std::move(exported.bytes));
  } else {
    draft.header.kind = kEngineOnnx;
    TRY_ASSIGN(std::string weights, read_bytes(source.manifest.weights.path));
    draft.sections.emplace_back("model.onnx", std::move(weights));
  }
  return draft;
}

// FP32 against the engine on one set of texts.
struct Judgement {
  std::string task;
  std::string texts;  // a file's name, or "golden texts"
  bool truth = false;
  std::uint64_t n = 0;
  double fp32 = 0;  // macro-F1; without truth `drop` is the one to be expected
  double engine = 0;
  double drop = 0;
  double agreement = 0;
};

double macro_f1(std::span<const Scores> scores, std::span<const std::uint8_t> truth, bool emotion,
                std::size_t num_labels) {
  std::vector<LabelPair> pairs;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    pairs.push_back({truth[i], emotion ? scores[i].emotion : scores[i].topic});
  }
  return classification_report(confusion_matrix(pairs, num_labels)).macro_f1;
}

Result<Judgement> judge_file(const std::string& given, const Source& source, Backend& fp32,
                             Backend& engine) {
  const std::size_t equals = given.find('=');
  const std::string task = given.substr(0, equals);
  if (equals == std::string::npos || (task != "emotion" && task != "topic")) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--evaluate '{}': must be emotion=FILE or topic=FILE", given)};
  }
  const bool emotion = task == "emotion";
  const ManifestTask& spec = emotion ? source.manifest.emotion : source.manifest.topic;
  const std::string path = given.substr(equals + 1);
  TRY_ASSIGN(const LabelledFile file, read_labelled_file(path, {task, spec.labels}, {}));
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<std::uint8_t> truth;
  for (const LabelledText& text : file.texts) {
    ids.push_back(source.encode(text.text));
    truth.push_back(text.label);
  }
  const std::vector<TokenIds> texts(ids.begin(), ids.end());
  TRY_ASSIGN(const std::vector<Scores> was, score_texts(fp32, texts));
  TRY_ASSIGN(const std::vector<Scores> is, score_texts(engine, texts));
  const Comparison same = compare_scores(source.manifest.labels, was, is);
  Judgement judgement{task, std::filesystem::path(path).filename().string(), true, ids.size()};
  judgement.fp32 = macro_f1(was, truth, emotion, spec.labels.size());
  judgement.engine = macro_f1(is, truth, emotion, spec.labels.size());
  judgement.drop = judgement.fp32 - judgement.engine;
  judgement.agreement = emotion ? same.emotion.agreement : same.topic.agreement;
  return judgement;
}

// Every --evaluate, and the golden texts for a task that none is of.
Result<std::vector<Judgement>> judge(const BuildEngineOptions& options, const Source& source,
                                     Backend& fp32, Backend& engine) {
  std::vector<Judgement> judgements;
  for (const std::string& given : options.evaluate) {
    step("checking on " + given);
    TRY_ASSIGN(Judgement judgement, judge_file(given, source, fp32, engine));
    judgements.push_back(std::move(judgement));
  }
  TRY_ASSIGN(const std::vector<GoldenText> golden,
             parse_golden_set(bundled_golden_json(), source.manifest.labels, "golden.json"));
  std::vector<std::vector<std::int32_t>> ids;
  for (const GoldenText& text : golden) ids.push_back(source.encode(text.text));
  const std::vector<TokenIds> texts(ids.begin(), ids.end());
  TRY_ASSIGN(const std::vector<Scores> was, score_texts(fp32, texts));
  TRY_ASSIGN(const std::vector<Scores> is, score_texts(engine, texts));
  const Comparison same = compare_scores(source.manifest.labels, was, is);
  for (const auto& [task, figures] :
       {std::pair{"emotion", &same.emotion}, std::pair{"topic", &same.topic}}) {
    const bool known = std::any_of(judgements.begin(), judgements.end(),
                                   [&](const Judgement& j) { return j.task == task; });
    if (known) continue;
    Judgement judgement{task, "golden texts", false, ids.size()};
    judgement.drop = figures->expected_drop;
    judgement.agreement = figures->agreement;
    judgements.push_back(std::move(judgement));
  }
  return judgements;
}

Json judgements_json(const std::vector<Judgement>& judgements) {
  Json list = Json::array();
  for (const Judgement& j : judgements) {
    Json entry{{"task", j.task}, {"texts", j.texts}, {"n", j.n}};
    if (j.truth) {
      entry["macro_f1_fp32"] = j.fp32;
      entry["macro_f1"] = j.engine;
    }
    entry["drop"] = j.drop;
    entry["agreement"] = j.agreement;
    list.push_back(std::move(entry));
  }
  return list;
}

Status check_options(const BuildEngineOptions& options) {
  if (options.backend != "tensorrt" &&
      (options.precision == "fp16" || options.precision == "fp8")) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("--precision {} needs --backend tensorrt; a CPU computes in fp32 or int8",
                    options.precision)};
  }
  if (!eight_bit(options) && !options.calibration.empty()) {
    return Error{Code::kInvalidArgument, "--calibration goes with --precision int8 or fp8"};
  }
  const std::filesystem::path output = options.output;
  if (const Status named = check_engine_name(output.filename().string()); !named) {
    return Error{named.error().code, fmt::format("--output: {}", named.error().message)};
  }
  return {};
}

Status build(const BuildEngineOptions& options) {
  TRY(check_options(options));
  SystemClock clock;
  const SteadyTime started = clock.steady_now();
  TRY_ASSIGN(const Config config, resolve_config(options.common));
  TRY_ASSIGN(Source source, open_source(options, config));
  TRY_ASSIGN(const TemporaryFolder folder, TemporaryFolder::create());
  if (options.backend == "tensorrt") TRY(tensorrt_compatibility());  // before minutes of work
  const bool int8 = eight_bit(options);
  if (!options.calibration.empty()) {
    TRY(calibrate(options, config, folder.path(), clock, source));
  }
  if (int8 && !source.manifest.calibration) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("'{}' has no INT8 calibration: name texts with --calibration FILE",
                             source.from)};
  }
  if (int8) TRY(verify_manifest_file(*source.manifest.calibration));
  step("loading FP32");
  BackendOptions reference;
  if (options.backend == "tensorrt") reference.kind = BackendKind::kOpenVino;
  ModelRegistry registry(config.models(), reference);
  TRY_ASSIGN(const std::shared_ptr<const Model> fp32,
             registry.load_manifest(source.manifest, Precision::kFp32));
  const Precision precision = int8 ? Precision::kInt8 : Precision::kFp32;
  TRY_ASSIGN(Draft draft, draft_engine(options, source, precision, clock));
  // What is judged is what a swap would load.
  const std::filesystem::path trial = std::filesystem::path(folder.path()) / "trial.engine";
  TRY(draft.write(trial));
  TRY_ASSIGN(const std::shared_ptr<const Model> engine, load_engine(registry, trial, *fp32));
  TRY_ASSIGN(const std::vector<Judgement> judgements,
             judge(options, source, *fp32->backend, *engine->backend));
  const auto worst =
      std::max_element(judgements.begin(), judgements.end(),
                       [](const Judgement& a, const Judgement& b) { return a.drop < b.drop; });
  const bool refused = worst->drop > kDropMax && !options.allow_drop;
  Json report{{"engine", refused ? Json(nullptr) : Json(options.output)},
              {"model", source.manifest.name},
              {"version", source.manifest.version},
              {"kind", draft.header.kind},
              {"backend", engine->backend->name()},
              {"precision", engine->backend->precision()},
              {"compatibility", draft.header.compatibility},
              {"accuracy", judgements_json(judgements)}};
  if (!refused) {
    draft.header.accuracy_json = Json{{"against_fp32", judgements_json(judgements)}}.dump();
    TRY(draft.write(options.output));
    TRY_ASSIGN(report["sha256"], sha256_of_file(options.output));
    report["bytes"] = std::filesystem::file_size(options.output);
  }
  report["seconds"] = std::chrono::duration<double>(clock.steady_now() - started).count();
  if (options.json) {
    fmt::print("{}\n", report.dump());
  } else {
    fmt::print("{} {}: {} engine, runs as {}\n\n", source.manifest.name, source.manifest.version,
               draft.header.kind, engine->backend->precision());
    fmt::print("{:<9}{:<28}{:>6}{:>9}{:>9}{:>8}{:>12}\n", "task", "texts", "n", "FP32", "engine",
               "drop", "agreement");
    for (const Judgement& j : judgements) {
      const auto points = [&](double f1) {
        return j.truth ? fmt::format("{:.2f}", 100 * f1) : std::string{"-"};
      };
      fmt::print("{:<9}{:<28}{:>6}{:>9}{:>9}{:>8.2f}{:>10.2f} %\n", j.task, j.texts, j.n,
                 points(j.fp32), points(j.engine), 100 * j.drop, 100 * j.agreement);
    }
    if (!refused) {
      fmt::print("\nwritten: {} ({:.1f} MB)\n", options.output,
                 static_cast<double>(std::filesystem::file_size(options.output)) / 1e6);
    }
  }
  std::fflush(stdout);
  if (!refused) return {};
  return Error{Code::kFailedPrecondition,
               fmt::format("not written: the engine drops {:.2f} points of macro-F1 against FP32 "
                           "({} on {}), more than {:.1f}; calibrate on more texts, or write it all "
                           "the same with --allow-drop",
                           100 * worst->drop, worst->task, worst->texts, 100 * kDropMax)};
}

}  // namespace

int run_build_engine(const BuildEngineOptions& given) {
  BuildEngineOptions options = given;
  if (options.precision.empty())
    options.precision = options.backend == "tensorrt" ? "fp16" : "fp32";
  const Status status = build(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
