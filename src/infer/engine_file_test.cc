// SPDX-License-Identifier: Apache-2.0
#include "infer/engine_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "infer/engine_loader.h"
#include "infer/plan_engine.h"
#include "infer/testing/tiny_model.h"

namespace tidewatch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

class EngineFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/engine_file_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    manifest_ = make_tiny_model(folder_ / "tiny");
    write_manifest(folder_ / "tiny", manifest_);
    engine_ = folder_ / "v2.engine";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Status make(const nlohmann::json& manifest, const std::string& precision = "fp32") {
    EngineHeader header;
    header.manifest_json = manifest.dump();
    header.kind = kEngineOnnx;
    header.backend = "openvino";
    header.precision = precision;
    header.built_from = "a test";
    header.accuracy_json = R"({"n":3})";
    const std::string graph = read(folder_ / "tiny" / "model.xml");
    const std::string weights = read(folder_ / "tiny" / "model.bin");
    const EnginePart parts[] = {{"model.xml", graph}, {"model.bin", weights}};
    return write_engine(engine_, header, parts);
  }
  ModelManifest served() const { return *read_manifest(folder_ / "tiny"); }

  std::filesystem::path folder_;
  std::filesystem::path engine_;
  nlohmann::json manifest_;
};

TEST_F(EngineFileTest, ReadsWhatItWrote) {
  manifest_["version"] = "v2";
  ASSERT_TRUE(make(manifest_));
  const auto header = read_engine_header(engine_);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->manifest.version, "v2");
  EXPECT_EQ(header->manifest.labels, served().labels);
  EXPECT_EQ(header->kind, kEngineOnnx);
  EXPECT_EQ(header->built_from, "a test");
  EXPECT_EQ(header->accuracy_json, R"({"n":3})");
  ASSERT_EQ(header->sections.size(), 2U);
  EXPECT_TRUE(check_engine_fits(*header, served()));
  const auto section = read_engine_section(engine_, *header, "model.bin");
  ASSERT_TRUE(section);
  EXPECT_EQ(*section, read(folder_ / "tiny" / "model.bin"));
}

// A new user's engines folder is not there yet.
TEST_F(EngineFileTest, MakesItsFolder) {
  const std::filesystem::path file = folder_ / "not" / "there" / "v1.engine";
  EngineHeader header;
  header.manifest_json = manifest_.dump();
  const EnginePart parts[] = {{"model.xml", "x"}};
  const Status written = write_engine(file, header, parts);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
}

TEST_F(EngineFileTest, IsLoadedBesideAnother) {
  manifest_["version"] = "v2";
  ASSERT_TRUE(make(manifest_));
  ModelRegistry registry(folder_);
  const auto was = registry.load("tiny");
  ASSERT_TRUE(was) << was.error().message;
  const auto is = load_engine(registry, engine_, **was);
  ASSERT_TRUE(is) << is.error().message;
  EXPECT_EQ((*is)->engine, "v2.engine");
  EXPECT_EQ((*is)->engine_sha256.size(), 64U);
  EXPECT_NE((*is)->version, (*was)->version);
  const std::vector<std::int32_t> ids{2, 4, 3};
  const std::vector<std::uint32_t> offsets{0, 3};
  Scores a;
  Scores b;
  ASSERT_TRUE((*was)->backend->run(0, {ids, offsets}, {&a, 1}));
  ASSERT_TRUE((*is)->backend->run(0, {ids, offsets}, {&b, 1}));
  EXPECT_EQ(a.emotion_prob, b.emotion_prob);
}

constexpr const char* kHere = "tensorrt 10.6.0, NVIDIA H100 80GB HBM3 (9.0)";

TEST_F(EngineFileTest, APlanIsBoundToReleaseAndGpu) {
  EngineHeader header;
  header.compatibility = "tensorrt 10.6.0, NVIDIA L4 (8.9)";
  header.shapes = "rows of 128 up to 64";
  const Status bound = check_plan_bound_to(header, kHere);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(bound.error().message, AllOf(HasSubstr("NVIDIA L4 (8.9)"), HasSubstr(kHere),
                                           HasSubstr("rows of 128"), HasSubstr("build-engine")));
  header.compatibility = kHere;
  EXPECT_TRUE(check_plan_bound_to(header, kHere));
}

