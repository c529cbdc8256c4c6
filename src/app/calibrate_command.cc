// SPDX-License-Identifier: Apache-2.0
// calibrate: makes a model's INT8 recipe from texts, says what it costs, and writes it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/inference.h"
#include "app/labelled_file.h"
#include "app/text_files.h"
#include "core/rfc3339.h"
#include "infer/calibration/calibration_set.h"
#include "infer/calibration/calibrator.h"
#include "infer/cascade.h"
#include "infer/classification_report.h"
#include "infer/model_registry.h"
#include "store/recent_texts.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTextsMin = 32;          // fewer give no ranges worth the name
constexpr std::size_t kJudgingTextsMin = 200;  // fewer are no evidence that INT8 keeps its answers
constexpr double kDropMax = 0.008;             // of macro-F1
constexpr const char* kRecipeName = "int8.json";

// One place where INT8 is held against FP32. Without truth the macro-F1s are those to be expected
// under FP32's probabilities.
struct Judgement {
  std::string task;
  std::string source;  // a file's name, or "set"
  bool slang = false;  // only the texts with slang
  bool truth = false;
  std::uint64_t n = 0;
  double fp32 = 0;
  double int8 = 0;
  double agreement = 0;
  double drop() const { return fp32 - int8; }
  // A drop over all of a file counts however small the file; a slice must be large enough.
  bool decides() const { return !slang || n >= kJudgingTextsMin; }
};

// What the command works with.
struct Workplace {
  Config config;
  std::filesystem::path folder;  // the model's
  ModelManifest manifest;
  std::optional<Tokenizer> tokenizer;
  std::optional<TermList> slang;
  std::optional<TermList> dialect;

  std::vector<std::int32_t> encode(std::string_view text) const {
    std::array<std::int32_t, 512> ids;  // filled by encode
    const std::size_t count = tokenizer->encode(text, ids);
    return {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)};
  }
};

Result<std::chrono::hours> parse_since(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc{} && number > 0 && number <= 36'500) {
    if (unit == "h") return std::chrono::hours{number};
    if (unit == "d") return std::chrono::hours{24 * number};
    if (unit == "w") return std::chrono::hours{24 * 7 * number};
  }
  return Error{
      Code::kInvalidArgument,
      fmt::format("--since '{}': must be a number of hours, days or weeks such as 90d", text)};
}

// A list beside the models, or the bundled one.
Result<TermList> read_terms(const std::filesystem::path& models, const char* name) {
  std::error_code ignored;
  const std::filesystem::path own = models / name;
  return TermList::read(std::filesystem::exists(own, ignored) ? own : bundled_models_dir() / name);
}

Result<Workplace> open_workplace(const CalibrateOptions& options) {
  Workplace place;
  TRY_ASSIGN(place.config, resolve_config(options.common));
  const std::string& name = place.config.inference.model;
  if (name == "none" || name == kCascadeName) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--model {}: name one model, such as fast or base", name)};
  }
  const std::filesystem::path models = place.config.models();
  place.folder = models / name;
  TRY_ASSIGN(place.manifest, read_manifest(place.folder));
  place.manifest.calibration.reset();  // it is made anew, whatever became of the old one
  TRY(verify_manifest_files(place.manifest));
  TRY_ASSIGN(place.tokenizer, load_tokenizer(place.manifest));
  TRY_ASSIGN(place.slang, read_terms(models, "slang.txt"));
  TRY_ASSIGN(place.dialect, read_terms(models, "dialect.txt"));
  return place;
}

struct Drawn {
  CalibrationSample sample;
  std::string source;
  std::uint64_t skipped = 0;
};

