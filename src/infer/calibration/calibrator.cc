// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/calibrator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "infer/classification_report.h"
#include "infer/openvino/probe.h"

namespace tidewatch {
namespace {

constexpr float kLevelMax = 127;
constexpr float kScaleMin = 1e-8F;
constexpr int kSpeedRounds = 5;
constexpr std::chrono::milliseconds kSpeedSlice{100};

std::uint8_t label_of(const Scores& s, bool emotion) { return emotion ? s.emotion : s.topic; }
float probability_of(const Scores& s, bool emotion, std::size_t label) {
  return emotion ? s.emotion_prob[label] : s.topic_prob[label];
}

TaskAgreement compare_task(std::span<const Scores> fp32, std::span<const Scores> int8, bool emotion,
                           std::size_t num_labels, double& divergence) {
  constexpr double kProbabilityMin = 1e-9;
  std::vector<LabelPair> pairs;
  std::vector<std::vector<double>> truth;
  std::vector<std::uint8_t> said_fp32;
  std::vector<std::uint8_t> said_int8;
  for (std::size_t i = 0; i < fp32.size(); ++i) {
    said_fp32.push_back(label_of(fp32[i], emotion));
    said_int8.push_back(label_of(int8[i], emotion));
    pairs.push_back({said_fp32.back(), said_int8.back()});
    std::vector<double>& row = truth.emplace_back();
    for (std::size_t c = 0; c < num_labels; ++c) {
      const auto p = static_cast<double>(probability_of(fp32[i], emotion, c));
      const auto q = static_cast<double>(probability_of(int8[i], emotion, c));
      row.push_back(p);
      divergence += p * std::log(std::max(p, kProbabilityMin) / std::max(q, kProbabilityMin));
    }
  }
  const ClassificationReport report = classification_report(confusion_matrix(pairs, num_labels));
  return {report.accuracy, report.macro_f1,
          expected_macro_f1(truth, said_fp32, num_labels) -
              expected_macro_f1(truth, said_int8, num_labels)};
}

// What one trial needs; keeps the FP32 answers that all of them are compared with.
class Trials {
 public:
  Trials(const ModelManifest& manifest, const CalibratorOptions& options,
         std::span<const TokenIds> judging)
      : manifest_(manifest), options_(options), judging_(judging) {}

  Status observe(std::span<const TokenIds> ranging) {
    TRY_ASSIGN(const auto probe, TensorProbe::create(manifest_));
    layers_ = probe->layers();
    tensors_ = probe->tensors();
    histograms_.resize(tensors_.size());
    for (std::size_t i = 0; i < ranging.size(); ++i) {
      progress("ranges", i, ranging.size());
      TRY(probe->run(ranging[i], [&](std::size_t tensor, std::span<const float> values) {
        histograms_[tensor].add(values);
      }));
    }
    TRY_ASSIGN(const auto backend, load_openvino_backend(manifest_, backend_options()));
    TRY_ASSIGN(fp32_, score_texts(*backend, judging_));
    return {};
  }

  CalibrationRecipe recipe(const RangeMethod& method, const std::vector<bool>& quantised) const {
    CalibrationRecipe recipe;
    recipe.model = manifest_.name;
    recipe.model_version = manifest_.version;
    recipe.model_sha256 = manifest_.weights.sha256;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (!quantised[i]) continue;
      const GraphLayer& layer = layers_[i];
      QuantisedLayer& added = recipe.layers.emplace_back();
      added.node = layer.node;
      added.op = layer.op;
      added.input = layer.input;
      added.weight = layer.weight;
      added.axis = layer.axis;
      for (const float most : layer.weight_max) added.scales.push_back(scale_for(most));
      const auto same = [&](const ActivationScale& a) { return a.tensor == layer.input; };
      if (std::none_of(recipe.activations.begin(), recipe.activations.end(), same)) {
        recipe.activations.push_back({layer.input, range_method_name(method),
                                      scale_for(estimate_range(histogram(layer.input), method))});
      }
    }
    return recipe;
  }

  struct Trial {
    Comparison comparison;
    std::vector<Scores> scores;
    std::string precision;
  };
  Result<Trial> run(const CalibrationRecipe& recipe, std::size_t texts_max) const {
    const std::size_t texts = std::min(texts_max, judging_.size());
    TRY_ASSIGN(const auto backend, load_openvino_int8(manifest_, recipe, backend_options()));
    Trial trial;
    TRY_ASSIGN(trial.scores, score_texts(*backend, judging_.first(texts)));
    trial.comparison =
        compare_scores(manifest_.labels, std::span{fp32_}.first(texts), trial.scores);
    trial.precision = backend->precision();
    return trial;
  }

