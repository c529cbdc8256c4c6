// SPDX-License-Identifier: Apache-2.0
#include "alert/evidence_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidewatch {
namespace {

using ::testing::ElementsAre;

EvidencePost post(std::string id, std::string author, std::string text, bool negative = false) {
  EvidencePost made;
  made.id = std::move(id);
  made.author = std::move(author);
  made.text = std::move(text);
  made.text_hash = made.text.empty() ? 0 : std::hash<std::string>{}(made.text);
  made.negative = negative;
  return made;
}

TEST(EvidenceChoice, PrefersNewTextsAndAuthors) {
  EvidenceChoice choice;
  const std::vector<EvidencePost> posts{post("1", "a", "x"), post("2", "a", "y"),
                                        post("3", "b", "x"), post("4", "c", "z"),
                                        post("5", "", "w"),  post("6", "", "")};
  choice.add(posts, {.ids_max = 10, .ids_wanted = 3});
  EXPECT_THAT(choice.ids(), ElementsAre("1", "4", "5", "2", "3", "6"));
}

TEST(EvidenceChoice, WhatWasShownStays) {
  EvidenceChoice choice;
  choice.add(std::vector{post("1", "a", "x"), post("2", "b", "x")},
             {.ids_max = 3, .ids_wanted = 3});
  choice.add(std::vector{post("3", "c", "x"), post("4", "d", "y"), post("2", "b", "x")},
             {.ids_max = 3, .ids_wanted = 3});
  EXPECT_THAT(choice.ids(), ElementsAre("1", "2", "4"));
}

TEST(EvidenceChoice, NegativeOnlyTakesOthersOnlyToReachTheMinimum) {
  const std::vector<EvidencePost> posts{post("n1", "a", "x", true), post("p1", "b", "y"),
                                        post("p2", "c", "z"), post("p3", "d", "w")};
  EvidenceChoice choice;
  choice.add(posts, {.ids_max = 10, .ids_wanted = 3, .negative_only = true});
  EXPECT_THAT(choice.ids(), ElementsAre("n1", "p1", "p2"));
}

TEST(EvidenceChoice, StartsAnewOnlyWhenThereIsEnough) {
  const EvidenceChoice::Rules anew{.ids_max = 10, .ids_wanted = 2, .start_anew = true};
  EvidenceChoice choice;
  choice.restore({"1", "2"});
  choice.add(std::vector{post("3", "c", "x")}, anew);
  EXPECT_THAT(choice.ids(), ElementsAre("1", "2", "3"));
  choice.add(std::vector{post("4", "c", "y"), post("5", "d", "z")}, anew);
  EXPECT_THAT(choice.ids(), ElementsAre("4", "5"));
}

TEST(DistinctTexts, TakesNegativeOnesWhenThereAreEnough) {
  const std::vector<EvidencePost> posts{post("1", "a", "x", true), post("2", "b", "x", true),
                                        post("3", "c", "y"), post("4", "d", ""),
                                        post("5", "e", "z", true)};
  EXPECT_THAT(distinct_texts(posts, false, 2), ElementsAre("x", "y", "z"));
  EXPECT_THAT(distinct_texts(posts, true, 2), ElementsAre("x", "z"));
  EXPECT_THAT(distinct_texts(posts, true, 3), ElementsAre("x", "y", "z"));
}

}  // namespace
}  // namespace tidewatch