Result<Drawn> draw_set(const CalibrateOptions& options, const Workplace& place,
                       const Clock& clock) {
  Drawn drawn;
  CalibrationSampler sampler({options.size, options.seed, options.exclude_slang},
                             place.tokenizer->vocabulary().size());
  Progress progress("calibrate: reading", clock);
  std::uint64_t count = 0;
  const auto take = [&](std::string_view text) {
    const std::vector<std::int32_t> ids = place.encode(text);
    sampler.add(ids, strata_of(text, ids.size() - 2, *place.slang, *place.dialect));
    progress.show(0, 0, ++count);
  };
  for (const std::string& file : options.texts) {
    TRY(read_text_file(file, place.config.decode.line_bytes_max, take, drawn.skipped));
  }
  if (!options.texts.empty()) {
    drawn.source = fmt::format("{} file{} of texts", options.texts.size(),
                               options.texts.size() == 1 ? "" : "s");
  }
  if (options.from_store) {
    TRY_ASSIGN(const std::chrono::hours since, parse_since(options.since));
    const std::filesystem::path dir =
        options.data_dir.empty() ? place.config.store.dir : std::filesystem::path{options.data_dir};
    TRY_ASSIGN(const std::uint64_t read,
               read_recent_texts(dir, clock.wall_now() - since, [&](std::string_view text) {
                 take(text);
                 return true;
               }));
    static_cast<void>(read);
    drawn.source += fmt::format("{}the engine's own posts of the last {}",
                                drawn.source.empty() ? "" : " and ", options.since);
  }
  if (!options.note.empty()) drawn.source = options.note;
  if (options.exclude_slang) drawn.source += "; slang left out";
  drawn.sample = sampler.draw();
  if (drawn.sample.texts.size() < kTextsMin) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("{} different texts were found; a calibration needs at least {}",
                             drawn.sample.texts.size(), kTextsMin)};
  }
  return drawn;
}

double macro_f1(std::span<const Scores> scores, std::span<const std::uint8_t> truth, bool emotion,
                std::size_t num_labels) {
  std::vector<LabelPair> pairs;
  pairs.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    pairs.push_back({truth[i], emotion ? scores[i].emotion : scores[i].topic});
  }
  return classification_report(confusion_matrix(pairs, num_labels)).macro_f1;
}

// Texts whose truth is known, and both models' answers.
struct Evaluated {
  std::string task;
  std::string name;
  std::vector<std::uint8_t> truth;
  std::vector<bool> slang;
  std::vector<Scores> fp32;
  std::vector<Scores> int8;
};

Judgement judge_file(const Evaluated& e, const LabelSchema& labels, bool slang_only) {
  const bool emotion = e.task == "emotion";
  std::vector<std::uint8_t> truth;
  std::vector<Scores> fp32;
  std::vector<Scores> int8;
  for (std::size_t i = 0; i < e.truth.size(); ++i) {
    if (slang_only && !e.slang[i]) continue;
    truth.push_back(e.truth[i]);
    fp32.push_back(e.fp32[i]);
    int8.push_back(e.int8[i]);
  }
  const std::size_t num_labels = emotion ? labels.emotions.size() : labels.topics.size();
  const Comparison same = compare_scores(labels, fp32, int8);
  return {e.task,
          e.name,
          slang_only,
          true,
          truth.size(),
          macro_f1(fp32, truth, emotion, num_labels),
          macro_f1(int8, truth, emotion, num_labels),
          emotion ? same.emotion.agreement : same.topic.agreement};
}

// The slang of several files of one task, which may be too little in each.
void judge_slang_together(std::span<const Evaluated> files, const LabelSchema& labels,
                          std::vector<Judgement>& judgements) {
  for (const char* task : {"emotion", "topic"}) {
    Evaluated all;
    std::size_t parts = 0;
    for (const Evaluated& e : files) {
      if (e.task != task) continue;
      ++parts;
      all.truth.insert(all.truth.end(), e.truth.begin(), e.truth.end());
      all.slang.insert(all.slang.end(), e.slang.begin(), e.slang.end());
      all.fp32.insert(all.fp32.end(), e.fp32.begin(), e.fp32.end());
      all.int8.insert(all.int8.end(), e.int8.begin(), e.int8.end());
    }
    if (parts < 2) continue;
    all.task = task;
    all.name = fmt::format("these {} files", parts);
    const Judgement judgement = judge_file(all, labels, /*slang_only=*/true);
    if (judgement.n > 0) judgements.push_back(judgement);
  }
}

