// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

CalibrationRecipe small_recipe() {
  CalibrationRecipe recipe;
  recipe.model = "fast";
  recipe.model_version = "1";
  recipe.model_sha256 = std::string(64, 'a');
  recipe.activations = {{"x", "percentile-99.99", rounded_scale(0.0283279F)}};
  recipe.layers = {{"n1_Conv", "Conv", "x", "conv.weight", 0, {0.5F, rounded_scale(1.0F / 3)}}};
  recipe.kept_fp32 = {{"n2_MatMul", "hidden.weight", "sensitive", 0.0035}};
  recipe.set = {"texts \"of\" ours", "2026-11-23", 100, 64, 7, 0.25, {{"slang", 30, 20}}};
  recipe.divergence = 0.0001;
  recipe.speedup = 1.25;
  return recipe;
}

class RecipeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/recipe_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    file_ = folder_ / "int8.json";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::filesystem::path file_;
};

TEST_F(RecipeTest, ComesBackAsItWasWritten) {
  const CalibrationRecipe recipe = small_recipe();
  ASSERT_TRUE(write_atomically(file_, to_json(recipe)).ok());
  const auto read = read_recipe(file_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(recipe));
  EXPECT_EQ(read->activations[0].scale, recipe.activations[0].scale);
  EXPECT_EQ(read->layers[0].scales, recipe.layers[0].scales);
  EXPECT_EQ(read->kept_fp32[0].reason, "sensitive");
  EXPECT_EQ(read->set.source, "texts \"of\" ours");
  EXPECT_EQ(read->set.strata, recipe.set.strata);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 1U) << "no temporary file is left";
}

TEST_F(RecipeTest, TruncatedAnywhereItIsRefused) {
  const std::string whole = to_json(small_recipe());
  for (std::size_t bytes = 0; bytes + 2 < whole.size(); bytes += 13) {
    std::ofstream(file_, std::ios::binary) << whole.substr(0, bytes);
    const auto read = read_recipe(file_);
    ASSERT_FALSE(read.ok()) << bytes;
    EXPECT_THAT(read.error().message, HasSubstr("int8.json"));
    EXPECT_THAT(read.error().message, HasSubstr("tidewatch calibrate"));
  }
}

TEST_F(RecipeTest, NamesWhatIsWrong) {
  struct Case {
    const char* name;
    std::function<void(json&)> spoil;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"newer format", [](json& r) { r["format"] = 2; }, "'format' must be 1"},
      {"no digest", [](json& r) { r.erase("model_sha256"); }, "'model_sha256' is missing"},
      {"no layers", [](json& r) { r["layers"] = json::array(); }, "'layers' names no layer"},
      {"layers of a wrong type", [](json& r) { r["layers"] = 3; }, "'layers' must be an array"},
      {"a layer that is no object", [](json& r) { r["layers"][0] = 3; }, "is missing"},
      {"scale of zero", [](json& r) { r["activations"][0]["scale"] = 0; }, "above 0"},
      {"negative scale", [](json& r) { r["layers"][0]["scales"][1] = -1; }, "above 0"},
      {"scale as text", [](json& r) { r["layers"][0]["scales"][1] = "1"; }, "above 0"},
      {"no scales", [](json& r) { r["layers"][0]["scales"] = json::array(); }, "has no scales"},
      {"input without a scale", [](json& r) { r["layers"][0]["input"] = "y"; },
       "'y' has 0 activation scales"},
      {"input with two scales", [](json& r) { r["activations"].push_back(r["activations"][0]); },
       "has 2 activation scales"},
      {"no set", [](json& r) { r.erase("set"); }, "'set' is missing"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    json recipe = json::parse(to_json(small_recipe()));
    c.spoil(recipe);
    std::ofstream(file_) << recipe.dump();
    const auto read = read_recipe(file_);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::kInvalidArgument);
    EXPECT_THAT(read.error().message, HasSubstr(c.expected));
  }
  EXPECT_EQ(read_recipe(folder_ / "none.json").error().code, Code::kNotFound);
}

TEST_F(RecipeTest, AFailedWriteLeavesTheOldFile) {
  ASSERT_TRUE(write_atomically(file_, "old").ok());
  const Status failed = write_atomically(folder_ / "no such folder" / "x", "new");
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr("cannot be written"));
  std::ifstream in(file_);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), "old");
}

}  // namespace
}  // namespace tidewatch
