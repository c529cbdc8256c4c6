// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/encoder_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/tensorrt/half.h"
#include "infer/tensorrt/library.h"

namespace tidewatch::tensorrt {
namespace {

using testing::HasSubstr;
using Matrix = std::vector<float>;  // [rows, width]

const std::string kModels = std::string{TIDEWATCH_SOURCE_DIR} + "/models/";

struct Loaded {
  ModelManifest manifest;
  std::vector<std::byte> file;
  native::OnnxModel onnx;
};
Loaded load(const std::string& name) {
  Loaded loaded;
  loaded.manifest = *read_manifest(kModels + name);
  loaded.file = *native::read_file(loaded.manifest.weights.path);
  loaded.onnx = *native::parse_onnx(loaded.file);
  return loaded;
}

Matrix multiply(const Matrix& x, const Dense& dense) {
  const std::size_t rows = x.size() / dense.in;
  Matrix y;
  y.reserve(rows * dense.out);
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<float> sum = dense.bias;
    for (std::size_t k = 0; k < dense.in; ++k) {
      const float value = x[r * dense.in + k];
      for (std::size_t c = 0; c < dense.out; ++c) sum[c] += value * dense.weight[k * dense.out + c];
    }
    y.insert(y.end(), sum.begin(), sum.end());
  }
  return y;
}

void normalise(Matrix& x, const Norm& norm, float epsilon) {
  const std::size_t width = norm.weight.size();
  for (std::size_t at = 0; at < x.size(); at += width) {
    double mean = 0;
    double square = 0;
    for (std::size_t i = 0; i < width; ++i) mean += x[at + i];
    mean /= static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) square += (x[at + i] - mean) * (x[at + i] - mean);
    const double scale = 1 / std::sqrt(square / static_cast<double>(width) + epsilon);
    for (std::size_t i = 0; i < width; ++i) {
      x[at + i] = static_cast<float>((x[at + i] - mean) * scale) * norm.weight[i] + norm.bias[i];
    }
  }
}

// What a plan computes, by loops. No scale of the scores: read_encoder put it into the query.
Matrix attend(const EncoderWeights& w, const EncoderLayer& layer, const Matrix& x) {
  const Matrix query = multiply(x, layer.query);
  const Matrix key = multiply(x, layer.key);
  const Matrix value = multiply(x, layer.value);
  const std::size_t wide = w.heads * w.head_width;
  const std::size_t n = x.size() / w.width;
  Matrix mixed(n * wide, 0.0F);
  for (std::size_t h = 0; h < w.heads; ++h) {
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> share(n);
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) {
        double score = 0;
        for (std::size_t c = 0; c < w.head_width; ++c) {
          score += query[i * wide + h * w.head_width + c] * key[j * wide + h * w.head_width + c];
        }
        sum += share[j] = std::exp(score);
      }
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t c = 0; c < w.head_width; ++c) {
          const std::size_t column = h * w.head_width + c;
          mixed[i * wide + column] += static_cast<float>(share[j] / sum) * value[j * wide + column];
        }
      }
    }
  }
  return mixed;
}

std::vector<float> forward(const EncoderWeights& w, const std::vector<int>& ids) {
  Matrix x;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t c = 0; c < w.width; ++c) {
      x.push_back(w.word[static_cast<std::size_t>(ids[i]) * w.width + c] +
                  w.position[i * w.width + c]);
    }
  }
  normalise(x, w.norm, w.epsilon);
  for (const EncoderLayer& layer : w.layers) {
    const Matrix projected = multiply(attend(w, layer, x), layer.project);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += projected[i];
    normalise(x, layer.attention_norm, w.epsilon);
    Matrix inner = multiply(x, layer.expand);
    for (float& v : inner) v = v * 0.5F * (1 + std::erf(v / std::sqrt(2.0F)));
    const Matrix shrunk = multiply(inner, layer.shrink);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += shrunk[i];
    normalise(x, layer.output_norm, w.epsilon);
  }
  Matrix pooled(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(w.width));
  for (std::size_t c = 0; c < w.width; ++c) {
    float sum = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) sum += x[i * w.width + c];
    pooled.push_back(sum / static_cast<float>(ids.size()));
  }
  return multiply(pooled, w.classify);
}

TEST(ReadEncoder, ComputesWhatPyTorchDid) {
  const Loaded base = load("base");
  const auto weights = read_encoder(base.onnx, base.manifest, nullptr);
  ASSERT_TRUE(weights) << weights.error().message;
  EXPECT_EQ(weights->layers.size(), 4U);
  EXPECT_EQ(weights->head_width, 64U);
  const auto parity = nlohmann::json::parse(std::ifstream(kModels + "base/parity.json"));
  int compared = 0;
  for (const auto& test : parity["cases"]) {
    const auto ids = test["input_ids"].get<std::vector<int>>();
    if (ids.size() > 24) continue;  // loops take their time
    std::vector<float> expected = test["emotion_logits"];
    const std::vector<float> topics = test["topic_logits"];
    expected.insert(expected.end(), topics.begin(), topics.end());
    const std::vector<float> logits = forward(*weights, ids);
    ASSERT_EQ(logits.size(), expected.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(logits[i], expected[i], 1e-3) << test["text"] << ", logit " << i;
    }
    if (++compared == 6) break;
  }
  EXPECT_EQ(compared, 6);
}

