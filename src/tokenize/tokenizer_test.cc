// SPDX-License-Identifier: Apache-2.0
#include "tokenize/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace tidewatch {
namespace {

std::shared_ptr<const Vocabulary> vocabulary() {
  static const auto loaded = Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/base/vocab.txt");
  EXPECT_TRUE(loaded.ok()) << loaded.error().message;
  return loaded.ok() ? *loaded : nullptr;
}

std::vector<std::int32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  ids.resize(tokenizer.encode(text, ids));
  return ids;
}

struct GoldenCase {
  std::string name;
  std::string text;
  std::uint32_t tokens_max = 0;
  std::vector<std::int32_t> ids;
};

std::string unescape(const std::string& escaped) {
  std::string bytes;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped.compare(i, 2, "\\x") == 0) {
      bytes += static_cast<char>(std::stoi(escaped.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      bytes += escaped[i];
    }
  }
  return bytes;
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  std::ifstream file(TIDEWATCH_SOURCE_DIR "/tests/tokenize_parity/golden.tsv");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#') && line.find('\t') == std::string::npos) continue;
    if (line.starts_with("# name")) continue;
    std::istringstream columns(line);
    std::string name, escaped, repeat, tokens_max, ids;
    std::getline(columns, name, '\t');
    std::getline(columns, escaped, '\t');
    std::getline(columns, repeat, '\t');
    std::getline(columns, tokens_max, '\t');
    std::getline(columns, ids);
    GoldenCase& test = cases.emplace_back();
    test.name = name;
    test.tokens_max = static_cast<std::uint32_t>(std::stoul(tokens_max));
    const std::string unit = unescape(escaped);
    for (auto left = std::stoul(repeat); left > 0; --left) test.text += unit;
    std::istringstream numbers(ids);
    for (std::int32_t id = 0; numbers >> id;) test.ids.push_back(id);
  }
  return cases;
}

// The ids in the file are the reference's own; a Python test keeps the file up to date.
TEST(Tokenizer, GivesTheReferenceIdsForNastyStrings) {
  const std::vector<GoldenCase> cases = golden_cases();
  ASSERT_GE(cases.size(), 171U);
  for (const GoldenCase& test : cases) {
    ASSERT_GE(test.ids.size(), 2U) << test.name;
    const Tokenizer tokenizer(vocabulary(), {.tokens_max = test.tokens_max});
    EXPECT_EQ(encode(tokenizer, test.text), test.ids) << test.name;
  }
}

TEST(Tokenizer, WritesNothingBehindTokensMax) {
  for (const std::uint32_t tokens_max : {2U, 3U, 7U, 512U}) {
    const Tokenizer tokenizer(vocabulary(), {.tokens_max = tokens_max});
    for (const char* text :
         {"", "潮", "tokenization tokenization tokenization", "[SEP][SEP][SEP]"}) {
      std::vector<std::int32_t> ids(tokens_max + 8, -7);
      const std::size_t count = tokenizer.encode(text, std::span(ids).first(tokens_max));
      ASSERT_GE(count, 2U);
      ASSERT_LE(count, tokens_max);
      EXPECT_EQ(ids[0], 101) << text;
      EXPECT_EQ(ids[count - 1], 102) << text;
      EXPECT_THAT(std::span(ids).subspan(tokens_max), testing::Each(-7)) << text;
    }
  }
}

// A text truncated at n tokens is the first n - 1 of the whole and [SEP], wherever the cut falls.
TEST(Tokenizer, TruncationKeepsTheBeginning) {
  const std::string text = "我用iPhone看tokenization直播ʘ [SEP] e\xCC\x81 가각 unaffable 完";
  const std::vector<std::int32_t> whole = encode(Tokenizer(vocabulary(), {}), text);
  ASSERT_GT(whole.size(), 20U);
  for (std::uint32_t tokens_max = 2; tokens_max <= whole.size(); ++tokens_max) {
    std::vector<std::int32_t> expected(whole.begin(), whole.begin() + tokens_max - 1);
    expected.push_back(102);
    EXPECT_EQ(encode(Tokenizer(vocabulary(), {.tokens_max = tokens_max}), text), expected);
  }
}

// Combining characters come in canonical order: U+1D165 (class 216) before U+1D16D (class 226), and
// U+302E (224) between them. With a vocabulary of their own, for in the Chinese one they are all
// unknown. tests/tokenize_parity compares this with the reference at random.
TEST(Tokenizer, OrdersCombiningCharacters) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "tidewatch_tokenizer_marks.txt";
  std::ofstream(path)
      << "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n##\u302E\n##\U0001D165\n##\U0001D16D\n";
  const auto marks = Vocabulary::load(path);
  ASSERT_TRUE(marks.ok()) << marks.error().message;
  std::filesystem::remove(path);
  const Tokenizer tokenizer(*marks, {});
  constexpr std::int32_t kA = 5, kMiddle = 6, kLow = 7, kHigh = 8;
  const struct {
    const char* name;
    const char* text;
    std::vector<std::int32_t> ids;
  } cases[] = {
      {"in order", "a\U0001D165\U0001D16D", {2, 4, kLow, kHigh, 3}},
      {"out of order", "a\U0001D16D\U0001D165", {2, 4, kLow, kHigh, 3}},
      {"three", "a\U0001D16D\u302E\U0001D165\u302E", {2, 4, kLow, kMiddle, kMiddle, kHigh, 3}},
      {"not across a letter", "a\U0001D16Da\U0001D165", {2, 4, kHigh, kA, kLow, 3}},
      {"across a dropped mark", "a\U0001D16D\u0301\U0001D165", {2, 4, kLow, kHigh, 3}},
      {"across a control", "a\U0001D16D\u200D\U0001D165", {2, 4, kLow, kHigh, 3}},
      {"not across a mark of class 0", "a\U0001D16D\u034F\U0001D165", {2, 4, kHigh, kLow, 3}},
  };
  for (const auto& test : cases) EXPECT_EQ(encode(tokenizer, test.text), test.ids) << test.name;
}

// Only the first page of these megabytes can be read at all.
TEST(Tokenizer, StopsReadingWhenFull) {
  constexpr std::size_t kTextBytes = 1U << 20;
  constexpr std::size_t kReadable = 4096;
  void* const memory = mmap(nullptr, kTextBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(memory, kReadable, PROT_READ | PROT_WRITE), 0);
  char* const text = static_cast<char*>(memory);
  const Tokenizer tokenizer(vocabulary(), {});
  for (const std::string unit : {"潮", "。", "a ", "[SEP]", "字1"}) {
    for (std::size_t i = 0; i < kReadable; ++i) text[i] = unit[i % unit.size()];
    EXPECT_EQ(encode(tokenizer, {text, kTextBytes}).size(), 512U) << unit;
  }
  munmap(memory, kTextBytes);
}

TEST(Tokenizer, IsUsedByManyThreads) {
  const Tokenizer tokenizer(vocabulary(), {.tokens_max = 64});
  const std::vector<GoldenCase> cases = golden_cases();
  std::vector<std::vector<std::int32_t>> expected;
  std::vector<const GoldenCase*> short_cases;
  for (const GoldenCase& test : cases) {
    if (test.text.size() > 10'000) continue;
    short_cases.push_back(&test);
    expected.push_back(encode(tokenizer, test.text));
  }
  std::atomic<int> different{0};
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          for (std::size_t k = 0; k < short_cases.size(); ++k) {
            if (encode(tokenizer, short_cases[k]->text) != expected[k]) ++different;
          }
        }
      });
    }
  }
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace tidewatch
