// SPDX-License-Identifier: Apache-2.0
// Our kernels by themselves: the same bits on every kind of processor and in every batch, nothing
// allocated, nothing read outside. tests/integration/native_parity_test.cc has the answers.
#include "infer/native/native_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "infer/manifest.h"
#include "infer/native/kernel.h"
#include "infer/native/kernel_body.h"
#include "infer/native/native_testing.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Counts what the program allocates. Not inlined: g++ would see malloc freed by delete.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t /*bytes*/) noexcept { std::free(block); }

namespace tidewatch::native {
namespace {

using testing::HasSubstr;

ModelManifest fast_manifest() {
  const auto manifest = read_manifest(TIDEWATCH_SOURCE_DIR "/models/fast");
  EXPECT_TRUE(manifest.ok());
  return *manifest;
}

BackendOptions options_for(Precision precision) {
  BackendOptions options;
  options.instances = 1;
  options.precision = precision;
  return options;
}

std::unique_ptr<Backend> load_on(const Kernel& kernel, Precision precision) {
  auto backend = load_with_kernel(fast_manifest(), options_for(precision), kernel);
  EXPECT_TRUE(backend.ok()) << backend.error().message;
  return std::move(backend).value();
}

Scores run_one(Backend& backend, std::span<const std::int32_t> ids) {
  std::vector<Scores> scores(1);
  RaggedTexts texts;
  texts.add(ids);
  const Status status = backend.run(0, texts.batch(), scores);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return scores[0];
}

void expect_same(const Scores& a, const Scores& b) {
  EXPECT_EQ(a.emotion_prob, b.emotion_prob);
  EXPECT_EQ(a.topic_prob, b.topic_prob);
  EXPECT_EQ(a.emotion, b.emotion);
  EXPECT_EQ(a.topic, b.topic);
}

class NativeBackendTest : public testing::TestWithParam<Precision> {};

TEST_P(NativeBackendTest, EveryKernelGivesTheSameBitsAtEveryLength) {
  std::mt19937 random(7);
  RaggedTexts texts;
  for (std::size_t tokens = 1; tokens <= 512; ++tokens) texts.add(random_text(random, tokens));
  const auto kernels = usable_kernels();
  std::vector<Scores> expected;
  for (const Kernel* kernel : kernels) {
    SCOPED_TRACE(kernel->name);
    const bool plain = kernel == &kPortableKernel;  // thousands of times slower
    const auto backend = load_on(*kernel, GetParam());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (plain && i > 40 && i % 37 != 0) continue;
      SCOPED_TRACE(testing::Message() << i + 1 << " tokens");
      const Scores scores = run_one(*backend, texts.text(i));
      if (kernel == kernels.front()) {
        expected.push_back(scores);
      } else {
        expect_same(expected[i], scores);
      }
    }
  }
}

TEST_P(NativeBackendTest, ATextsScoresDependOnNothingElse) {
  const auto backend = load_on(*usable_kernels().front(), GetParam());
  std::mt19937 random(11);
  for (int round = 0; round < 30; ++round) {
    RaggedTexts texts;
    const std::size_t count = 1 + random() % (round == 0 ? 256 : 40);
    for (std::size_t i = 0; i < count; ++i) {
      texts.add(random_text(random, 1 + random() % (random() % 4 == 0 ? 512 : 60)));
    }
    std::vector<Scores> together(count);
    ASSERT_TRUE(backend->run(0, texts.batch(), together).ok());
    for (std::size_t i = 0; i < count; ++i) {
      SCOPED_TRACE(testing::Message() << "text " << i << " of " << count);
      expect_same(together[i], run_one(*backend, texts.text(i)));
    }
  }
}

TEST_P(NativeBackendTest, RunAllocatesNothing) {
  const auto backend = load_on(*usable_kernels().front(), GetParam());
  std::mt19937 random(3);
  RaggedTexts texts;
  for (int i = 0; i < 64; ++i) texts.add(random_text(random, 2 + random() % 511));
  std::vector<Scores> scores(texts.size());
  const RaggedBatch batch = texts.batch();
  const std::uint64_t before = allocations.load();
  const bool ran = backend->run(0, batch, scores).ok();
  const std::uint64_t after = allocations.load();
  EXPECT_TRUE(ran);
  EXPECT_EQ(after - before, 0U);
}

TEST_P(NativeBackendTest, SaysWhatItIs) {
  const auto backend = load_on(*usable_kernels().front(), GetParam());
  EXPECT_EQ(backend->name(), "native");
  EXPECT_EQ(backend->precision(), precision_name(GetParam()));
  EXPECT_TRUE(backend->shapes().batch_invariant);
  EXPECT_FALSE(backend->shapes().gains_from_batches);
  EXPECT_GE(backend->shapes().batch_max, 256U);
  EXPECT_GT(backend->memory_bytes(), 9'000'000U);  // both tables in FP16
  EXPECT_LT(backend->memory_bytes(), 16'000'000U);
}

TEST_P(NativeBackendTest, RefusesWhatItCannotTake) {
  const auto backend = load_on(*usable_kernels().front(), GetParam());
  std::vector<Scores> scores(1);
  const std::vector<std::int32_t> ids(600, 101);
  struct Case {
    const char* name;
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> offsets;
    std::size_t instance;
  };
  const std::vector<Case> cases{
      {"too long", ids, {0, 513}, 0},
      {"empty", ids, {0, 0}, 0},
      {"no such instance", ids, {0, 3}, 1},
      {"two texts for one row of scores", ids, {0, 3, 6}, 0},
      {"offsets past the ids", {101, 102}, {0, 3}, 0},
      {"offsets that go back", ids, {5, 3}, 0},
      {"an id outside the vocabulary", {101, 21'128, 102}, {0, 3}, 0},
      {"a negative id", {101, -1, 102}, {0, 3}, 0},
      {"the lowest id", {101, INT32_MIN, 102}, {0, 3}, 0},
  };
  for (const Case& c : cases) {
    const Status status = backend->run(c.instance, RaggedBatch{c.ids, c.offsets}, scores);
    ASSERT_FALSE(status.ok()) << c.name;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument) << c.name;
    EXPECT_EQ(scores[0].emotion, kNoLabel) << c.name << ": scores were touched";
  }
  EXPECT_TRUE(backend->run(0, RaggedBatch{}, {}).ok()) << "nothing to do";
  backend->close();
  EXPECT_EQ(
      backend->run(0, RaggedBatch{ids, std::vector<std::uint32_t>{0, 3}}, scores).error().code,
      Code::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Precisions, NativeBackendTest,
                         testing::Values(Precision::kFp32, Precision::kInt8),
                         [](const auto& p) { return std::string{precision_name(p.param)}; });

TEST(NativeLoadTest, SaysWhyAModelIsNotForIt) {
  const auto base = read_manifest(TIDEWATCH_SOURCE_DIR "/models/base");
  ASSERT_TRUE(base.ok());
  const auto encoder = load_native_backend(*base, options_for(Precision::kFp32));
  ASSERT_FALSE(encoder.ok());
  EXPECT_EQ(encoder.error().code, Code::kUnimplemented);
  EXPECT_THAT(encoder.error().message, HasSubstr("not the graph of the `fast` model"));

  ModelManifest text = fast_manifest();
  text.weights.path = text.vocabulary.path;  // no ONNX at all
  const auto words = load_native_backend(text, options_for(Precision::kFp32));
  ASSERT_FALSE(words.ok());
  EXPECT_EQ(words.error().code, Code::kUnimplemented);

  ModelManifest gone = fast_manifest();
  gone.weights.path += ".gone";
  EXPECT_EQ(load_native_backend(gone, options_for(Precision::kFp32)).error().code, Code::kNotFound);
}

TEST(NativeLoadTest, RefusesLabelsInAnotherOrder) {
  ModelManifest manifest = fast_manifest();
  std::swap(manifest.topic.labels[0], manifest.topic.labels[1]);
  const auto backend = load_native_backend(manifest, options_for(Precision::kFp32));
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.error().code, Code::kInvalidArgument);
  EXPECT_THAT(backend.error().message, HasSubstr("label 1 of task 'topic'"));
}

TEST(NativeLoadTest, ChoosesThePrecisionByWhatIsThere) {
  ModelManifest with = fast_manifest();
  ModelManifest without = with;
  without.calibration.reset();
  ModelManifest old = with;  // as after training again
  old.weights.sha256 = std::string(64, '0');
  const auto precision_of = [](const ModelManifest& manifest, const Kernel& kernel) {
    const auto backend = load_with_kernel(manifest, options_for(Precision::kAuto), kernel);
    return backend.ok() ? (*backend)->precision() : backend.error().message;
  };
  EXPECT_EQ(precision_of(with, kPortableKernel), "fp32") << "no VNNI";
#if defined(__x86_64__)
  if (usable_kernels().front() == &kAvx512Kernel) {
    EXPECT_EQ(precision_of(with, kAvx512Kernel), "int8");
  }
#endif
  EXPECT_EQ(precision_of(without, *usable_kernels().front()), "fp32");
  EXPECT_EQ(precision_of(old, *usable_kernels().front()), "fp32");
  for (const ModelManifest& manifest : {without, old}) {
    const auto refused = load_native_backend(manifest, options_for(Precision::kInt8));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  }
}

// One lane, enough for exponential().
struct OneLane {
  using F = float;
  static F broadcast(float a) { return a; }
  static F max(F a, F b) { return a > b ? a : b; }
  static F mul(F a, F b) { return a * b; }
  static F add(F a, F b) { return a + b; }
  static F fma(F a, F b, F c) { return std::fma(a, b, c); }
  static F round(F a) { return std::nearbyint(a); }
  static F times_power_of_two(F a, F n) { return std::ldexp(a, static_cast<int>(n)); }
};

TEST(ExponentialTest, IsWithinAMillionthOfTheTruth) {
  double worst = 0;
  for (int i = 0; i <= 870'000; ++i) {
    const float x = -static_cast<float>(i) * 1e-4F;
    const double truth = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(exponential<OneLane>(x) - truth) / truth);
  }
  EXPECT_LT(worst, 2e-7);
  EXPECT_EQ(exponential<OneLane>(0), 1.0F);
  EXPECT_LT(exponential<OneLane>(-1e30F), 1e-37F);
}

}  // namespace
}  // namespace tidewatch::native