// emotion=FILE or topic=FILE, of one --evaluate.
struct WantedFile {
  std::string task;
  std::string path;
};
Result<WantedFile> parse_wanted(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string task = text.substr(0, equals);
  if (equals == std::string::npos || (task != "emotion" && task != "topic")) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--evaluate '{}': must be emotion=FILE or topic=FILE", text)};
  }
  return WantedFile{task, text.substr(equals + 1)};
}

// Finds what is wrong with the options before the long work begins.
Status check_options(const CalibrateOptions& options) {
  if (options.texts.empty() && !options.from_store) {
    return Error{Code::kInvalidArgument,
                 "nothing to draw from: name texts with --texts FILE, or --from-store"};
  }
  TRY(parse_since(options.since));
  for (const std::string& name : options.methods) TRY(parse_range_method(name));
  for (const std::string& text : options.evaluate) {
    TRY_ASSIGN(const WantedFile wanted, parse_wanted(text));
    std::error_code ignored;
    if (!std::filesystem::exists(wanted.path, ignored)) {
      return Error{Code::kNotFound, fmt::format("--evaluate {}: no such file", wanted.path)};
    }
  }
  return {};
}

Result<std::vector<Judgement>> judge_files(const CalibrateOptions& options, const Workplace& place,
                                           const CalibrationRecipe& recipe) {
  std::vector<Judgement> judgements;
  if (options.evaluate.empty()) return judgements;
  TRY_ASSIGN(const auto fp32, load_openvino_backend(place.manifest, BackendOptions{}));
  TRY_ASSIGN(const auto int8, load_openvino_int8(place.manifest, recipe, BackendOptions{}));
  std::vector<Evaluated> files;
  for (const std::string& given : options.evaluate) {
    TRY_ASSIGN(const WantedFile wanted, parse_wanted(given));
    const std::string& task = wanted.task;
    const std::string& path = wanted.path;
    const ManifestTask& spec = task == "emotion" ? place.manifest.emotion : place.manifest.topic;
    TRY_ASSIGN(const LabelledFile file, read_labelled_file(path, {task, spec.labels}, {}));
    Evaluated e;
    e.task = task;
    e.name = std::filesystem::path{path}.filename().string();
    std::vector<std::vector<std::int32_t>> ids;
    for (const LabelledText& text : file.texts) {
      ids.push_back(place.encode(text.text));
      e.truth.push_back(text.label);
      e.slang.push_back(place.slang->occurs_in(text.text));
    }
    const std::vector<TokenIds> texts(ids.begin(), ids.end());
    TRY_ASSIGN(e.fp32, score_texts(*fp32, texts));
    TRY_ASSIGN(e.int8, score_texts(*int8, texts));
    for (const bool slang_only : {false, true}) {
      const Judgement judgement = judge_file(e, place.manifest.labels, slang_only);
      if (judgement.n > 0) judgements.push_back(judgement);
    }
    files.push_back(std::move(e));
  }
  judge_slang_together(files, place.manifest.labels, judgements);
  return judgements;
}

// Where no file decides: the judging half of the set, by FP32's own probabilities.
void judge_set(const LabelSchema& labels, std::span<const SampledText* const> judging,
               const CalibratorOutcome& outcome, std::vector<Judgement>& judgements) {
  std::vector<Judgement> added;
  for (const bool slang_only : {false, true}) {
    std::vector<Scores> fp32;
    std::vector<Scores> int8;
    for (std::size_t i = 0; i < judging.size(); ++i) {
      if (slang_only && (judging[i]->strata & bit_of(Stratum::kSlang)) == 0) continue;
      fp32.push_back(outcome.fp32[i]);
      int8.push_back(outcome.int8[i]);
    }
    if (fp32.empty()) continue;
    const Comparison same = compare_scores(labels, fp32, int8);
    added.push_back({"emotion", "set", slang_only, false, fp32.size(), same.emotion.expected_drop,
                     0, same.emotion.agreement});
    added.push_back({"topic", "set", slang_only, false, fp32.size(), same.topic.expected_drop, 0,
                     same.topic.agreement});
  }
  for (Judgement& judgement : added) {
    const bool known = std::any_of(judgements.begin(), judgements.end(), [&](const Judgement& j) {
      return j.truth && j.task == judgement.task && j.slang == judgement.slang && j.decides();
    });
    if (!known) judgements.push_back(std::move(judgement));
  }
}