  // Tries every method; the one with the least divergence is `best`.
  Result<std::vector<MethodTrial>> try_methods(const std::vector<bool>& quantised,
                                               RangeMethod& best) const {
    std::vector<MethodTrial> trials;
    for (const RangeMethod& method : options_.methods) {
      progress("methods", trials.size(), options_.methods.size());
      TRY_ASSIGN(const Trial trial, run(recipe(method, quantised), judging_.size()));
      trials.push_back({method, trial.comparison});
    }
    const auto least = std::min_element(trials.begin(), trials.end(), [](auto& a, auto& b) {
      return a.comparison.divergence < b.comparison.divergence;
    });
    best = least->method;
    return trials;
  }

  // Switches off layers too narrow to gain.
  std::vector<KeptLayer> keep_narrow(std::vector<bool>& quantised) const {
    std::vector<KeptLayer> kept;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].weight_max.size() >= options_.channels_min) continue;
      quantised[i] = false;
      kept.push_back({layers_[i].node, layers_[i].weight, "narrow", 0});
    }
    return kept;
  }

  // Tries each layer alone and switches off those that move the answers too far.
  Result<std::vector<KeptLayer>> keep_sensitive(const RangeMethod& method,
                                                std::vector<bool>& quantised) const {
    std::vector<KeptLayer> kept;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      progress("layers", i, layers_.size());
      if (!quantised[i]) continue;
      std::vector<bool> alone(layers_.size(), false);
      alone[i] = true;
      TRY_ASSIGN(const Trial trial, run(recipe(method, alone), options_.layer_texts_max));
      if (trial.comparison.divergence <= options_.layer_divergence_max) continue;
      quantised[i] = false;
      kept.push_back(
          {layers_[i].node, layers_[i].weight, "sensitive", trial.comparison.divergence});
    }
    return kept;
  }

  // Texts a second of INT8 over FP32, one instance each, in turns; the best of some rounds.
  Result<double> speedup(const CalibrationRecipe& recipe) const {
    progress("speed", 0, 1);
    BackendOptions one;
    one.instances = 1;
    std::array<std::unique_ptr<Backend>, 2> backends;
    TRY_ASSIGN(backends[0], load_openvino_backend(manifest_, one));
    TRY_ASSIGN(backends[1], load_openvino_int8(manifest_, recipe, one));
    const std::vector<std::int32_t> text(kSpeedTokens, judging_[0].front());
    const std::array<std::uint32_t, 2> offsets{0, kSpeedTokens};
    std::array<double, 2> best{};
    std::array<Scores, 1> scores;
    for (int round = 0; round < kSpeedRounds; ++round) {
      for (std::size_t b = 0; b < 2; ++b) {
        using Steady = std::chrono::steady_clock;  // a measurement; decides nothing in a pipeline
        const auto start = Steady::now();
        double count = 0;
        while (Steady::now() - start < kSpeedSlice) {
          TRY(backends[b]->run(0, RaggedBatch{text, offsets}, scores));
          ++count;
        }
        best[b] =
            std::max(best[b], count / std::chrono::duration<double>(Steady::now() - start).count());
      }
    }
    return best[1] / best[0];
  }

  std::size_t num_layers() const { return layers_.size(); }
  std::vector<Scores> take_fp32() { return std::move(fp32_); }

 private:
  static float scale_for(float most) {
    return rounded_scale(std::max(most / kLevelMax, kScaleMin));
  }
  const MagnitudeHistogram& histogram(const std::string& tensor) const {
    const auto it = std::find(tensors_.begin(), tensors_.end(), tensor);
    return histograms_[static_cast<std::size_t>(it - tensors_.begin())];
  }
  BackendOptions backend_options() const {
    BackendOptions backend;
    backend.instances = options_.instances;
    return backend;
  }
  void progress(std::string_view step, std::size_t done, std::size_t total) const {
    if (options_.progress) options_.progress(step, done, total);
  }

  const ModelManifest& manifest_;
  const CalibratorOptions& options_;
  const std::span<const TokenIds> judging_;
  std::vector<GraphLayer> layers_;
  std::vector<std::string> tensors_;
  std::vector<MagnitudeHistogram> histograms_;
  std::vector<Scores> fp32_;
};

}  // namespace

