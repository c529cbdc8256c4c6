// SPDX-License-Identifier: Apache-2.0
// evaluate: how well a model labels files of texts whose labels are known.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "app/cascade_curve.h"
#include "app/classification_text.h"
#include "app/cli_support.h"
#include "app/commands.h"
#include "app/inference.h"
#include "app/labelled_file.h"
#include "infer/classification_report.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kEvaluateBatch = 2'048;
constexpr std::size_t kUnmappedShown = 8;

struct Prediction {
  std::uint8_t label = kNoLabel;
  float probability = 0;  // 0 for a text that no model sees (an empty one)
};

Prediction predicted(const Scores& scores, bool emotion) {
  const std::uint8_t label = emotion ? scores.emotion : scores.topic;
  if (label == kNoLabel) return {};
  return {label, emotion ? scores.emotion_prob[label] : scores.topic_prob[label]};
}

// Everything that was read, and what the model said of it.
struct Evaluation {
  std::string model;
  std::string version;
  std::string precision;
  TaskLabels labels;
  std::vector<LabelledFile> files;
  std::vector<Prediction> predictions;     // of the files' texts, in order
  std::vector<LabelPair> pairs;            // the same with the truth
  double seconds = 0;                      // tokenizing and computing; neither reading nor loading
  std::optional<std::uint64_t> escalated;  // by a cascade

  std::string_view label_name(std::uint8_t label) const {
    return label < labels.names.size() ? std::string_view{labels.names[label]} : "unknown";
  }
};

Status read_files(const EvaluateOptions& options, Evaluation& evaluation) {
  LabelledFileOptions reading;
  std::optional<LabelMap> map;
  if (!options.map_file.empty()) {
    TRY_ASSIGN(map, LabelMap::read(options.map_file, evaluation.labels));
    reading.map = &*map;
  }
  reading.column = options.column;
  for (const std::string& path : options.files) {
    TRY_ASSIGN(LabelledFile file, read_labelled_file(path, evaluation.labels, reading));
    evaluation.files.push_back(std::move(file));
  }
  return {};
}

// Opened before the work, so that hours are not lost to a mistyped folder. `path` empty: not open.
Result<std::ofstream> open_output(std::string_view option, const std::string& path,
                                  const EvaluateOptions& options) {
  std::ofstream out;
  if (path.empty()) return out;
  std::vector<std::string> inputs = options.files;
  inputs.push_back(options.map_file);
  if (option == "--curve") inputs.push_back(options.predictions_file);
  for (const std::string& input : inputs) {
    std::error_code missing;
    if (std::filesystem::equivalent(input, path, missing)) {
      return Error{
          Code::kInvalidArgument,
          fmt::format("{} {}: is used by this command already; name another file", option, input)};
    }
  }
  out.open(path, std::ios::binary);
  if (!out) {
    return Error{Code::kPermissionDenied, fmt::format("{} {}: cannot be written", option, path)};
  }
  return out;
}

// The scores of all texts, in order; adds what it took to the evaluation's seconds.
Result<std::vector<Scores>> classify_all(Inference& inference, const Clock& clock,
                                         Evaluation& evaluation) {
  std::vector<Scores> all;
  std::size_t total = 0;
  for (const LabelledFile& file : evaluation.files) total += file.texts.size();
  Progress progress("evaluate", clock);
  std::vector<std::string> batch;
  const SteadyTime started = clock.steady_now();
  for (const LabelledFile& file : evaluation.files) {
    for (std::size_t first = 0; first < file.texts.size(); first += kEvaluateBatch) {
      const std::size_t last = std::min(first + kEvaluateBatch, file.texts.size());
      batch.clear();
      for (std::size_t i = first; i < last; ++i) batch.push_back(file.texts[i].text);
      TRY_ASSIGN(const std::vector<Scores> scores, inference.classify(batch));
      all.insert(all.end(), scores.begin(), scores.end());
      progress.show(all.size(), total, all.size());
    }
  }
  evaluation.seconds += std::chrono::duration<double>(clock.steady_now() - started).count();
  return all;
}