const Judgement* worst_of(const std::vector<Judgement>& judgements) {
  const Judgement* worst = nullptr;
  for (const Judgement& j : judgements) {
    if (j.decides() && (worst == nullptr || j.drop() > worst->drop())) worst = &j;
  }
  return worst;
}

// The most texts that any judgement over all kinds of text rests on.
std::uint64_t evidence_of(const std::vector<Judgement>& judgements) {
  std::uint64_t most = 0;
  for (const Judgement& j : judgements) {
    if (!j.slang) most = std::max(most, j.n);
  }
  return most;
}

// The model's folder as it is, or a copy of it to write into.
Result<std::filesystem::path> output_folder(const CalibrateOptions& options,
                                            const std::filesystem::path& folder) {
  if (options.output.empty()) return folder;
  const std::filesystem::path out = options.output;
  std::error_code error;
  if (std::filesystem::equivalent(out, folder, error)) return folder;
  std::filesystem::create_directories(out, error);
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::copy_file(entry.path(), out / entry.path().filename(),
                               std::filesystem::copy_options::overwrite_existing, error);
    if (error) break;
  }
  if (error) {
    return Error{Code::kPermissionDenied,
                 fmt::format("--output {}: {}", out.string(), error.message())};
  }
  return out;
}

// The recipe first, then the manifest that names it by its digest.
Status write_recipe(const std::filesystem::path& folder, const CalibrationRecipe& recipe) {
  const std::filesystem::path file = folder / kRecipeName;
  TRY(write_atomically(file, to_json(recipe)));
  TRY_ASSIGN(const std::string digest, sha256_of_file(file));
  const std::filesystem::path manifest = folder / "manifest.json";
  std::ifstream in(manifest);
  Json json = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Error{Code::kInvalidArgument, fmt::format("{}: not a JSON object", manifest.string())};
  }
  json["calibration"] = {{"file", kRecipeName}, {"sha256", digest}};
  return write_atomically(manifest, json.dump(2) + "\n");
}

struct Report {
  const Workplace& place;
  const Drawn& drawn;
  const CalibratorOutcome& outcome;
  const std::vector<Judgement>& judgements;
  std::string written;  // the recipe's file; empty: refused
};

Json comparison_json(const Comparison& c) {
  const auto task = [](const TaskAgreement& t) {
    return Json{{"agreement", t.agreement},
                {"agreement_macro_f1", t.agreement_f1},
                {"expected_drop", t.expected_drop}};
  };
  return {{"texts", c.texts},
          {"divergence", c.divergence},
          {"emotion", task(c.emotion)},
          {"topic", task(c.topic)}};
}

