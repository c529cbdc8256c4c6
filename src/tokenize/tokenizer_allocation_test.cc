// SPDX-License-Identifier: Apache-2.0
// encode() allocates nothing: counts calls of every operator new of this program.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "tokenize/tokenize_bench_run.h"
#include "tokenize/tokenizer.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size == 0 ? 1 : size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The array and nothrow forms end up in these. Not inlined: g++ would see malloc meet delete.
[[gnu::noinline]] void* operator new(std::size_t size) { return counted(size, 1); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace tidewatch {
namespace {

TEST(TokenizerAllocation, EncodeAllocatesNothing) {
  const auto vocabulary = Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/base/vocab.txt");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  const Tokenizer tokenizer(*vocabulary, {});
  std::vector<std::string> texts = make_tokenize_bench_texts(tokenizer, {.count = 500});
  texts.push_back(std::string(1U << 20, 'a'));
  texts.push_back(std::string(1U << 20, '\xE6'));
  texts.push_back(std::string(100, 'a') + "\xEA\xB0\x81");
  texts.push_back("\xF0\x9D\x85\xAD\xF0\x9D\x85\xA5 [SEP] caf\xC3\xA9");
  std::vector<std::int32_t> ids(tokenizer.tokens_max());

  const std::uint64_t before_control = allocations;
  void* volatile memory = ::operator new(1);  // volatile: neither call is optimised away
  ::operator delete(memory);
  ASSERT_EQ(allocations - before_control, 1U) << "the counter does not count";

  const std::uint64_t before = allocations;
  std::size_t tokens = 0;
  for (const std::string& text : texts) tokens += tokenizer.encode(text, ids);
  EXPECT_EQ(allocations - before, 0U);
  EXPECT_GT(tokens, 500U * 15);
}

}  // namespace
}  // namespace tidewatch
