// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/backend.h"
#include "infer/calibration/range_estimator.h"
#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/scores.h"

namespace tidewatch {

// A text to be scored: [CLS] … [SEP], borrowed.
using TokenIds = std::span<const std::int32_t>;

// The length of the texts by which the recipe's `speedup` is measured.
inline constexpr std::size_t kSpeedTokens = 32;

// How INT8 answers beside FP32 on texts whose truth is not known. Each figure is of one task.
struct TaskAgreement {
  double agreement = 1;     // share of equal labels
  double agreement_f1 = 1;  // macro-F1 with FP32's labels as the truth
  // By how much the macro-F1 falls that is to be expected if FP32's probabilities are the truth:
  // two labels FP32 holds for equally likely may be exchanged at no cost. May be under 0.
  double expected_drop = 0;
};

struct Comparison {
  std::uint64_t texts = 0;
  TaskAgreement emotion;
  TaskAgreement topic;
  double divergence = 0;  // mean over texts and tasks of KL(FP32 || INT8), nats
};

// Preconditions: as many scores in both. All zero (agreement 1) when there are none.
Comparison compare_scores(const LabelSchema& labels, std::span<const Scores> fp32,
                          std::span<const Scores> int8);

// Macro-F1 to be expected when text i has label c with probability truth[i][c] and `predicted` is
// what was said. Labels that are neither expected nor said are left out of the mean.
double expected_macro_f1(std::span<const std::vector<double>> truth,
                         std::span<const std::uint8_t> predicted, std::size_t num_labels);

// Scores texts one by one on every instance of the backend. Blocks. Errors as Backend::run.
Result<std::vector<Scores>> score_texts(Backend& backend, std::span<const TokenIds> texts);

struct CalibratorOptions {
  std::vector<RangeMethod> methods = range_methods();  // at least one; the best is kept
  // A layer that alone moves the answers by more than this (divergence) stays in FP32.
  double layer_divergence_max = 5e-4;
  std::size_t layer_texts_max = 256;  // texts that each layer by itself is tried on
  // Layers with fewer output channels stay in FP32: quantising their input costs what they gain.
  std::size_t channels_min = 32;
  std::size_t instances = 0;  // 0: one for each core
  // Told what is under way: a step and how much of it is done.
  std::function<void(std::string_view step, std::size_t done, std::size_t total)> progress;
};

struct MethodTrial {
  RangeMethod method;
  Comparison comparison;
};

struct CalibratorOutcome {
  CalibrationRecipe recipe;  // `set` is left to the caller, all else is filled
  std::vector<MethodTrial> trials;
  Comparison comparison;     // of the recipe, on the judging texts
  std::vector<Scores> fp32;  // scores of the judging texts
  std::vector<Scores> int8;
  std::string precision;  // what the backend really ran: "int8"
};

// Makes a model's recipe: ranges from `ranging`, everything chosen and measured on `judging`.
// First each method is tried on all layers of channels_min and more, then each layer alone; those
// beyond layer_divergence_max stay in FP32 and the methods are tried again on the rest. Errors:
// those of the backend; kInvalidArgument when either part is empty.
Result<CalibratorOutcome> calibrate_model(const ModelManifest& manifest,
                                          std::span<const TokenIds> ranging,
                                          std::span<const TokenIds> judging,
                                          const CalibratorOptions& options);

}  // namespace tidewatch
