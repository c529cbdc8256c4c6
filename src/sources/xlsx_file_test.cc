// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <zip.h>

#include <filesystem>

#include "sources/table_reader.h"
#include "sources/testing/fake_sink.h"

namespace tidewatch {
namespace {

// A workbook of one empty sheet with these shared strings.
std::string workbook(const TestFolder& folder, const std::string& strings) {
  const std::pair<const char*, std::string> parts[] = {
      {"xl/workbook.xml", R"(<workbook><sheets><sheet name="s" r:id="r1"/></sheets></workbook>)"},
      {"xl/_rels/workbook.xml.rels", R"(<R><r Id="r1" Target="sheet.xml"/></R>)"},
      {"xl/sharedStrings.xml", "<sst>" + strings + "</sst>"},
      {"xl/sheet.xml", "<worksheet/>"},
  };
  const std::string path = folder.path() / "book.xlsx";
  zip_t* archive = ::zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const auto& [name, text] : parts) {
    zip_source_t* source = ::zip_source_buffer(archive, text.data(), text.size(), 0);
    EXPECT_GE(::zip_file_add(archive, name, source, 0), 0);
  }
  EXPECT_EQ(::zip_close(archive), 0);
  return path;
}

TEST(XlsxFileTest, SharedStringsAreBoundedWithWhatEachTakes) {
  constexpr std::size_t kBytesMax = 1 << 20;
  const TestFolder folder;
  std::string strings;
  for (std::size_t i = 0; i < kBytesMax / sizeof(std::string); ++i) strings += "<si/>";
  EXPECT_TRUE(open_xlsx(workbook(folder, strings), kBytesMax));
  const auto empty = open_xlsx(workbook(folder, strings + "<si/>"), kBytesMax);
  ASSERT_FALSE(empty);
  EXPECT_NE(empty.error().message.find("take more than 1 MiB"), std::string::npos);
  const std::string text = "<si><t>" + std::string(kBytesMax, 'a') + "</t></si>";
  EXPECT_FALSE(open_xlsx(workbook(folder, text), kBytesMax));
}

}  // namespace
}  // namespace tidewatch
