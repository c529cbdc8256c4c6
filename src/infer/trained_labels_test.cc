// SPDX-License-Identifier: Apache-2.0
#include "infer/trained_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "infer/manifest.h"

namespace tidewatch {
namespace {

using testing::HasSubstr;

TEST(TrainedLabelsTest, CatchesAnotherOrderByTable) {
  struct Case {
    const char* name;
    WeightsMetadata metadata;
    std::vector<std::string> said;  // empty: accepted
  };
  const std::vector<Case> cases{
      {"the same",
       {{"tidewatch.labels.emotion", "angry\nneutral\nsad"},
        {"tidewatch.labels.topic", "car\nedu"}},
       {}},
      {"weights that say nothing", {}, {}},
      {"other keys do not matter", {{"author", "x"}}, {}},
      {"two swapped",
       {{"tidewatch.labels.emotion", "angry\nsad\nneutral"}},
       {"label 2 of task 'emotion' is 'neutral' in the manifest but 'sad' in the weights",
        "angry, sad, neutral"}},
      {"the other task",
       {{"tidewatch.labels.emotion", "angry\nneutral\nsad"},
        {"tidewatch.labels.topic", "edu\ncar"}},
       {"label 1 of task 'topic' is 'car' in the manifest but 'edu' in the weights"}},
      {"one too many in the manifest",
       {{"tidewatch.labels.topic", "car"}},
       {"label 2 of task 'topic' is 'edu' in the manifest but nothing in the weights"}},
      {"one too few",
       {{"tidewatch.labels.topic", "car\nedu\ngame"}},
       {"label 3 of task 'topic' is nothing in the manifest but 'game' in the weights"}},
      {"empty", {{"tidewatch.labels.topic", ""}}, {"but nothing in the weights"}},
      {"the sequence task",
       {{"tidewatch.labels.words", "I\nB"}},
       {"label 1 of task 'words' is 'B' in the manifest but 'I' in the weights"}},
  };
  ModelManifest manifest;
  manifest.emotion = {"emotion", "e", {"angry", "neutral", "sad"}};
  manifest.topic = {"topic", "t", {"car", "edu"}};
  manifest.sequence.emplace();
  manifest.sequence->name = "words";
  manifest.sequence->labels = {"B", "I"};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Status status = check_trained_labels(manifest, c.metadata);
    ASSERT_EQ(status.ok(), c.said.empty());
    if (status) continue;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    for (const std::string& words : c.said) EXPECT_THAT(status.error().message, HasSubstr(words));
  }
}

}  // namespace
}  // namespace tidewatch
