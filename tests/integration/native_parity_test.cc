// SPDX-License-Identifier: Apache-2.0
// Our kernels against OpenVINO with the bundled `fast` model, in both precisions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "infer/backend_choice.h"
#include "infer/manifest.h"
#include "infer/native/native_backend.h"
#include "infer/native/native_testing.h"

namespace tidewatch {
namespace {

using native::RaggedTexts;

struct Comparison {
  std::size_t texts = 0;
  std::size_t same_labels = 0;  // of both tasks
  float largest = 0;            // difference of a probability
  double sum = 0;               // over texts, of the largest difference in each
};

class NativeParityTest : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    const auto manifest = read_manifest(TIDEWATCH_SOURCE_DIR "/models/fast");
    ASSERT_TRUE(manifest.ok());
    BackendOptions options;
    options.instances = 1;
    options.precision = GetParam();
    for (const BackendKind kind : {BackendKind::kNative, BackendKind::kOpenVino}) {
      options.kind = kind;
      auto backend = load_backend(*manifest, options);
      ASSERT_TRUE(backend.ok()) << backend.error().message;
      EXPECT_EQ((*backend)->name(), backend_kind_name(kind));
      EXPECT_EQ((*backend)->precision(), precision_name(GetParam()));
      backends_.push_back(std::move(*backend));
    }
  }

  static std::vector<Scores> run_all(Backend& backend, const RaggedTexts& texts,
                                     std::size_t batch) {
    std::vector<Scores> scores(texts.size());
    for (std::size_t begin = 0; begin < texts.size(); begin += batch) {
      const std::size_t end = std::min(begin + batch, texts.size());
      RaggedTexts part;
      for (std::size_t i = begin; i < end; ++i) part.add(texts.text(i));
      const Status status =
          backend.run(0, part.batch(), std::span{scores}.subspan(begin, end - begin));
      EXPECT_TRUE(status.ok()) << status.error().message;
    }
    return scores;
  }

  Comparison compare(const RaggedTexts& texts) {
    const std::vector<Scores> ours = run_all(*backends_[0], texts, 256);
    const std::vector<Scores> theirs = run_all(*backends_[1], texts, 1);
    Comparison result;
    result.texts = texts.size();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      result.same_labels +=
          ours[i].emotion == theirs[i].emotion && ours[i].topic == theirs[i].topic ? 1 : 0;
      float most = 0;
      for (std::size_t k = 0; k < kEmotionsMax; ++k) {
        most = std::max(most, std::fabs(ours[i].emotion_prob[k] - theirs[i].emotion_prob[k]));
      }
      for (std::size_t k = 0; k < kTopicsMax; ++k) {
        most = std::max(most, std::fabs(ours[i].topic_prob[k] - theirs[i].topic_prob[k]));
      }
      result.largest = std::max(result.largest, most);
      result.sum += static_cast<double>(most);
    }
    return result;
  }

  // FP32: sums in another order. INT8: where that moves an input across the middle between two
  // levels, it becomes its neighbour.
  void expect_equal(const char* name, const RaggedTexts& texts) {
    const Comparison c = compare(texts);
    const double mean = c.sum / static_cast<double>(c.texts);
    RecordProperty(name, testing::PrintToString(c.largest));
    printf("%s: %zu texts, %zu with equal labels, largest difference %.2g, mean %.2g\n", name,
           c.texts, c.same_labels, static_cast<double>(c.largest), mean);
    if (GetParam() == Precision::kFp32) {
      EXPECT_GE(c.same_labels * 1'000, c.texts * 999);
      EXPECT_LT(c.largest, 1e-4F);
    } else {
      EXPECT_GE(c.same_labels * 1'000, c.texts * 995);
      EXPECT_LT(c.largest, 0.05F);
      EXPECT_LT(mean, 2e-3);
    }
  }

  std::vector<std::unique_ptr<Backend>> backends_;  // ours, OpenVINO's
};

TEST_P(NativeParityTest, RandomTextsOfEveryLength) {
  std::mt19937 random(1);
  RaggedTexts texts;
  for (std::size_t tokens = 2; tokens <= 512; ++tokens) {
    texts.add(native::random_text(random, tokens));
  }
  for (int i = 0; i < 600; ++i) texts.add(native::random_text(random, 2 + random() % 120));
  expect_equal("random", texts);
}

TEST_P(NativeParityTest, RealTexts) {
  RaggedTexts texts;
  for (const char* model : {"fast", "base"}) {
    std::ifstream in(std::string{TIDEWATCH_SOURCE_DIR "/models/"} + model + "/parity.json");
    const nlohmann::json parity = nlohmann::json::parse(in);
    for (const auto& c : parity.at("cases")) {
      const auto ids = c.at("input_ids").get<std::vector<std::int32_t>>();
      texts.add(ids);
      for (std::size_t begin = 1; begin + 12 < ids.size(); begin += 7) {  // pieces of it
        texts.add(std::span{ids}.subspan(begin, 12));
      }
    }
  }
  expect_equal("real", texts);
}

INSTANTIATE_TEST_SUITE_P(Precisions, NativeParityTest,
                         testing::Values(Precision::kFp32, Precision::kInt8),
                         [](const auto& p) { return std::string{precision_name(p.param)}; });

TEST(BackendChoiceTest, TakesOurKernelsForFastAndOpenVinoForTheRest) {
  for (const char* name : {"fast", "base"}) {
    const auto manifest =
        read_manifest(std::filesystem::path{TIDEWATCH_SOURCE_DIR "/models"} / name);
    ASSERT_TRUE(manifest.ok());
    BackendOptions options;
    options.instances = 1;
    const auto backend = load_backend(*manifest, options);
    ASSERT_TRUE(backend.ok()) << backend.error().message;
    const bool ours = std::string_view{name} == "fast" && native::has_vector_kernel();
    EXPECT_EQ((*backend)->name(), ours ? "native" : "openvino");
    options.kind = BackendKind::kOpenVino;
    EXPECT_EQ((*load_backend(*manifest, options))->name(), "openvino");
    options.kind = BackendKind::kNative;
    EXPECT_EQ(load_backend(*manifest, options).ok(), std::string_view{name} == "fast");
  }
}

TEST(BackendChoiceTest, NamesRoundTrip) {
  for (const BackendKind kind :
       {BackendKind::kAuto, BackendKind::kNative, BackendKind::kOpenVino}) {
    EXPECT_EQ(*parse_backend_kind(backend_kind_name(kind)), kind);
  }
  EXPECT_EQ(parse_backend_kind("gpu").error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tidewatch