double expected_macro_f1(std::span<const std::vector<double>> truth,
                         std::span<const std::uint8_t> predicted, std::size_t num_labels) {
  std::vector<double> right(num_labels);
  std::vector<double> sizes(num_labels);  // expected texts of the label plus texts it was said of
  for (std::size_t i = 0; i < truth.size(); ++i) {
    for (std::size_t c = 0; c < num_labels; ++c) sizes[c] += truth[i][c];
    if (predicted[i] >= num_labels) continue;
    right[predicted[i]] += truth[i][predicted[i]];
    sizes[predicted[i]] += 1;
  }
  double sum = 0;
  double count = 0;
  for (std::size_t c = 0; c < num_labels; ++c) {
    if (sizes[c] <= 0) continue;
    sum += 2 * right[c] / sizes[c];
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

Comparison compare_scores(const LabelSchema& labels, std::span<const Scores> fp32,
                          std::span<const Scores> int8) {
  Comparison comparison;
  comparison.texts = fp32.size();
  if (fp32.empty()) return comparison;
  double divergence = 0;
  comparison.emotion = compare_task(fp32, int8, true, labels.emotions.size(), divergence);
  comparison.topic = compare_task(fp32, int8, false, labels.topics.size(), divergence);
  comparison.divergence = divergence / static_cast<double>(2 * fp32.size());
  return comparison;
}

Result<std::vector<Scores>> score_texts(Backend& backend, std::span<const TokenIds> texts) {
  std::vector<Scores> scores(texts.size());
  std::vector<Status> failed(backend.shapes().instances);
  std::atomic<std::size_t> next{0};
  {
    std::vector<std::jthread> workers;
    workers.reserve(failed.size());
    for (std::size_t instance = 0; instance < failed.size(); ++instance) {
      workers.emplace_back([&, instance] {
        for (std::size_t i = next++; i < texts.size() && failed[instance].ok(); i = next++) {
          const std::array<std::uint32_t, 2> offsets{0,
                                                     static_cast<std::uint32_t>(texts[i].size())};
          failed[instance] = backend.run(instance, RaggedBatch{texts[i], offsets},
                                         std::span{scores}.subspan(i, 1));
        }
      });
    }
  }
  for (const Status& status : failed) TRY(status);
  return scores;
}

Result<CalibratorOutcome> calibrate_model(const ModelManifest& manifest,
                                          std::span<const TokenIds> ranging,
                                          std::span<const TokenIds> judging,
                                          const CalibratorOptions& options) {
  if (ranging.empty() || judging.empty() || options.methods.empty()) {
    return Error{Code::kInvalidArgument, "calibration needs texts and a range method"};
  }
  Trials trials(manifest, options, judging);
  TRY(trials.observe(ranging));
  CalibratorOutcome outcome;
  RangeMethod best;
  std::vector<bool> quantised(trials.num_layers(), true);
  std::vector<KeptLayer> kept = trials.keep_narrow(quantised);
  const auto none_left = [&] {
    return std::find(quantised.begin(), quantised.end(), true) == quantised.end();
  };
  if (!none_left()) {
    TRY_ASSIGN(outcome.trials, trials.try_methods(quantised, best));
    TRY_ASSIGN(const auto sensitive, trials.keep_sensitive(best, quantised));
    kept.insert(kept.end(), sensitive.begin(), sensitive.end());
    if (!sensitive.empty() && !none_left()) {
      TRY_ASSIGN(outcome.trials, trials.try_methods(quantised, best));
    }
  }
  if (none_left()) {
    return Error{Code::kFailedPrecondition,
                 "no layer can be quantised: each is too narrow, or alone moves the answers too "
                 "far"};
  }
  outcome.recipe = trials.recipe(best, quantised);
  outcome.recipe.kept_fp32 = std::move(kept);
  TRY_ASSIGN(auto trial, trials.run(outcome.recipe, judging.size()));
  outcome.comparison = trial.comparison;
  outcome.int8 = std::move(trial.scores);
  outcome.precision = std::move(trial.precision);
  outcome.recipe.divergence = trial.comparison.divergence;
  TRY_ASSIGN(outcome.recipe.speedup, trials.speedup(outcome.recipe));
  outcome.fp32 = trials.take_fp32();
  return outcome;
}

}  // namespace tidewatch
