// SPDX-License-Identifier: Apache-2.0
#include "ingest/line_splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

// "number:text", or "number!" for a line that was too long.
std::vector<std::string> split(const std::string& bytes, std::size_t max,
                               const std::vector<std::size_t>& cuts) {
  LineSplitter splitter(max);
  std::vector<std::string> lines;
  const auto keep = [&](const LineSplitter::Line& line) {
    lines.push_back(std::to_string(line.number) +
                    (line.too_long ? "!" : ":" + std::string(line.text)));
  };
  std::size_t from = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t to = i < cuts.size() ? cuts[i] : bytes.size();
    // A copy that dies before the next chunk, as a network buffer would.
    const std::string chunk = bytes.substr(from, to - from);
    from = to;
    splitter.feed(chunk);
    while (const auto line = splitter.next()) keep(*line);
  }
  if (const auto line = splitter.finish()) keep(*line);
  EXPECT_FALSE(splitter.finish().has_value());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineSplitter, SplitsHoweverTheChunksFall) {
  const struct {
    const char* name;
    std::string bytes;
    Lines lines;
  } cases[] = {
      {"empty", "", {}},
      {"one", "a\n", {"1:a"}},
      {"no break at the end", "a\nb", {"1:a", "2:b"}},
      {"CRLF", "a\r\nb\r\n", {"1:a", "2:b"}},
      {"blank lines keep the numbers", "\na\n\n \t\r\nb\n\n", {"2:a", "5:b"}},
      {"byte-order mark",
       "\xEF\xBB\xBF"
       "a\nb",
       {"1:a", "2:b"}},
      {"a mark later is text",
       "a\n\xEF\xBB\xBF"
       "b",
       {"1:a",
        "2:\xEF\xBB\xBF"
        "b"}},
      {"only a mark", "\xEF\xBB\xBF", {}},
      {"a mark before a blank line", "\xEF\xBB\xBF\r\nb", {"2:b"}},
      {"bare CR is text", "a\rb\n", {"1:a\rb"}},
      {"NUL is text", std::string("a\0b\n", 4), {std::string("1:a\0b", 5)}},
      {"exactly the limit", "12345678\na\n", {"1:12345678", "2:a"}},
      {"the limit and CR", "12345678\r\na\n", {"1:12345678", "2:a"}},
      {"the limit and a mark",
       "\xEF\xBB\xBF"
       "12345678\r\na\n",
       {"1:12345678", "2:a"}},
      {"over the limit", "123456789\na\n", {"1!", "2:a"}},
      {"far over the limit", "a\n" + std::string(100, 'x') + "\nb", {"1:a", "2!", "3:b"}},
      {"over the limit without end", "a\n" + std::string(100, 'x'), {"1:a", "2!"}},
      {"over by CR inside", "1234567\r9\na", {"1!", "2:a"}},
      {"two over the limit",
       std::string(20, 'x') + "\n" + std::string(20, 'y') + "\n",
       {"1!", "2!"}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(split(c.bytes, 8, {}), c.lines) << c.name << ", whole";
    std::vector<std::size_t> each(c.bytes.size());
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
    EXPECT_EQ(split(c.bytes, 8, each), c.lines) << c.name << ", byte by byte";
    for (std::size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      EXPECT_EQ(split(c.bytes, 8, {cut}), c.lines) << c.name << ", cut at " << cut;
    }
  }
}

TEST(LineSplitter, RandomCutsGiveTheSameLines) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 3'000; ++i) {
    std::string bytes;
    for (std::uint64_t n = random() % 200; n > 0; --n) bytes += "ab \r\n\xEF\xBB\xBF"[random() % 8];
    std::vector<std::size_t> cuts;
    for (std::size_t at = 0; at < bytes.size(); at += random() % 9) cuts.push_back(at);
    ASSERT_EQ(split(bytes, 8, cuts), split(bytes, 8, {})) << i;
  }
}

TEST(LineSplitter, DoesNotCopyALineWithinOneChunk) {
  const std::string chunk = "first\nsecond\n";
  LineSplitter splitter(100);
  splitter.feed(chunk);
  EXPECT_EQ(splitter.next()->text.data(), chunk.data());
  EXPECT_EQ(splitter.next()->text.data(), chunk.data() + 6);
  EXPECT_FALSE(splitter.next().has_value());
  EXPECT_EQ(splitter.lines_ended(), 2U);
}

TEST(LineSplitter, ReportsATooLongLineBeforeItEnds) {
  LineSplitter splitter(8);
  splitter.feed("1234567890123");
  const auto line = splitter.next();
  ASSERT_TRUE(line.has_value());
  EXPECT_TRUE(line->too_long);
  EXPECT_EQ(line->number, 1U);
  for (int i = 0; i < 1'000; ++i) {
    splitter.feed("more and more");
    ASSERT_FALSE(splitter.next().has_value());
  }
  splitter.feed("end\nnext\n");
  EXPECT_EQ(splitter.next()->text, "next");
}

}  // namespace
}  // namespace tidewatch
