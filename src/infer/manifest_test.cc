// SPDX-License-Identifier: Apache-2.0
#include "infer/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "infer/model_registry.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/manifest_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write("model.onnx", "weights");
    write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n的\n");
    manifest_ = {
        {"format", 1},
        {"name", "base"},
        {"version", "1"},
        {"precision", "fp32"},
        {"max_length", 512},
        {"weights", {{"file", "model.onnx"}, {"sha256", *sha256_of_file(folder_ / "model.onnx")}}},
        {"vocabulary",
         {{"file", "vocab.txt"}, {"sha256", *sha256_of_file(folder_ / "vocab.txt")}, {"size", 5}}},
        {"tasks",
         {{{"name", "emotion"},
           {"output", "e"},
           {"labels", {"angry", "neutral"}},
           {"negative", {"angry"}}},
          {{"name", "topic"}, {"output", "t"}, {"labels", {"car", "edu", "game"}}}}}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  Result<ModelManifest> read() const {
    write("manifest.json", manifest_.dump());
    return read_manifest(folder_);
  }

  std::filesystem::path folder_;
  json manifest_;
};

TEST_F(ManifestTest, ReadsWhatTheModelWasPublishedWith) {
  EXPECT_TRUE(read()->published.empty());
  manifest_["metrics"] = {
      {"usual", {{"task", "emotion"}, {"n", 1978}, {"accuracy", 0.772}, {"macro_f1", 0.7489}}},
      {"dev", {{"task", "topic"}, {"n", 3000}, {"accuracy", 0.8123}, {"macro_f1", "none"}}},
      {"own", {{"accuracy", 1}}},
      {"percent", {{"accuracy", 77.2}}},
      {"speed", 12}};
  const auto manifest = read();
  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  const auto& published = manifest->published;
  ASSERT_EQ(published.size(), 3U) << "what is no accuracy is passed over";
  EXPECT_EQ(published[0].data, "own");
  EXPECT_EQ(published[0].task, "");
  EXPECT_EQ(published[0].texts, 0U);
  EXPECT_EQ(published[1].data, "usual");
  EXPECT_EQ(published[1].task, "emotion");
  EXPECT_EQ(published[1].texts, 1978U);
  EXPECT_DOUBLE_EQ(published[1].accuracy, 0.772);
  EXPECT_DOUBLE_EQ(published[1].macro_f1.value_or(0), 0.7489);
  EXPECT_EQ(published[2].data, "dev");
  EXPECT_FALSE(published[2].macro_f1);
}

TEST_F(ManifestTest, ReadsLabelsInOrder) {
  const auto manifest = read();
  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(manifest->labels.emotions, (std::vector<std::string>{"angry", "neutral"}));
  EXPECT_EQ(manifest->labels.topics, (std::vector<std::string>{"car", "edu", "game"}));
  EXPECT_EQ(manifest->labels.neutral, 1);
  EXPECT_TRUE(manifest->labels.is_negative(0));
  EXPECT_FALSE(manifest->labels.is_negative(1));
  EXPECT_TRUE(verify_manifest_files(*manifest).ok());
}

