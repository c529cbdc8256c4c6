// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "query/query.h"

namespace tidewatch {
namespace {

std::string canonical(std::string_view text) {
  const auto query = parse_query(text);
  return query ? to_string(*query) : query.error().message;
}

TEST(ParseQueryTest, Reads) {
  const struct {
    const char* name;
    const char* query;
    const char* canonical;
  } cases[] = {
      {"a word", "退款", "\"退款\""},
      {"side by side is AND", "退款 投诉", "\"退款\" AND \"投诉\""},
      {"ideographic space", "退款　投诉", "\"退款\" AND \"投诉\""},
      {"AND binds closer", "a OR b AND c", "\"a\" OR \"b\" AND \"c\""},
      {"brackets", "(a OR b) AND c", "(\"a\" OR \"b\") AND \"c\""},
      {"full-width brackets and quotes", "（a OR “b c”） d", "(\"a\" OR \"b c\") AND \"d\""},
      {"needless brackets go", "((a) (b c))", "\"a\" AND \"b\" AND \"c\""},
      {"NOT", "a NOT b", "\"a\" AND NOT \"b\""},
      {"minus is NOT", "a -b -\"c d\"", "\"a\" AND NOT \"b\" AND NOT \"c d\""},
      {"minus within a word is not", "foo-bar", "\"foo-bar\""},
      {"NOT of brackets", "NOT (a OR b)", "NOT (\"a\" OR \"b\")"},
      {"NOT of AND", "NOT (a b)", "NOT (\"a\" AND \"b\")"},
      {"NEAR", "退款 NEAR/5 投诉", "\"退款\" NEAR/5 \"投诉\""},
      {"NEAR without a number", "a NEAR b", "\"a\" NEAR/10 \"b\""},
      {"NEAR binds closest", "a NEAR/2 b c", "\"a\" NEAR/2 \"b\" AND \"c\""},
      {"lower-case operators are words", "a or b", "\"a\" AND \"or\" AND \"b\""},
      {"quoted operators are words", "\"OR\"", "\"OR\""},
      {"regex", "/退[款货] ?\\d+/", "/退[款货] ?\\d+/"},
      {"regex with a slash", "/a\\/b/", "/a\\/b/"},
      {"field", "topic:finance", "topic:\"finance\""},
      {"field, case and full-width colon", "Region：广东", "region:\"广东\""},
      {"field, quoted", "region:\"广东 深圳\"", "region:\"广东 深圳\""},
      {"field over brackets", "topic:(finance OR car) -emotion:happy",
       "(topic:\"finance\" OR topic:\"car\") AND NOT emotion:\"happy\""},
      {"a colon past a Chinese name is text", "时间:今天", "\"时间:今天\""},
      {"tags", "#高考# @张三", "\"#高考#\" AND \"@张三\""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(canonical(c.query), c.canonical) << c.name;
    EXPECT_EQ(canonical(c.canonical), c.canonical) << c.name;
  }
}

TEST(ParseQueryTest, SaysWhereAndWhatToDo) {
  const struct {
    const char* name;
    std::string query;
    std::uint32_t column;
    const char* reason;  // begins with
  } cases[] = {
      {"empty", "", 1, "the query is empty"},
      {"blank", "  ", 3, "the query is empty"},
      {"open quote", "退款 \"投诉", 4, "this quote is never closed"},
      {"open regex", "退款 /投诉", 4, "this regular expression is never closed"},
      {"open bracket", "退款 (投诉", 4, "this ( is never closed"},
      {"stray bracket", "退款) 投诉", 3, "this ) closes nothing"},
      {"empty brackets", "()", 2, "a word is missing"},
      {"dangling OR", "退款 OR", 6, "the query ends"},
      {"leading AND", "AND 退款", 1, "an operator stands"},
      {"leading NEAR", "NEAR/3 退款", 1, "NEAR has nothing before it"},
      {"NEAR of brackets", "(a OR b) NEAR/3 c", 10, "NEAR joins two words or phrases only"},
      {"NEAR before brackets", "a NEAR/3 (b OR c)", 10, "NEAR needs a word"},
      {"NEAR of three", "a NEAR/3 b NEAR/3 c", 12, "NEAR joins two words, not three"},
      {"NEAR without digits", "a NEAR/x b", 3, "NEAR/ needs a number"},
      {"NEAR too far", "a NEAR/101 b", 3, "NEAR/ needs a number"},
      {"unknown field", "a reigon:广东", 3, "'reigon:' is not a field"},
      {"an address", "http://a.cn", 1, "'http:' is not a field"},
      {"field without value", "topic: finance OR", 18, "the query ends"},
      {"field at the end", "a topic:", 9, "topic: has no value"},
      {"field in field", "topic:(region:a)", 8, "a field stands within a field"},
      {"regex in field", "topic:/a/", 7, "topic: has no value"},
      {"bad regex", "a /(b/", 3, "not a regular expression"},
      {"empty regex", "//", 1, "the regular expression is empty"},
      {"long regex", "/" + std::string(kQueryRegexBytesMax + 1, 'a') + "/", 1,
       "the regular expression is too long"},
      {"signs only", "a !!!", 3, "there is nothing to look for"},
      {"too deep", std::string(40, '(') + "a", 33, "brackets stand more than 32 deep"},
      {"too many parts",
       [] {
         std::string q;
         for (int i = 0; i < 300; ++i) q += "a ";
         return q;
       }(),
       513, "the query has more than 256 parts"},
      {"too long", std::string(kQueryBytesMax + 1, 'a'), 1, "the query is 4097 bytes long"},
  };
  for (const auto& c : cases) {
    QueryError error;
    const auto query = parse_query(c.query, &error);
    ASSERT_FALSE(query) << c.name;
    EXPECT_EQ(error.column, c.column) << c.name << ": " << query.error().message;
    EXPECT_TRUE(error.reason.starts_with(c.reason)) << c.name << ": " << error.reason;
    EXPECT_FALSE(error.remedy.empty()) << c.name;
    EXPECT_EQ(query.error().message, to_string(error)) << c.name;
    EXPECT_EQ(query.error().code, Code::kInvalidArgument) << c.name;
  }
}

}  // namespace
}  // namespace tidewatch