void take_predictions(const std::vector<Scores>& scores, Evaluation& evaluation) {
  const bool emotion = evaluation.labels.task == "emotion";
  std::size_t next = 0;
  for (const LabelledFile& file : evaluation.files) {
    for (const LabelledText& text : file.texts) {
      const Prediction prediction = predicted(scores[next++], emotion);
      evaluation.predictions.push_back(prediction);
      evaluation.pairs.push_back({text.label, prediction.label});
    }
  }
}

Status write_predictions(const Evaluation& evaluation, const std::string& path,
                         std::ofstream& out) {
  out << "line\tlabel\tpredicted\tprobability\ttext\n";
  std::size_t next = 0;
  for (const LabelledFile& file : evaluation.files) {
    for (const LabelledText& text : file.texts) {
      const Prediction& prediction = evaluation.predictions[next++];
      out << fmt::format("{}\t{}\t{}\t{:.6f}\t{}\n", text.line, evaluation.label_name(text.label),
                         evaluation.label_name(prediction.label), prediction.probability,
                         text.text);
    }
  }
  out.close();
  if (!out) {
    return Error{Code::kUnavailable, fmt::format("{}: writing failed; is the disk full?", path)};
  }
  return {};
}

struct Skipped {
  std::uint64_t unmapped = 0;
  std::uint64_t blank = 0;
  std::map<std::string, std::uint64_t> unmapped_labels;
};

// The figures of an evaluation, as both outputs show them.
struct Summary {
  ConfusionMatrix confusion;
  ClassificationReport report;
  Skipped skipped;
  double posts_per_second = 0;
};

Summary summarise(const Evaluation& evaluation) {
  const ConfusionMatrix confusion =
      confusion_matrix(evaluation.pairs, evaluation.labels.names.size());
  Summary summary{confusion, classification_report(confusion), {}, 0};
  for (const LabelledFile& file : evaluation.files) {
    summary.skipped.unmapped += file.unmapped;
    summary.skipped.blank += file.blank;
    for (const auto& [label, count] : file.unmapped_labels) {
      summary.skipped.unmapped_labels[label] += count;
    }
  }
  if (evaluation.seconds > 0) {
    summary.posts_per_second = static_cast<double>(evaluation.pairs.size()) / evaluation.seconds;
  }
  return summary;
}

// Square, rows the truth. "unknown" stands last, and only when something was predicted so.
Json confusion_json(const Evaluation& evaluation, const ConfusionMatrix& confusion) {
  const std::size_t labels = confusion.num_labels();
  bool any_unknown = false;
  for (std::size_t truth = 0; truth < labels; ++truth) any_unknown |= confusion.unknown(truth) > 0;
  const std::size_t columns = labels + (any_unknown ? 1 : 0);
  Json names = evaluation.labels.names;
  if (any_unknown) names.push_back("unknown");
  Json matrix = Json::array();
  for (std::size_t truth = 0; truth < columns; ++truth) {
    Json row = Json::array();
    for (std::size_t column = 0; column < columns; ++column) {
      row.push_back(truth < labels ? confusion.at(truth, column) : 0);
    }
    matrix.push_back(std::move(row));
  }
  return {{"labels", std::move(names)}, {"matrix", std::move(matrix)}};
}

Json evaluation_json(const Evaluation& evaluation, bool with_predictions) {
  const Summary summary = summarise(evaluation);
  const ClassificationReport& report = summary.report;
  const ReportIntervals intervals =
      bootstrap_intervals(evaluation.pairs, evaluation.labels.names.size());
  Json files = Json::array();
  for (const LabelledFile& file : evaluation.files) files.push_back(file.name);
  Json per_label = Json::object();
  for (const LabelReport& label : report.per_label) {
    per_label[std::string{evaluation.label_name(label.label)}] = {{"precision", label.precision},
                                                                  {"recall", label.recall},
                                                                  {"f1", label.f1},
                                                                  {"support", label.support}};
  }
  const Skipped& skipped = summary.skipped;
  Json json{{"model", evaluation.model},
            {"version", evaluation.version},
            {"precision", evaluation.precision},
            {"task", evaluation.labels.task},
            {"files", std::move(files)},
            {"n", report.n},
            {"accuracy", report.accuracy},
            {"accuracy_95", {intervals.accuracy.low, intervals.accuracy.high}},
            {"macro_f1", report.macro_f1},
            {"macro_f1_95", {intervals.macro_f1.low, intervals.macro_f1.high}},
            {"per_label", std::move(per_label)},
            {"confusion", confusion_json(evaluation, summary.confusion)},
            {"skipped", {{"unmapped", skipped.unmapped}, {"blank", skipped.blank}}},
            {"posts_per_second", summary.posts_per_second}};
  if (evaluation.escalated) json["escalated"] = *evaluation.escalated;
  if (with_predictions) {
    Json predictions = Json::array();
    for (const Prediction& p : evaluation.predictions) {
      predictions.push_back(evaluation.label_name(p.label));
    }
    json["predictions"] = std::move(predictions);
  }
  return json;
}

