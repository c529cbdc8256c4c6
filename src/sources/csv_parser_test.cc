// SPDX-License-Identifier: Apache-2.0
#include "sources/csv_parser.h"

#include <gtest/gtest.h>

#include "sources/text_encoding.h"

namespace tidewatch {
namespace {

using Rows = std::vector<std::pair<std::uint64_t, std::vector<std::string>>>;

// Parses in pieces of so many bytes; an error is a row of line 0.
Rows parse(std::string_view text, std::size_t piece = SIZE_MAX, char separator = ',') {
  CsvParser parser(separator);
  std::deque<TableRow> rows;
  Status status;
  while (!text.empty() && status) {
    status = parser.feed(text.substr(0, piece), rows);
    text.remove_prefix(std::min(piece, text.size()));
  }
  if (status) status = parser.finish(rows);
  Rows out;
  for (TableRow& row : rows) {
    out.push_back({row.line, {}});
    for (TableCell& cell : row.cells) out.back().second.push_back(std::move(cell.text));
  }
  if (!status) out.push_back({0, {status.error().message}});
  return out;
}

TEST(CsvParserTest, CasesCutAnywhere) {
  const struct {
    std::string_view name;
    std::string_view text;
    Rows rows;
  } cases[] = {
      {"plain", "a,b\nc,d\n", {{1, {"a", "b"}}, {2, {"c", "d"}}}},
      {"no end", "a,b", {{1, {"a", "b"}}}},
      {"quotes", "\"a,1\",\"say \"\"hi\"\"\"\n", {{1, {"a,1", "say \"hi\""}}}},
      {"line breaks within quotes",
       "a,\"1\r\n2\n3\"\r\nb,c",
       {{1, {"a", "1\r\n2\n3"}}, {4, {"b", "c"}}}},
      {"empty cells", ",\n,x,\n", {{2, {"", "x", ""}}}},
      {"empty lines are counted", "a\n\n\r\nb", {{1, {"a"}}, {4, {"b"}}}},
      {"old Mac", "a\rb\r", {{1, {"a"}}, {2, {"b"}}}},
      {"a quote within", "5\" tall,x\n", {{1, {"5\" tall", "x"}}}},
      {"text after a quote", "\"a\"b,c\n", {{1, {"ab", "c"}}}},
      {"quoted empty", "\"\",a\n", {{1, {"", "a"}}}},
      {"Chinese", "内容,作者\n好,\"甲,乙\"\n", {{1, {"内容", "作者"}}, {2, {"好", "甲,乙"}}}},
  };
  for (const auto& one : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{5}, SIZE_MAX}) {
      EXPECT_EQ(parse(one.text, piece), one.rows) << one.name << " in pieces of " << piece;
    }
  }
}

TEST(CsvParserTest, AQuoteThatIsNeverClosedIsNamed) {
  const Rows rows = parse("a,b\nc,\"d\ne,f\n");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].second[0], "line 2: the quote that begins there is never closed");
  const Rows huge = parse("a\n\"" + std::string(2 << 20, 'x'));
  EXPECT_NE(huge.back().second[0].find("line 2"), std::string::npos);
  EXPECT_NE(parse(std::string(2'000, ',')).back().second[0].find("columns"), std::string::npos);
}

TEST(CsvParserTest, Separators) {
  EXPECT_EQ(guess_separator("a;b;c,d\n1,2,3,4,5"), ';');
  EXPECT_EQ(guess_separator("a\tb"), '\t');
  EXPECT_EQ(guess_separator("\"a;b;c;d\",e\n"), ',');
  EXPECT_EQ(guess_separator("text"), ',');
}

std::string decode(std::string_view bytes, std::size_t piece) {
  const auto decoder = TextDecoder::create(guess_encoding(bytes)).value();
  std::string out;
  while (bytes.size() > piece) {
    decoder->decode(bytes.substr(0, piece), false, out);
    bytes.remove_prefix(piece);
  }
  decoder->decode(bytes, true, out);
  return out;
}

TEST(TextEncodingTest, IsGuessedAndDecodedCutAnywhere) {
  const struct {
    std::string_view bytes;
    TextEncoding encoding;
    std::string_view text;
  } cases[] = {
      {"退款", TextEncoding::kUtf8, "退款"},
      {"\xEF\xBB\xBF退款", TextEncoding::kUtf8, "退款"},
      {"\xCD\xCB\xBF\xEE,ok", TextEncoding::kGb18030, "退款,ok"},
      {"\x94\x39\xDA\x33", TextEncoding::kGb18030, "💩"},
      {std::string_view("\xFF\xFE\x00\x90", 4), TextEncoding::kUtf16Le, "退"},
      {std::string_view("\xFE\xFF\x90\x00", 4), TextEncoding::kUtf16Be, "退"},
      {"ascii", TextEncoding::kUtf8, "ascii"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(guess_encoding(one.bytes), one.encoding) << one.text;
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
      EXPECT_EQ(decode(one.bytes, piece), one.text);
    }
  }
  EXPECT_EQ(guess_encoding(std::string_view("退款").substr(0, 5)), TextEncoding::kUtf8);  // cut
}

TEST(TextEncodingTest, BytesThatMeanNothingAreReplacedAndCounted) {
  const auto decoder = TextDecoder::create(TextEncoding::kUtf8).value();
  std::string out;
  decoder->decode("a\xFFz\xE9\x80", true, out);
  EXPECT_EQ(out, "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(decoder->bad_bytes(), 3U);
  EXPECT_FALSE(TextDecoder::create("no-such-encoding"));
  EXPECT_TRUE(TextDecoder::create("GB2312"));
}

}  // namespace
}  // namespace tidewatch