Json report_json(const Report& report) {
  const CalibrationRecipe& recipe = report.outcome.recipe;
  Json coverage = Json::array();
  for (const StratumCoverage& s : recipe.set.strata) {
    coverage.push_back({{"stratum", s.name}, {"found", s.found}, {"drawn", s.drawn}});
  }
  Json methods = Json::array();
  for (const MethodTrial& trial : report.outcome.trials) {
    methods.push_back({{"method", range_method_name(trial.method)},
                       {"comparison", comparison_json(trial.comparison)}});
  }
  Json kept = Json::array();
  for (const KeptLayer& layer : recipe.kept_fp32) {
    kept.push_back({{"node", layer.node},
                    {"weight", layer.weight},
                    {"reason", layer.reason},
                    {"divergence", layer.divergence}});
  }
  Json judgements = Json::array();
  for (const Judgement& j : report.judgements) {
    Json entry{{"task", j.task},
               {"source", j.source},
               {"slice", j.slang ? "slang" : "all"},
               {"truth", j.truth},
               {"n", j.n}};
    if (j.truth) {
      entry["macro_f1_fp32"] = j.fp32;
      entry["macro_f1_int8"] = j.int8;
    }
    entry["drop"] = j.drop();
    entry["agreement"] = j.agreement;
    judgements.push_back(std::move(entry));
  }
  return {{"model", recipe.model},
          {"version", recipe.model_version},
          {"precision", report.outcome.precision},
          {"written", !report.written.empty()},
          {"file", report.written},
          {"method", recipe.activations.front().method},
          {"layers", recipe.layers.size()},
          {"kept_fp32", std::move(kept)},
          {"set",
           {{"source", recipe.set.source},
            {"texts_read", recipe.set.texts_read},
            {"texts", recipe.set.texts},
            {"skipped", report.drawn.skipped},
            {"vocabulary_share", recipe.set.vocabulary_share},
            {"strata", std::move(coverage)}}},
          {"methods", std::move(methods)},
          {"comparison", comparison_json(report.outcome.comparison)},
          {"evaluation", std::move(judgements)},
          {"speedup", recipe.speedup}};
}

void print_report(const Report& report) {
  const CalibrationRecipe& recipe = report.outcome.recipe;
  fmt::print("{} {}: {} texts drawn of {} read ({} lines skipped), {:.1f} % of the tokens seen\n\n",
             recipe.model, recipe.model_version, recipe.set.texts, recipe.set.texts_read,
             report.drawn.skipped, 100 * recipe.set.vocabulary_share);
  fmt::print("{:<14}{:>10}{:>8}\n", "stratum", "found", "drawn");
  for (const StratumCoverage& s : recipe.set.strata) {
    fmt::print("{:<14}{:>10}{:>8}\n", s.name, s.found, s.drawn);
  }
  fmt::print("\n{:<20}{:>12}{:>12}{:>12}\n", "ranges by", "divergence", "= emotion", "= topic");
  for (const MethodTrial& trial : report.outcome.trials) {
    fmt::print("{:<20}{:>12.6f}{:>10.2f} %{:>10.2f} %\n", range_method_name(trial.method),
               trial.comparison.divergence, 100 * trial.comparison.emotion.agreement,
               100 * trial.comparison.topic.agreement);
  }
  fmt::print("\nchosen: {}; {} layers in INT8, {} kept in FP32", recipe.activations.front().method,
             recipe.layers.size(), recipe.kept_fp32.size());
  for (const KeptLayer& kept : recipe.kept_fp32) {
    fmt::print("{}{} ({})", &kept == &recipe.kept_fp32.front() ? ": " : ", ", kept.weight,
               kept.reason == "narrow" ? kept.reason : fmt::format("{:.4f}", kept.divergence));
  }
  fmt::print("\nruns as {}, {:.2f} times as fast as FP32 (one core, {} tokens)\n\n",
             report.outcome.precision, recipe.speedup, kSpeedTokens);
  fmt::print("{:<9}{:<28}{:<7}{:>6}{:>9}{:>9}{:>8}{:>12}\n", "task", "texts", "slice", "n", "FP32",
             "INT8", "drop", "agreement");
  for (const Judgement& j : report.judgements) {
    const auto points = [&](double f1) {
      return j.truth ? fmt::format("{:.2f}", 100 * f1) : std::string{"-"};
    };
    fmt::print("{:<9}{:<28}{:<7}{:>6}{:>9}{:>9}{:>8.2f}{:>10.2f} %\n", j.task, j.source,
               j.slang ? "slang" : "all", j.n, points(j.fp32), points(j.int8), 100 * j.drop(),
               100 * j.agreement);
  }
  if (!report.written.empty()) fmt::print("\nwritten: {}\n", report.written);
}

void warn_of_empty_strata(const std::vector<StratumCoverage>& strata) {
  for (const StratumCoverage& s : strata) {
    if (s.drawn == 0) {
      fmt::print(stderr, "tidewatch: warning: the set holds no text of the stratum '{}'\n", s.name);
    }
  }
}

