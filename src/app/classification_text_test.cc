// SPDX-License-Identifier: Apache-2.0
#include "app/classification_text.h"

#include <gtest/gtest.h>

#include <vector>

#include "infer/scores.h"

namespace tidewatch {
namespace {

TEST(ClassificationTextTest, ChineseLabelsKeepTheColumns) {
  const std::vector<std::string> names{"愤怒", "neutral", "喜"};
  const std::vector<LabelPair> pairs{{0, 0}, {0, 1}, {1, 1}, {2, 1}};
  const ConfusionMatrix confusion = confusion_matrix(pairs, names.size());
  EXPECT_EQ(per_label_text(classification_report(confusion), names),
            "label    precision  recall      F1  support\n"
            "愤怒        1.0000  0.5000  0.6667        2\n"
            "neutral     0.3333  1.0000  0.5000        1\n"
            "喜          0.0000  0.0000  0.0000        1\n");
  EXPECT_EQ(confusion_text(confusion, names, /*colour=*/false),
            "confusion: rows are the truth, columns the prediction\n"
            "         愤怒  neutral  喜\n"
            "愤怒        1        1   ·\n"
            "neutral     ·        1   ·\n"
            "喜          ·        1   ·\n");
}

TEST(ClassificationTextTest, LabelsThatDoNotFitAreNumbered) {
  std::vector<std::string> names;
  for (char letter = 'a'; letter < 'o'; ++letter) names.emplace_back(9, letter);
  const std::vector<LabelPair> pairs{{0, 0}, {0, 0}, {13, 1}, {13, kNoLabel}};
  const std::string text = confusion_text(confusion_matrix(pairs, names.size()), names, false);
  EXPECT_EQ(text,
            "confusion: rows are the truth, columns the prediction by number\n"
            "               1  2  3  4  5  6  7  8  9  10  11  12  13  14  unknown\n"
            "  1 aaaaaaaaa  2  ·  ·  ·  ·  ·  ·  ·  ·   ·   ·   ·   ·   ·        ·\n"
            " 14 nnnnnnnnn  ·  1  ·  ·  ·  ·  ·  ·  ·   ·   ·   ·   ·   ·        1\n");
}

TEST(ClassificationTextTest, ColourMarksTheDiagonalAndCommonMistakes) {
  std::vector<LabelPair> pairs(10, {0, 0});
  pairs.push_back({0, 1});  // one in eleven: not common
  pairs.push_back({1, 0});
  const std::vector<std::string> names{"a", "b"};
  const std::string text = confusion_text(confusion_matrix(pairs, 2), names, true);
  EXPECT_EQ(text,
            "confusion: rows are the truth, columns the prediction\n"
            "    a   b\n"
            "a  \033[32m10\033[0m   1\n"
            "b  \033[31m 1\033[0m   ·\n");
}

}  // namespace
}  // namespace tidewatch
