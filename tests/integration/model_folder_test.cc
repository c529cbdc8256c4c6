// SPDX-License-Identifier: Apache-2.0
// What goes wrong with a model's folder is said when the model is loaded, not seen in its answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "app/inference.h"
#include "infer/testing/tiny_model.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string read_whole(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void write(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/models_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    models_ = std::filesystem::path(pattern);
    copy_fast("fast");
  }
  void TearDown() override { std::filesystem::remove_all(models_); }

  void copy_fast(const std::string& name) const {
    const std::filesystem::path bundled = TIDEWATCH_SOURCE_DIR "/models/fast";
    std::filesystem::create_directories(models_ / name);
    for (const auto& entry : std::filesystem::directory_iterator(bundled)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".png" || extension == ".md") continue;
      std::filesystem::copy_file(entry.path(), models_ / name / entry.path().filename(),
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
  void edit_manifest(const std::string& name, const std::function<void(json&)>& change) const {
    const std::filesystem::path file = models_ / name / "manifest.json";
    json manifest = json::parse(read_whole(file));
    change(manifest);
    write(file, manifest.dump());
  }
  // "" when it can be served; else what is said.
  std::string start(const std::string& model) const {
    SystemClock clock;
    Metrics metrics;
    ModelRegistry registry(models_, BackendOptions{1});
    Inference::Options options;
    options.model = model;
    options.instances = 1;
    const auto started = Inference::create(registry, options, clock, metrics);
    return started ? "" : started.error().message;
  }

  std::filesystem::path models_;
};

TEST_F(ModelFolderTest, SaysWhatIsWrong) {
  struct Case {
    const char* name;
    std::function<void()> spoil;
    std::vector<std::string> said;
  };
  const std::filesystem::path folder = models_ / "fast";
  const auto set_vocabulary = [&](const std::string& bytes, bool with_digest) {
    write(folder / "vocab.txt", bytes);
    if (!with_digest) return;
    edit_manifest("fast", [&](json& m) {
      m["vocabulary"]["sha256"] = *sha256_of_file(folder / "vocab.txt");
    });
  };
  const std::string vocabulary = read_whole(folder / "vocab.txt");
  const std::vector<Case> cases{
      {"weights cut short",
       [&] {
         const auto size = std::filesystem::file_size(folder / "model.onnx");
         std::filesystem::resize_file(folder / "model.onnx", size - 1);
       },
       {"model.onnx: sha256 is", "the file is truncated or of another version"}},
      {"two emotions swapped",
       [&] {
         edit_manifest("fast", [](json& m) {
           std::swap(m["tasks"][0]["labels"][0], m["tasks"][0]["labels"][4]);
         });
       },
       {"model.onnx: label 1 of task 'emotion' is 'sad' in the manifest but 'angry' in the weights",
        "correct the manifest's order"}},
      {"two topics swapped",
       [&] {
         edit_manifest("fast", [](json& m) {
           std::swap(m["tasks"][1]["labels"][12], m["tasks"][1]["labels"][13]);
         });
       },
       {"label 13 of task 'topic' is 'world' in the manifest but 'travel' in the weights"}},
      {"a topic renamed",
       [&] { edit_manifest("fast", [](json& m) { m["tasks"][1]["labels"][9] = "sport"; }); },
       {"label 10 of task 'topic' is 'sport' in the manifest but 'sports' in the weights"}},
      {"vocabulary cut short",
       [&] { set_vocabulary(vocabulary.substr(0, 1'000), false); },
       {"vocab.txt: sha256 is", "truncated or of another version"}},
      {"another vocabulary with its digest",
       [&] {
         set_vocabulary(vocabulary.substr(0, vocabulary.rfind('\n', vocabulary.size() - 2) + 1),
                        true);
       },
       {"vocab.txt: holds 21127 tokens but the manifest says 21128", "belongs to another model"}},
      {"the tasks' outputs swapped",
       [&] {
         edit_manifest("fast", [](json& m) {
           m["tasks"][0]["output"] = "topic_logits";
           m["tasks"][1]["output"] = "emotion_logits";
         });
       },
       {"output 'topic_logits' is", "but task emotion lists 6 labels"}},
  };
  EXPECT_EQ(start("fast"), "");
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    copy_fast("fast");
    c.spoil();
    const std::string said = start("fast");
    ASSERT_FALSE(said.empty());
    for (const std::string& words : c.said) EXPECT_THAT(said, HasSubstr(words));
  }
}

// A model with a sequence task labels tokens, also of a text whose scores are in the cache.
TEST_F(ModelFolderTest, TokensAreLabelledByTheManifestsDecoder) {
  json manifest = make_tiny_model(models_ / "tiny");
  manifest["sequence"] = tiny_sequence_task();
  write_manifest(models_ / "tiny", manifest);
  SystemClock clock;
  Metrics metrics;
  ModelRegistry registry(models_, BackendOptions{2});
  Inference::Options options;
  options.model = "tiny";
  const auto started = Inference::create(registry, options, clock, metrics);
  ASSERT_TRUE(started.ok()) << started.error().message;
  const std::vector<std::string> texts{"天地天", "", "人地", "天地天"};
  ASSERT_TRUE((*started)->classify(texts).ok());
  std::vector<TokenLabels> labels;
  const auto scores = (*started)->classify(texts, &labels);
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(labels, (std::vector<TokenLabels>{{1, 2, 0}, {}, {1, 2}, {1, 2, 0}}));
}

// The two models of a cascade must read and answer alike: the labels of one stand for the other's.
TEST_F(ModelFolderTest, ACascadeNeedsTwoModelsThatAgree) {
  EXPECT_THAT(start("auto"), HasSubstr("no model 'base'"));
  copy_fast("base");  // weights do not matter here
  EXPECT_EQ(start("auto"), "");
  edit_manifest("base", [](json& m) { m["max_length"] = 256; });
  EXPECT_THAT(start("auto"), HasSubstr("'fast' and 'base' differ in max_length"));
  copy_fast("base");
  edit_manifest("base", [](json& m) { m["tasks"][0]["negative"] = {"angry"}; });
  EXPECT_THAT(start("auto"), HasSubstr("'fast' and 'base' differ in labels"));
  copy_fast("base");
  write(models_ / "base" / "vocab.txt", read_whole(models_ / "base" / "vocab.txt") + "x\n");
  edit_manifest("base", [&](json& m) {
    m["vocabulary"]["sha256"] = *sha256_of_file(models_ / "base" / "vocab.txt");
    m["vocabulary"]["size"] = 21'129;
  });
  EXPECT_THAT(start("auto"), HasSubstr("'fast' and 'base' differ in vocabulary"));
}

}  // namespace
}  // namespace tidewatch
