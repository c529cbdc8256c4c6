// SPDX-License-Identifier: Apache-2.0
// From a text to its scores the steady state takes nothing from the heap: buffers go round.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "app/inference.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<std::size_t> allocations{0};
}  // namespace

// Every other form of new ends here or in the aligned twin.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1);
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1);
  const auto to = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(to, (bytes + to - 1) / to * to)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace tidewatch {
namespace {

class CountingSink final : public ScoreSink {
 public:
  void scored(std::uint64_t, const Result<Scores>& scores, const ScoreTiming&) override {
    (scores ? good_ : bad_).fetch_add(1, std::memory_order_relaxed);
  }
  std::size_t good() const { return good_.load(); }
  std::size_t bad() const { return bad_.load(); }

 private:
  std::atomic<std::size_t> good_{0};
  std::atomic<std::size_t> bad_{0};
};

// Distinct texts of many lengths: no two are the same to the cache.
std::vector<std::string> make_texts(std::size_t count, std::size_t first) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = std::to_string(first + i);
    for (std::size_t c = 0; c < (first + i) * 7 % 480; ++c) text += c % 3 == 0 ? "潮" : "水";
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(AllocationTest, TheSteadyStateTakesNothingFromTheHeap) {
  SystemClock clock;
  Metrics metrics;
  ModelRegistry registry(TIDEWATCH_SOURCE_DIR "/models", [] {
    BackendOptions options;
    options.instances = 2;
    options.precision = Precision::kFp32;
    return options;
  }());
  Inference::Options options;
  options.model = "fast";
  options.cache_bytes_max = 1 << 20;  // soon full: what is written replaces something
  auto inference = Inference::create(registry, options, clock, metrics);
  ASSERT_TRUE(inference.ok()) << inference.error().message;
  if ((*inference)->model()->backend->name() != "native") {
    GTEST_SKIP() << "this processor runs the model with " << (*inference)->model()->backend->name()
                 << ", which allocates for itself";
  }
  CountingSink sink;
  const auto classify = [&](const std::vector<std::string>& texts) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::vector<std::int32_t> ids = (*inference)->token_buffer();
      (*inference)->tokenize(texts[i], ids);
      if ((*inference)->cached(ids)) {
        (*inference)->give_back(std::move(ids));
        continue;
      }
      RequestLimits limits;
      limits.deadline = clock.steady_now() + std::chrono::milliseconds{50};
      ASSERT_TRUE((*inference)->submit(std::move(ids), &sink, i, /*wait=*/false, limits));
    }
    (*inference)->drain();
  };
  constexpr std::size_t kWarm = 3'000;
  constexpr std::size_t kCounted = 1'000;
  const auto warm = make_texts(kWarm, 0);
  const auto counted = make_texts(kCounted, kWarm);
  classify(warm);
  counting = true;
  std::vector<std::string> seen(kCounted);
  ASSERT_GE(allocations.exchange(0), 1U) << "the counter does not count";
  seen.clear();
  classify(counted);
  counting = false;
  EXPECT_EQ(sink.good(), kWarm + kCounted);
  EXPECT_EQ(sink.bad(), 0U);
  EXPECT_EQ(allocations.load(), 0U) << "of " << kCounted << " texts";
}

}  // namespace
}  // namespace tidewatch