TEST_F(EngineFileTest, TheNewestPlanThatFitsIsChosen) {
  const auto plan = [&](const std::string& name, const std::string& bound, const std::string& at,
                        const std::string& sha256 = "") {
    EngineHeader header;
    nlohmann::json manifest = manifest_;
    if (!sha256.empty()) manifest["weights"]["sha256"] = sha256;
    header.manifest_json = manifest.dump();
    header.kind = kEngineTensorRt;
    header.precision = "fp16";
    header.compatibility = bound;
    header.built_at = at;
    header.shapes = "rows of 128 up to 64";
    const EnginePart parts[] = {{"plan", "bytes of " + name}};
    ASSERT_TRUE(write_engine(folder_ / "engines" / name, header, parts));
  };
  const auto none = choose_plan(served(), folder_ / "engines", kHere);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("build-engine --backend tensorrt"));

  plan("elsewhere.engine", "tensorrt 11.4.0, NVIDIA L4 (8.9)", "2026-12-01T00:00:00Z");
  plan("other.engine", kHere, "2026-12-01T00:00:00Z", std::string(64, 'a'));
  write(folder_ / "engines" / "garbage.engine", "garbage");
  const auto unfit = choose_plan(served(), folder_ / "engines", kHere);
  ASSERT_FALSE(unfit);
  EXPECT_THAT(unfit.error().message,
              AllOf(HasSubstr("elsewhere.engine"), HasSubstr("NVIDIA L4"), HasSubstr(kHere),
                    HasSubstr("other.engine: made of other weights"), HasSubstr("garbage.engine")));

  plan("old.engine", kHere, "2026-11-01T00:00:00Z");
  plan("new.engine", kHere, "2026-11-20T00:00:00Z");
  const auto chosen = choose_plan(served(), folder_ / "engines", kHere);
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ(chosen->file.filename(), "new.engine");
  EXPECT_EQ(chosen->header.shapes, "rows of 128 up to 64");
}

// Where there is no GPU the answer says so; where there is one, that these bytes are no plan.
TEST_F(EngineFileTest, APlanOfGarbageIsAnError) {
  EngineHeader header;
  header.manifest_json = manifest_.dump();
  header.kind = kEngineTensorRt;
  header.precision = "fp16";
  header.compatibility = kHere;
  const EnginePart parts[] = {{"plan", "garbage"}};
  ASSERT_TRUE(write_engine(engine_, header, parts));
  ModelRegistry registry(folder_);
  const auto was = registry.load("tiny");
  ASSERT_TRUE(was);
  const auto is = load_engine(registry, engine_, **was);
  ASSERT_FALSE(is);
  EXPECT_THAT(is.error().message, HasSubstr("v2.engine: "));
}

TEST_F(EngineFileTest, EveryCutIsNoticed) {
  ASSERT_TRUE(make(manifest_));
  const std::string whole = read(engine_);
  for (std::size_t length = 0; length < whole.size(); length += 1 + whole.size() / 97) {
    write(engine_, whole.substr(0, length));
    const auto header = read_engine_header(engine_);
    ASSERT_FALSE(header) << length;
    EXPECT_THAT(header.error().message, AllOf(HasSubstr("v2.engine"), HasSubstr("build")));
  }
  write(engine_, whole + "x");
  const auto longer = read_engine_header(engine_);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Code::kDataLoss);
  EXPECT_THAT(longer.error().message, HasSubstr("too long"));
}

TEST_F(EngineFileTest, EveryChangedByteIsNoticed) {
  ASSERT_TRUE(make(manifest_));
  const std::string whole = read(engine_);
  ModelRegistry registry(folder_);
  const auto was = registry.load("tiny");
  ASSERT_TRUE(was);
  for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 211) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x20);
    write(engine_, changed);
    EXPECT_FALSE(load_engine(registry, engine_, **was)) << at;
  }
}