Result<CalibratorOutcome> calibrate_on(const CalibrateOptions& options, const Workplace& place,
                                       std::span<const SampledText* const> ranging,
                                       std::span<const SampledText* const> judging) {
  CalibratorOptions calibrator;
  if (!options.methods.empty()) calibrator.methods.clear();
  for (const std::string& name : options.methods) {
    TRY_ASSIGN(const RangeMethod method, parse_range_method(name));
    calibrator.methods.push_back(method);
  }
  if (::isatty(STDERR_FILENO) == 1) {
    calibrator.progress = [](std::string_view step, std::size_t done, std::size_t total) {
      fmt::print(stderr, "\r\033[Kcalibrate: {} {}/{}", step, done, total);
      std::fflush(stderr);
    };
  }
  const auto ids_of = [](std::span<const SampledText* const> texts) {
    std::vector<TokenIds> ids;
    for (const SampledText* text : texts) ids.emplace_back(text->ids);
    return ids;
  };
  Result<CalibratorOutcome> outcome =
      calibrate_model(place.manifest, ids_of(ranging), ids_of(judging), calibrator);
  if (calibrator.progress) fmt::print(stderr, "\r\033[K");
  return outcome;
}

Status calibrate(const CalibrateOptions& options) {
  TRY(check_options(options));
  SystemClock clock;
  TRY_ASSIGN(const Workplace place, open_workplace(options));
  TRY_ASSIGN(const Drawn drawn, draw_set(options, place, clock));
  warn_of_empty_strata(drawn.sample.coverage);
  std::vector<const SampledText*> ranging;
  std::vector<const SampledText*> judging;
  for (std::size_t i = 0; i < drawn.sample.texts.size(); ++i) {
    (i % 2 == 0 ? ranging : judging).push_back(&drawn.sample.texts[i]);
  }
  TRY_ASSIGN(CalibratorOutcome outcome, calibrate_on(options, place, ranging, judging));
  outcome.recipe.set = {drawn.source,
                        to_rfc3339(clock.wall_now()).substr(0, 10),
                        drawn.sample.texts_read,
                        drawn.sample.texts.size(),
                        options.seed,
                        drawn.sample.vocabulary_share,
                        drawn.sample.coverage};
  TRY_ASSIGN(std::vector<Judgement> judgements, judge_files(options, place, outcome.recipe));
  judge_set(place.manifest.labels, judging, outcome, judgements);

  const Judgement* worst = worst_of(judgements);
  const bool drops = worst != nullptr && worst->drop() > kDropMax;
  const std::uint64_t evidence = evidence_of(judgements);
  const bool unproven = evidence < kJudgingTextsMin && !options.dry_run;
  const bool refused = (drops || unproven) && !options.allow_drop;
  Report report{place, drawn, outcome, judgements, {}};
  if (!refused && !options.dry_run) {
    TRY_ASSIGN(const std::filesystem::path folder, output_folder(options, place.folder));
    TRY(write_recipe(folder, outcome.recipe));
    report.written = (folder / kRecipeName).string();
  }
  if (options.json) {
    fmt::print("{}\n", report_json(report).dump());
  } else {
    print_report(report);
  }
  std::fflush(stdout);
  if (!refused) return {};
  if (!drops) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("not written: INT8 was held against FP32 on {} texts, fewer than {}; "
                             "draw a larger set or name a file with --evaluate, or write it all "
                             "the same with --allow-drop",
                             evidence, kJudgingTextsMin)};
  }
  return Error{Code::kFailedPrecondition,
               fmt::format("not written: INT8 drops {:.2f} points of macro-F1 ({} on {}{}), more "
                           "than {:.1f}; draw a larger set, or write it all the same with "
                           "--allow-drop",
                           100 * worst->drop(), worst->task, worst->source,
                           worst->slang ? ", slang only" : "", 100 * kDropMax)};
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
  const Status status = calibrate(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
