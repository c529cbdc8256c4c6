// SPDX-License-Identifier: Apache-2.0
#include "app/labelled_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

namespace tidewatch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const TaskLabels kLabels{"emotion", {"angry", "happy", "neutral"}};

class LabelledFileTest : public ::testing::Test {
 protected:
  LabelledFileTest()
      : dir_(::testing::TempDir() + "labelled_file_test." + std::to_string(::getpid())) {
    std::filesystem::create_directories(dir_);
  }
  ~LabelledFileTest() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  Result<LabelledFile> read(const std::string& bytes, const LabelledFileOptions& options = {}) {
    return read_labelled_file(write("eval.tsv", bytes), kLabels, options);
  }
  Result<LabelMap> map(const std::string& bytes) {
    return LabelMap::read(write("labels.tsv", bytes), kLabels);
  }

 private:
  const std::string dir_;
};

struct Row {
  std::uint64_t line;
  std::uint8_t label;
  std::string text;
  bool operator==(const Row&) const = default;
};

std::vector<Row> rows_of(const LabelledFile& file) {
  std::vector<Row> rows;
  for (const LabelledText& text : file.texts) rows.push_back({text.line, text.label, text.text});
  return rows;
}

TEST_F(LabelledFileTest, ReadsRows) {
  struct Case {
    std::string name;
    std::string bytes;
    std::vector<Row> rows;
    std::uint64_t blank = 0;
  };
  const std::vector<Case> cases{
      {"plain", "label\ttext\nangry\t气\nhappy\t乐\n", {{2, 0, "气"}, {3, 1, "乐"}}},
      {"no line break at the end", "label\ttext\nangry\t气", {{2, 0, "气"}}},
      {"byte-order mark and CRLF",
       "\xEF\xBB\xBFlabel\ttext\r\nangry\t气\r\nhappy\t\r\n",
       {{2, 0, "气"}, {3, 1, ""}}},
      {"later tabs belong to the text", "label\ttext\nangry\ta\tb\t\n", {{2, 0, "a\tb\t"}}},
      {"empty text", "label\ttext\nneutral\t\n", {{2, 2, ""}}},
      {"invalid UTF-8",
       "label\ttext\nangry\ta\xFF\xE4\xB8z\n",
       {{2, 0, "a\xEF\xBF\xBD\xEF\xBF\xBDz"}}},
      {"only a line feed ends a row",
       "label\ttext\nangry\ta\rb\xE2\x80\xA8"
       "c\n",
       {{2, 0,
         "a\rb\xE2\x80\xA8"
         "c"}}},
      {"blank lines are counted", "label\ttext\n\nangry\ta\n\r\n\n", {{3, 0, "a"}}, 3},
      {"any names in the header", "情绪\t正文\nangry\ta\n", {{2, 0, "a"}}},
      {"NUL is a character",
       std::string("label\ttext\nangry\ta\0b\n", 21),
       {{2, 0, std::string("a\0b", 3)}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto file = read(c.bytes);
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(rows_of(*file), c.rows);
    EXPECT_EQ(file->blank, c.blank);
    EXPECT_EQ(file->unmapped, 0U);
  }
}

TEST_F(LabelledFileTest, SaysWhatIsWrong) {
  struct Case {
    std::string name;
    std::string bytes;
    std::vector<std::string> said;
  };
  const std::vector<Case> cases{
      {"empty file", "", {"eval.tsv: is empty"}},
      {"header without a tab", "label\nangry\ta\n", {"eval.tsv:1:", "header", "no tab"}},
      {"no header", "angry\ta\nhappy\tb\n", {"eval.tsv:1:", "'angry' is a label", "header"}},
      {"row without a tab", "label\ttext\nangry\ta\nhappy b\n", {"eval.tsv:3:", "'happy b'"}},
      {"empty label", "label\ttext\n\ta\n", {"eval.tsv:2:", "label is empty"}},
      {"foreign label",
       "label\ttext\nangry\ta\nlike\tb\n",
       {"eval.tsv:3:", "'like'", "emotion", "angry, happy, neutral", "--map"}},
      {"labels are not trimmed", "label\ttext\nangry \ta\n", {"eval.tsv:2:", "'angry '"}},
      {"a label that steers the terminal",
       "label\ttext\n\x1B[31mred\ta\n",
       {"eval.tsv:2:", "'?[31mred'"}},
      {"no row", "label\ttext\n\n\n", {"eval.tsv: no row", "2 blank"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto file = read(c.bytes);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().code, Code::kInvalidArgument);
    for (const std::string& part : c.said) EXPECT_THAT(file.error().message, HasSubstr(part));
  }
  EXPECT_EQ(read_labelled_file("/nowhere/x.tsv", kLabels, {}).error().code, Code::kNotFound);
}

TEST_F(LabelledFileTest, IsBounded) {
  LabelledFileOptions options;
  options.bytes_max = 20;
  const auto file = read("label\ttext\nangry\t0123456789\n", options);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, Code::kResourceExhausted);
}

TEST_F(LabelledFileTest, TakesAColumnByName) {
  const std::string bytes = "label\tid\ttext\tnote\nangry\t7\t气\tx\ty\nhappy\t8\t\t\n";
  const auto column = [&](const std::string& name) {
    LabelledFileOptions options;
    options.column = name;
    return read(bytes, options);
  };
  EXPECT_EQ(rows_of(column("text").value()), (std::vector<Row>{{2, 0, "气"}, {3, 1, ""}}));
  EXPECT_EQ(rows_of(column("note").value()), (std::vector<Row>{{2, 0, "x\ty"}, {3, 1, ""}}));
  EXPECT_EQ(rows_of(column("id").value()), (std::vector<Row>{{2, 0, "7"}, {3, 1, "8"}}));
  for (const std::string missing : {"body", "label"}) {
    const auto file = column(missing);
    ASSERT_FALSE(file.ok()) << missing;
    EXPECT_THAT(file.error().message, AllOf(HasSubstr("eval.tsv:1:"), HasSubstr(missing),
                                            HasSubstr("'id', 'text', 'note'")));
  }
  LabelledFileOptions options;
  options.column = "note";
  const auto shorter = read("label\tid\tnote\nangry\t7\n", options);
  ASSERT_FALSE(shorter.ok());
  EXPECT_THAT(shorter.error().message, AllOf(HasSubstr("eval.tsv:2:"), HasSubstr("'note'")));
}

TEST_F(LabelledFileTest, MapsForeignLabelsAndCountsTheRest) {
  const auto labels = map("theirs\tours\nanger\tangry\r\nlike\thappy\nhappiness\thappy\n");
  ASSERT_TRUE(labels.ok()) << labels.error().message;
  LabelledFileOptions options;
  options.map = &*labels;
  const auto file =
      read("label\ttext\nlike\ta\ndisgust\tb\nangry\tc\nanger\td\ndisgust\te\n", options);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(rows_of(*file), (std::vector<Row>{{2, 1, "a"}, {5, 0, "d"}}));
  // The model's own "angry" is not in the map, so it is not mapped.
  EXPECT_EQ(file->unmapped, 3U);
  EXPECT_EQ(file->unmapped_labels,
            (std::map<std::string, std::uint64_t>{{"angry", 1}, {"disgust", 2}}));
  const auto none = read("label\ttext\ndisgust\tb\n", options);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, AllOf(HasSubstr("eval.tsv: no row"), HasSubstr("1 unmapped"),
                                          HasSubstr("labels.tsv"), HasSubstr("'disgust'")));
}

TEST_F(LabelledFileTest, AHeaderLineOfTheMapIsOptional) {
  const auto bare = map("anger\tangry\n");
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(bare->find("anger"), 0);
  EXPECT_EQ(bare->header_label(), "");
  // A mistake in the first line looks like a header, until its label turns up.
  const auto mistaken = map("anger\tangyr\nlike\thappy\n");
  ASSERT_TRUE(mistaken.ok());
  LabelledFileOptions options;
  options.map = &*mistaken;
  const auto file = read("label\ttext\nlike\ta\nanger\tb\n", options);
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(file.error().message,
              AllOf(HasSubstr("labels.tsv:1:"), HasSubstr("'anger'"), HasSubstr("eval.tsv:3")));
}

TEST_F(LabelledFileTest, SaysWhatIsWrongWithTheMap) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases{
      {"", {"labels.tsv: maps no label", "angry, happy, neutral"}},
      {"foreign\tours\n", {"labels.tsv: maps no label"}},
      {"a\tangry\nb\tjoy\n", {"labels.tsv:2:", "emotion label 'joy'", "angry, happy, neutral"}},
      {"a\tangry\nb\n", {"labels.tsv:2:", "'b' is not foreign<TAB>ours"}},
      {"a\tangry\nb\t\n", {"labels.tsv:2:", "leave out its line"}},
      {"a\tangry\nb\thappy\tx\n", {"labels.tsv:2:"}},
      {"a\tangry\n\na\thappy\n", {"labels.tsv:3:", "'happy'", "'angry'"}},
  };
  for (const auto& [bytes, said] : cases) {
    SCOPED_TRACE(bytes);
    const auto labels = map(bytes);
    ASSERT_FALSE(labels.ok());
    EXPECT_EQ(labels.error().code, Code::kInvalidArgument);
    for (const std::string& part : said) EXPECT_THAT(labels.error().message, HasSubstr(part));
  }
  EXPECT_TRUE(map("a\tangry\na\tangry\n").ok()) << "said twice, but the same";
}

}  // namespace
}  // namespace tidewatch