TEST_F(EngineFileTest, SaysWhatIsWrong) {
  ASSERT_TRUE(make(manifest_));
  const std::string whole = read(engine_);
  std::string newer = whole;
  newer[8] = 9;
  struct Case {
    const char* name;
    std::string bytes;
    Code code;
    const char* says;
  };
  const Case cases[] = {
      {"another file", "PK\x03\x04 something else", Code::kInvalidArgument, "not an engine"},
      {"a newer format", newer, Code::kUnimplemented, "format 9, but this program reads format 1"},
      {"cut in the header", whole.substr(0, 100), Code::kDataLoss, "truncated"},
  };
  for (const Case& c : cases) {
    write(engine_, c.bytes);
    const auto header = read_engine_header(engine_);
    ASSERT_FALSE(header) << c.name;
    EXPECT_EQ(header.error().code, c.code) << c.name;
    EXPECT_THAT(header.error().message, HasSubstr(c.says)) << c.name;
  }
  const auto missing = read_engine_header(folder_ / "none.engine");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST_F(EngineFileTest, WhatDoesNotFitNamesBothSides) {
  struct Case {
    const char* name;
    std::function<void(nlohmann::json&)> change;
    const char* ours;
    const char* theirs;
  };
  const Case cases[] = {
      {"model", [](auto& m) { m["name"] = "large"; }, "'large'", "'tiny'"},
      {"emotions",
       [](auto& m) {
         m["tasks"][0]["labels"] = {"angry", "neutral", "fear"};
         m["tasks"][0]["negative"] = {"angry"};
       },
       "angry, neutral, fear", "angry, neutral, sad"},
      {"topics", [](auto& m) { m["tasks"][1]["labels"] = {"edu", "car", "game"}; },
       "edu, car, game", "car, edu, game"},
      {"vocabulary", [](auto& m) { m["vocabulary"]["size"] = 8; }, "8 tokens", "7 tokens"},
      {"length", [](auto& m) { m["max_length"] = 128; }, "128", "512"},
  };
  for (const Case& c : cases) {
    nlohmann::json changed = manifest_;
    c.change(changed);
    ASSERT_TRUE(make(changed)) << c.name;
    const auto header = read_engine_header(engine_);
    ASSERT_TRUE(header) << c.name << ": " << header.error().message;
    const Status fits = check_engine_fits(*header, served());
    ASSERT_FALSE(fits) << c.name;
    EXPECT_EQ(fits.error().code, Code::kFailedPrecondition) << c.name;
    EXPECT_THAT(fits.error().message,
                AllOf(HasSubstr(c.ours), HasSubstr(c.theirs), HasSubstr("build the engine")))
        << c.name;
  }
}

TEST_F(EngineFileTest, ACompiledOneIsBoundToItsMachine) {
  ModelRegistry registry(folder_);
  const auto was = registry.load("tiny");
  ASSERT_TRUE(was);
  const auto exported = export_openvino_model((*was)->manifest, {});
  ASSERT_TRUE(exported) << exported.error().message;
  EngineHeader header;
  header.manifest_json = manifest_.dump();
  header.kind = kEngineOpenVino;
  header.precision = "fp32";
  header.compatibility = openvino_compatibility();
  const EnginePart parts[] = {{"compiled.blob", exported->bytes}};
  ASSERT_TRUE(write_engine(engine_, header, parts));
  const auto good = load_engine(registry, engine_, **was);
  ASSERT_TRUE(good) << good.error().message;
  header.compatibility = "openvino 2020.1, avx2";
  ASSERT_TRUE(write_engine(engine_, header, parts));
  const auto bad = load_engine(registry, engine_, **was);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(bad.error().message,
              AllOf(HasSubstr("openvino 2020.1, avx2"), HasSubstr(openvino_compatibility())));
}

TEST(CheckEngineName, TakesPlainNamesOnly) {
  for (const char* good : {"v2.engine", "a", "base_2026-11.engine"}) {
    EXPECT_TRUE(check_engine_name(good)) << good;
  }
  for (const char* bad : {"", ".", "..", "../v2.engine", "a/b", "/etc/passwd", ".hidden", "a b",
                          "v2\n", "a\\b", "引擎"}) {
    EXPECT_FALSE(check_engine_name(bad)) << bad;
  }
  EXPECT_FALSE(check_engine_name(std::string(129, 'a')));
}

}  // namespace
}  // namespace tidewatch