TEST(ReadEncoder, GivesScalesToTheLayersThatTheRecipeNames) {
  const Loaded base = load("base");
  const CalibrationRecipe recipe = *recipe_for(base.manifest);
  const auto weights = read_encoder(base.onnx, base.manifest, &recipe);
  ASSERT_TRUE(weights) << weights.error().message;
  std::size_t scaled = 0;
  for (const EncoderLayer& layer : weights->layers) {
    for (const Dense* dense :
         {&layer.query, &layer.key, &layer.value, &layer.project, &layer.expand, &layer.shrink}) {
      if (dense->input_scale <= 0) continue;
      ++scaled;
      EXPECT_EQ(dense->weight_scales.size(), dense->out);
    }
  }
  EXPECT_EQ(scaled, recipe.layers.size());
}

TEST(ReadEncoder, RefusesARecipeOfAnotherGraph) {
  const Loaded base = load("base");
  CalibrationRecipe recipe = *recipe_for(base.manifest);
  recipe.layers.front().node = "n999_MatMul";
  const auto weights = read_encoder(base.onnx, base.manifest, &recipe);
  ASSERT_FALSE(weights);
  EXPECT_THAT(weights.error().message, HasSubstr("n999_MatMul"));
}

TEST(ReadEncoder, SaysWhereAnotherGraphDiffers) {
  const Loaded fast = load("fast");
  const auto weights = read_encoder(fast.onnx, fast.manifest, nullptr);
  ASSERT_FALSE(weights);
  EXPECT_EQ(weights.error().code, Code::kUnimplemented);
  EXPECT_THAT(weights.error().message, HasSubstr("not the graph of an encoder"));
}

TEST(ReadEncoder, RefusesLabelsThatTheGraphHasNot) {
  Loaded base = load("base");
  base.manifest.topic.labels.pop_back();
  const auto weights = read_encoder(base.onnx, base.manifest, nullptr);
  ASSERT_FALSE(weights);
  EXPECT_THAT(weights.error().message, HasSubstr("13 labels"));
}

float half_value(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const float mantissa = static_cast<float>(half & 1023) / 1024.0F;
  const float size =
      exponent == 0 ? std::ldexp(mantissa, -14) : std::ldexp(1 + mantissa, exponent - 15);
  return (half & 0x8000) != 0 ? -size : size;
}

TEST(ToHalf, KeepsEveryHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00) continue;  // infinite or no number
    ASSERT_EQ(to_half(half_value(half)), half);
  }
}

TEST(ToHalf, RoundsToTheNearest) {
  std::mt19937 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const float value = std::ldexp(static_cast<float>(random()) / 4294967296.0F,
                                   static_cast<int>(random() % 42) - 25);
    const std::uint16_t half = to_half(value);
    if (half == 0x7C00) continue;
    const float error = std::abs(half_value(half) - value);
    ASSERT_LE(error, std::abs(half_value(static_cast<std::uint16_t>(half + 1)) - value)) << value;
    if (half > 0) {
      ASSERT_LE(error, std::abs(half_value(static_cast<std::uint16_t>(half - 1)) - value)) << value;
    }
  }
  EXPECT_EQ(to_half(1e6F), 0x7C00);
  EXPECT_EQ(to_half(-1e6F), 0xFC00);
  EXPECT_EQ(to_half(65'504.0F), 0x7BFF);
}

TEST(OpenLibrary, SaysWhatItLookedForAndWhere) {
  const auto library = open_library_in(testing::TempDir() + "no-such-folder");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().code, Code::kUnavailable);
  for (const char* part : {"libnvinfer.so.11", "libnvinfer.so.10", "no-such-folder",
                           "TIDEWATCH_TENSORRT_DIR", "Install TensorRT"}) {
    EXPECT_THAT(library.error().message, HasSubstr(part));
  }
}

TEST(OpenLibrary, RefusesALibraryThatIsNotTensorRt) {
  const std::string folder = testing::TempDir() + "not-tensorrt";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/libnvinfer.so.10") << "garbage";
  const auto library = open_library_in(folder);
  ASSERT_FALSE(library);
  EXPECT_THAT(library.error().message, HasSubstr("libnvinfer.so.10"));
}

}  // namespace
}  // namespace tidewatch::tensorrt
