// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tokenize/tokenizer.h"

namespace tidewatch {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class VocabularyTest : public testing::Test {
 protected:
  VocabularyTest() {
    const auto* const info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("tidewatch_vocabulary_") + info->name() + ".txt");
  }
  ~VocabularyTest() override { std::filesystem::remove(path_); }

  Result<std::shared_ptr<const Vocabulary>> load(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return Vocabulary::load(path_);
  }

  std::filesystem::path path_;
};

TEST_F(VocabularyTest, IdsAreLineNumbers) {
  const auto vocabulary = load("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n潮\n##ing\n");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  const Vocabulary& words = **vocabulary;
  EXPECT_EQ(words.size(), 7U);
  EXPECT_EQ(words.id("[PAD]"), 0);
  EXPECT_EQ(words.id("潮"), 5);
  EXPECT_EQ(words.id("##ing"), 6);
  EXPECT_EQ(words.id("ing"), std::nullopt);
  EXPECT_EQ(words.id(""), std::nullopt);
  EXPECT_EQ(words.token(5), "潮");
  EXPECT_EQ(words.token(7), std::nullopt);
  EXPECT_EQ(words.token(-1), std::nullopt);
  EXPECT_EQ(words.pad_id(), 0);
  EXPECT_EQ(words.unknown_id(), 1);
  EXPECT_EQ(words.cls_id(), 2);
  EXPECT_EQ(words.sep_id(), 3);
}

TEST_F(VocabularyTest, TakesAnyLineEndAndNoLastOne) {
  const auto vocabulary = load("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n潮");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  EXPECT_EQ((*vocabulary)->size(), 5U);
  EXPECT_EQ((*vocabulary)->id("潮"), 4);
}

TEST_F(VocabularyTest, MaskMayBeMissingAndIsThenPlainText) {
  const auto vocabulary = load("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[\n]\nmask\n");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  const Tokenizer tokenizer(*vocabulary, {.tokens_max = 8});
  std::vector<std::int32_t> ids(8);
  ids.resize(tokenizer.encode("[MASK]", ids));
  EXPECT_THAT(ids, testing::ElementsAre(2, 4, 6, 5, 3));
}

TEST_F(VocabularyTest, RefusesSayingFileLineAndRemedy) {
  const std::string head = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  const struct {
    const char* name;
    std::string content;
    const char* where;  // after the path
    const char* what;
  } cases[] = {
      {"empty", "", ": ", "the vocabulary is empty; use "},
      {"empty line", head + "\n潮\n", ":5: ", "the line is empty; "},
      {"only a line break", "\n", ":1: ", "the line is empty; "},
      {"two final line breaks", head + "潮\n\n", ":6: ", "the line is empty; "},
      {"duplicate", head + "潮\nx\n潮\n", ":7: ", "'潮' stands already on line 5; "},
      {"not UTF-8", head + "caf\xE9\n", ":5: ", "not UTF-8; save "},
      {"surrogate", head + "\xED\xA0\x80\n", ":5: ", "not UTF-8; save "},
      {"no [UNK]", "[PAD]\n[CLS]\n[SEP]\n", ": ", "the token [UNK] is missing; use "},
      {"no [CLS]", "[PAD]\n[UNK]\n[SEP]\n", ": ", "the token [CLS] is missing; use "},
      {"no [SEP]", "[PAD]\n[UNK]\n[CLS]\n", ": ", "the token [SEP] is missing; use "},
      {"no [PAD]", "[UNK]\n[CLS]\n[SEP]\n", ": ", "the token [PAD] is missing; use "},
      {"byte order mark", "\xEF\xBB\xBF" + head, ": ", "the token [PAD] is missing; use "},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    const auto vocabulary = load(test.content);
    ASSERT_FALSE(vocabulary.ok());
    EXPECT_EQ(vocabulary.error().code, Code::kInvalidArgument);
    EXPECT_THAT(vocabulary.error().message,
                AllOf(StartsWith(path_.string() + test.where), HasSubstr(test.what)));
    EXPECT_THAT(vocabulary.error().message, testing::Not(EndsWith(".")));
  }
}

TEST_F(VocabularyTest, RefusesTooManyTokens) {
  std::string content = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  for (int i = 4; i <= 1 << 20; ++i) content += std::to_string(i) + "\n";
  const auto vocabulary = load(content);
  ASSERT_FALSE(vocabulary.ok());
  EXPECT_THAT(vocabulary.error().message, HasSubstr(":1048577: more than 1048576 tokens; "));
}

TEST_F(VocabularyTest, RefusesALargeFileWithoutReadingIt) {
  std::ofstream(path_) << "[PAD]\n";
  std::filesystem::resize_file(path_, (32U << 20) + 1);
  const auto vocabulary = Vocabulary::load(path_);
  ASSERT_FALSE(vocabulary.ok());
  EXPECT_EQ(vocabulary.error().code, Code::kInvalidArgument);
  EXPECT_THAT(vocabulary.error().message, HasSubstr("larger than 32 MiB; "));
}

TEST_F(VocabularyTest, SaysWhichFileIsMissing) {
  for (const std::filesystem::path& path :
       {path_ / "nowhere.txt", std::filesystem::path(testing::TempDir())}) {
    const auto vocabulary = Vocabulary::load(path);
    ASSERT_FALSE(vocabulary.ok()) << path;
    EXPECT_EQ(vocabulary.error().code, Code::kNotFound);
    EXPECT_THAT(vocabulary.error().message,
                AllOf(StartsWith(path.string() + ": cannot read"), HasSubstr("; ")));
  }
}

}  // namespace
}  // namespace tidewatch