std::string unmapped_text(const Skipped& skipped) {
  std::vector<std::pair<std::uint64_t, std::string>> by_count;
  by_count.reserve(skipped.unmapped_labels.size());
  for (const auto& [label, count] : skipped.unmapped_labels) by_count.emplace_back(count, label);
  std::sort(by_count.rbegin(), by_count.rend());
  std::string text;
  for (std::size_t i = 0; i < std::min(by_count.size(), kUnmappedShown); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted_cell(by_count[i].second),
                        by_count[i].first);
  }
  return by_count.size() > kUnmappedShown ? text + ", …" : text;
}

void print_for_people(const Evaluation& evaluation, bool with_intervals) {
  const Summary summary = summarise(evaluation);
  const ClassificationReport& report = summary.report;
  const Skipped& skipped = summary.skipped;
  std::string accuracy_95;
  std::string macro_f1_95;
  if (with_intervals) {
    const ReportIntervals intervals =
        bootstrap_intervals(evaluation.pairs, evaluation.labels.names.size());
    const auto text = [](const Interval& i) {
      return fmt::format("   95 % interval {:.4f} to {:.4f}", i.low, i.high);
    };
    accuracy_95 = text(intervals.accuracy);
    macro_f1_95 = text(intervals.macro_f1);
  }
  fmt::print("model     {} {}, {}\n", evaluation.model, evaluation.version, evaluation.precision);
  fmt::print("task      {}\n", evaluation.labels.task);
  fmt::print("n         {} at {:.0f} posts/s\n", report.n, summary.posts_per_second);
  if (evaluation.escalated) {
    fmt::print("cascade   {} texts were in doubt and went to '{}'\n", *evaluation.escalated,
               kCascadeSecond);
  }
  if (skipped.unmapped > 0) {
    fmt::print("skipped   {} rows whose label is not mapped: {}\n", skipped.unmapped,
               unmapped_text(skipped));
  }
  if (skipped.blank > 0) fmt::print("skipped   {} blank lines\n", skipped.blank);
  fmt::print("accuracy  {:.4f}{}\n", report.accuracy, accuracy_95);
  fmt::print("macro-F1  {:.4f}{}\n\n", report.macro_f1, macro_f1_95);
  const bool colour = stdout_takes_colour();
  fmt::print("{}\n", per_label_text(report, evaluation.labels.names));
  fmt::print("{}", confusion_text(summary.confusion, evaluation.labels.names, colour));
}