TEST_F(ManifestTest, NamesTheFieldThatIsWrong) {
  struct Case {
    const char* name;
    std::function<void(json&)> spoil;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"no version", [](json& m) { m.erase("version"); }, "field 'version' is missing"},
      {"newer format", [](json& m) { m["format"] = 2; }, "field 'format' must be a number from 1"},
      {"name of a wrong type", [](json& m) { m["name"] = 7; }, "field 'name' must be a non-empty"},
      {"length out of range", [](json& m) { m["max_length"] = 4096; }, "'max_length' must be"},
      {"weights reach outside", [](json& m) { m["weights"]["file"] = "../x"; }, "plain file name"},
      {"short digest", [](json& m) { m["weights"]["sha256"] = "abc"; }, "64 lower-case hex"},
      {"no tasks", [](json& m) { m.erase("tasks"); }, "field 'tasks' must be an array"},
      {"no topic", [](json& m) { m["tasks"].erase(1); }, "needs 'topic'"},
      {"label twice", [](json& m) { m["tasks"][1]["labels"][2] = "car"; }, "lists 'car' twice"},
      {"negative unknown", [](json& m) { m["tasks"][0]["negative"] = {"sad"}; }, "not there"},
      {"no neutral", [](json& m) { m["tasks"][0]["labels"][1] = "calm"; }, "must hold 'neutral'"},
      {"labels empty", [](json& m) { m["tasks"][1]["labels"] = json::array(); }, "must list 1 to"},
  };
  const json good = manifest_;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    manifest_ = good;
    c.spoil(manifest_);
    const auto manifest = read();
    ASSERT_FALSE(manifest.ok());
    EXPECT_EQ(manifest.error().code, Code::kInvalidArgument);
    EXPECT_THAT(manifest.error().message, HasSubstr(c.expected));
    EXPECT_THAT(manifest.error().message, HasSubstr("manifest.json"));
  }
}

TEST_F(ManifestTest, SaysWhenThereIsNoneOrItIsNotJson) {
  EXPECT_EQ(read_manifest(folder_ / "nowhere").error().code, Code::kNotFound);
  write("manifest.json", "{");
  EXPECT_THAT(read_manifest(folder_).error().message, HasSubstr("not a JSON object"));
}

TEST_F(ManifestTest, CatchesATruncatedFile) {
  const auto manifest = read();
  ASSERT_TRUE(manifest.ok());
  for (const char* name : {"model.onnx", "vocab.txt"}) {
    write(name, "x");
    const Status status = verify_manifest_files(*manifest);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().code, Code::kDataLoss);
    EXPECT_THAT(status.error().message, HasSubstr(name));
    write(name, name[0] == 'm' ? "weights" : "");
  }
}

TEST_F(ManifestTest, ACalibrationIsOptionalAndChecked) {
  EXPECT_FALSE(read()->calibration.has_value());
  write("int8.json", "{}");
  manifest_["calibration"] = {{"file", "int8.json"},
                              {"sha256", *sha256_of_file(folder_ / "int8.json")}};
  const auto manifest = read();
  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(manifest->calibration->path, folder_ / "int8.json");
  EXPECT_TRUE(verify_manifest_file(*manifest->calibration).ok());
  write("int8.json", "{");
  EXPECT_TRUE(verify_manifest_files(*manifest).ok()) << "the model is as good as without it";
  const Status damaged = verify_manifest_file(*manifest->calibration);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, Code::kDataLoss);
  EXPECT_THAT(damaged.error().message, HasSubstr("int8.json"));
  manifest_["calibration"]["file"] = "../int8.json";
  EXPECT_THAT(read().error().message, HasSubstr("calibration.file"));
  manifest_["calibration"] = "int8.json";
  EXPECT_THAT(read().error().message, HasSubstr("'calibration' must be an object"));
}

TEST_F(ManifestTest, RegistryListsWhatThereIsAndRefusesTheRest) {
  ModelRegistry registry(folder_);
  const auto missing = registry.load("nope");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  std::filesystem::create_directories(folder_ / "base");
  for (const char* name : {"model.onnx", "vocab.txt"}) {
    std::filesystem::copy(folder_ / name, folder_ / "base" / name);
  }
  std::ofstream(folder_ / "base" / "manifest.json") << manifest_.dump();
  EXPECT_EQ(registry.available(), std::vector<std::string>{"base"});
  const auto garbage = registry.load("base");  // the digests fit, but it is no ONNX file
  ASSERT_FALSE(garbage.ok());
  EXPECT_THAT(garbage.error().message, HasSubstr("OpenVINO cannot load it"));
  const auto none = registry.load("none");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ((*none)->manifest.labels, bundled_labels());
}

}  // namespace
}  // namespace tidewatch
