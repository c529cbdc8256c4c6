// SPDX-License-Identifier: Apache-2.0
#include "sources/durable_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

class DurableFileTest : public ::testing::Test {
 protected:
  DurableFileTest() {
    char name[] = "/tmp/tidewatch-durable-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~DurableFileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(DurableFileTest, ReplacesWhole) {
  const auto file = folder_ / "deeper" / "feed.cursor";
  EXPECT_EQ(read_whole(file).value(), "");
  ASSERT_TRUE(write_durably(file, "first"));
  ASSERT_TRUE(write_durably(file, "2nd"));
  EXPECT_EQ(read_whole(file).value(), "2nd");
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".new"));
}

TEST_F(DurableFileTest, AHalfWrittenSuccessorChangesNothing) {
  const auto file = folder_ / "feed.cursor";
  ASSERT_TRUE(write_durably(file, "first"));
  std::ofstream(file.string() + ".new") << "hal";  // a crash in the middle of the next
  EXPECT_EQ(read_whole(file).value(), "first");
  ASSERT_TRUE(write_durably(file, "second"));
  EXPECT_EQ(read_whole(file).value(), "second");
}

TEST_F(DurableFileTest, SaysWhichFileCannotBeWritten) {
  const auto file = folder_ / "taken";
  std::filesystem::create_directories(file / "by-a-folder");
  const Status status = write_durably(file, "x");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("taken"), std::string::npos);
}

TEST_F(DurableFileTest, RejectsAreKeptAsTheyCame) {
  const auto file = folder_ / "k.rejected.ndjson";
  {
    RejectFile rejects(file);
    ASSERT_TRUE(rejects.sync());
    ASSERT_TRUE(rejects.append("2026-11-23T00:00:00Z", "t[0]@1", "no JSON", "{\"文"));
    ASSERT_TRUE(rejects.append("2026-11-23T00:00:00Z", "t[0]@2", "no JSON",
                               std::string_view("\xff\x00\x01", 3)));
    ASSERT_TRUE(rejects.sync());
  }
  std::ifstream in(file);
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(nlohmann::json::parse(line)["value"], "{\"文");
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(nlohmann::json::parse(line)["place"], "t[0]@2");
  EXPECT_EQ(nlohmann::json::parse(line)["value_base64"], "/wAB");
}

TEST_F(DurableFileTest, RejectsAreBounded) {
  const auto file = folder_ / "k.rejected.ndjson";
  RejectFile rejects(file);
  const std::string value(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(rejects.append("t", "p", "r", value));
  EXPECT_LE(std::filesystem::file_size(file), 18U << 20);
  EXPECT_LE(std::filesystem::file_size(file.string() + ".1"), 18U << 20);
}

}  // namespace
}  // namespace tidewatch