// Runs each model of the cascade once over everything, writes the curve, and gives the scores that
// the cascade would have given with the configured margins.
Result<std::vector<Scores>> trace_curve(const Config& config, ModelRegistry& registry,
                                        const Clock& clock, Evaluation& evaluation,
                                        std::ofstream& out) {
  std::vector<std::vector<Scores>> passes;
  std::vector<double> seconds;
  Json models = Json::array();
  for (const std::string_view name : {kCascadeFirst, kCascadeSecond}) {
    Inference::Options alone = config.inference;
    alone.model = name;
    Metrics metrics;
    TRY_ASSIGN(const auto inference, Inference::create(registry, alone, clock, metrics));
    evaluation.seconds = 0;
    TRY_ASSIGN(std::vector<Scores> scores, classify_all(*inference, clock, evaluation));
    passes.push_back(std::move(scores));
    seconds.push_back(evaluation.seconds);
    models.push_back({{"name", name},
                      {"version", inference->version()},
                      {"precision", inference->model()->backend->precision()},
                      {"seconds", evaluation.seconds}});
  }
  std::vector<std::uint8_t> truth;
  Json files = Json::array();
  for (const LabelledFile& file : evaluation.files) {
    files.push_back(file.name);
    for (const LabelledText& text : file.texts) truth.push_back(text.label);
  }
  const bool emotion = evaluation.labels.task == "emotion";
  const CascadeMargins& margins = config.inference.margins;
  Json points = Json::array();
  for (const CascadeCurvePoint& point :
       cascade_curve(emotion, margins.topic_floor, passes[0], passes[1], truth,
                     evaluation.labels.names.size())) {
    points.push_back({{"margin", point.margin},
                      {"escalated", point.escalated},
                      {"accuracy", point.accuracy},
                      {"macro_f1", point.macro_f1},
                      {"agreement", point.agreement},
                      {"relative_cost", 1 + point.escalated * seconds[1] / seconds[0]}});
  }
  const Json json{{"task", evaluation.labels.task},
                  {"files", std::move(files)},
                  {"n", truth.size()},
                  {"models", std::move(models)},
                  {"topic_floor", margins.topic_floor},
                  {"margin", emotion ? margins.emotion : margins.topic},
                  {"points", std::move(points)}};
  out << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  if (!out.flush()) return Error{Code::kUnavailable, "--curve: writing failed; is the disk full?"};

  std::vector<Scores> answers = std::move(passes[0]);
  std::uint64_t escalated = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].model.value == 0 || !cascade_doubt(margins, answers[i]).any()) continue;
    answers[i] = passes[1][i];
    ++escalated;
  }
  evaluation.escalated = escalated;
  evaluation.seconds =
      seconds[0] + seconds[1] * static_cast<double>(escalated) /
                       static_cast<double>(std::max<std::size_t>(1, answers.size()));
  return answers;
}

Status evaluate(const EvaluateOptions& options) {
  TRY_ASSIGN(Config config, resolve_config(options.common));
  config.inference.cache_bytes_max = 0;  // every text is computed, and speed is the model's own
  SystemClock clock;
  Metrics metrics;
  ModelRegistry registry(config.models(), config.backend_options());
  const bool cascade = config.inference.model == kCascadeName;
  if (!cascade && (options.margin || !options.curve_file.empty())) {
    return Error{Code::kInvalidArgument, "--margin and --curve need --model auto"};
  }
  CascadeMargins& margins = config.inference.margins;
  if (options.margin) {
    (options.task == "emotion" ? margins.emotion : margins.topic) = *options.margin;
  }
  TRY_ASSIGN(const auto inference, Inference::create(registry, config.inference, clock, metrics));
  Evaluation evaluation;
  evaluation.model = inference->name();
  evaluation.version = inference->version();
  for (const auto& model : inference->models()) {
    const std::string precision = model->backend->precision();
    if (precision == evaluation.precision) continue;
    evaluation.precision += (evaluation.precision.empty() ? "" : "+") + precision;
  }
  const LabelSchema& schema = inference->labels();
  evaluation.labels = {options.task, options.task == "emotion" ? schema.emotions : schema.topics};
  TRY(read_files(options, evaluation));
  TRY_ASSIGN(std::ofstream predictions,
             open_output("--predictions", options.predictions_file, options));
  TRY_ASSIGN(std::ofstream curve, open_output("--curve", options.curve_file, options));
  std::vector<Scores> scores;
  if (options.curve_file.empty()) {
    TRY_ASSIGN(scores, classify_all(*inference, clock, evaluation));
    if (cascade) evaluation.escalated = metrics.cascade_escalated().value();
  } else {
    TRY_ASSIGN(scores, trace_curve(config, registry, clock, evaluation, curve));
  }
  take_predictions(scores, evaluation);
  if (!options.predictions_file.empty()) {
    TRY(write_predictions(evaluation, options.predictions_file, predictions));
  }
  if (options.json) {
    const Json json = evaluation_json(evaluation, !options.predictions_file.empty());
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_for_people(evaluation, options.intervals);
  }
  return {};
}

}  // namespace

int run_evaluate(const EvaluateOptions& options) {
  const Status status = evaluate(options);
  std::fflush(stdout);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
