// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace tidewatch {

struct ModelManifest;

// The quantised input of one or more layers: value / scale, rounded to even, clamped to
// [-128, 127]. Symmetric (zero point 0), as TensorRT wants it.
struct ActivationScale {
  std::string tensor;  // ONNX tensor name
  std::string method;  // how its range was chosen: "entropy", "percentile-99.99", …
  float scale = 0;     // > 0
};

// A MatMul or Conv with constant weights that runs in INT8. Weights: value / scale of their output
// channel, rounded to even, clamped to [-127, 127].
struct QuantisedLayer {
  std::string node;    // ONNX node name
  std::string op;      // "MatMul", "Conv"
  std::string input;   // tensor of an ActivationScale
  std::string weight;  // ONNX initializer name
  std::uint32_t axis = 0;
  std::vector<float> scales;  // one for each output channel; > 0
};

// A layer that could be quantised and was not.
struct KeptLayer {
  std::string node;
  std::string weight;
  std::string reason;     // "narrow": too few channels to gain; "sensitive": moves the answers
  double divergence = 0;  // see Calibration::divergence; of this layer alone in INT8
};

struct StratumCoverage {
  std::string name;
  std::uint64_t found = 0;  // texts of this kind among all that were read
  std::uint64_t drawn = 0;  // of them in the set
  bool operator==(const StratumCoverage&) const = default;
};

// A model's int8.json: everything that makes an INT8 model out of its FP16 weights, keyed by ONNX
// names so that any backend can use it. A plain value.
struct CalibrationRecipe {
  std::string model;
  std::string model_version;
  std::string model_sha256;  // of the weights it was made for
  std::vector<ActivationScale> activations;
  std::vector<QuantisedLayer> layers;
  std::vector<KeptLayer> kept_fp32;
  // What the ranges were taken from. No texts and no paths.
  struct Set {
    std::string source;
    std::string date;  // UTC, YYYY-MM-DD
    std::uint64_t texts_read = 0;
    std::uint64_t texts = 0;  // drawn; half of them gave the ranges, half judged
    std::uint64_t seed = 0;
    double vocabulary_share = 0;  // of the tokens seen in all texts, the share seen in the set
    std::vector<StratumCoverage> strata;
  } set;
  // Measured on the half that gave no ranges.
  double divergence = 0;  // mean KL(FP32 || INT8) of the tasks' probabilities, nats
  double speedup = 0;     // texts/s of INT8 over FP32, one core, texts of 32 tokens
};

inline constexpr std::uint64_t kRecipeBytesMax = 16U << 20;

// The recipe as JSON text, the same for the same recipe. Scales have six digits; use
// rounded_scale() before computing with them.
std::string to_json(const CalibrationRecipe& recipe);
float rounded_scale(float scale);

// Reads and checks a recipe. Errors name the file, what is wrong and the remedy: kNotFound,
// kInvalidArgument (truncated, malformed, a scale out of range, a layer without its input).
Result<CalibrationRecipe> read_recipe(const std::filesystem::path& file);

// The recipe that a model's manifest names. kFailedPrecondition, with the remedy, when it names
// none or one that was made for other weights.
Result<CalibrationRecipe> recipe_for(const ModelManifest& manifest);

// Writes a file by way of a temporary one beside it: complete, or as before.
Status write_atomically(const std::filesystem::path& file, std::string_view bytes);

}  // namespace tidewatch
