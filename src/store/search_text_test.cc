// SPDX-License-Identifier: Apache-2.0
#include "query/folded_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "store/search_query.h"

namespace tidewatch {
namespace {

using ::testing::ElementsAreArray;

std::vector<std::string> terms_of(std::string_view text) {
  FoldedText folded;
  fold_text(text, folded);
  std::vector<std::string> terms;
  for_each_term(folded, [&](std::string_view term) { terms.emplace_back(term); });
  return terms;
}

struct TermsCase {
  const char* name;
  std::string text;
  std::vector<std::string> terms;
};

TEST(SearchText, GivesTerms) {
  const std::vector<TermsCase> cases = {
      {"empty", "", {}},
      {"unigrams and bigrams", "转发微博", {"转", "转发", "发", "发微", "微", "微博", "博"}},
      {"separators end bigrams", "今天,天气", {"今", "今天", "天", "天", "天气", "气"}},
      {"words are lower-cased", "iPhone17 Pro_Max", {"iphone17", "pro_max"}},
      {"full-width forms", "ＡＢｃ１２　！", {"abc12"}},
      {"accented capitals", "ÉCOLE Ёлка ΣΑ", {"école", "ёлка", "σα"}},
      {"mixed scripts", "买iPhone手机", {"买", "iphone", "手", "手机", "机"}},
      {"hashtags as words, too", "#高考#加油", {"高", "高考", "考", "加", "加油", "油", "#高考#"}},
      {"full-width hashtag", "＃A＃", {"a", "#a#"}},
      {"two hashtags", "#a##b#", {"a", "b", "#a#", "#b#"}},
      {"a hash alone", "C# 5 开头", {"c", "5", "开", "开头", "头"}},
      {"a hashtag ends with its line", "#a\nb#", {"a", "b"}},
      {"an empty hashtag", "##", {}},
      {"names as words, too", "@张三:好", {"张", "张三", "三", "好", "@张三"}},
      {"names with a hyphen", "@A-b 好", {"a", "b", "好", "@a-b"}},
      {"an at sign alone", "a @ b", {"a", "b"}},
      {"emoticons", "哈[微笑]", {"哈", "微", "微笑", "笑"}},
      {"emoji are units", "好\U0001F602\U0001F602", {"好", "\U0001F602", "\U0001F602"}},
      {"skin tones and joiners are dropped", "\U0001F44D\U0001F3FD\u200D\uFE0F", {"\U0001F44D"}},
      {"invisible characters join", "转\u200B发", {"转", "转发", "发"}},
      {"kana and Hangul", "カタ 한국", {"カ", "カタ", "タ", "한", "한국", "국"}},
      {"zero", "二〇", {"二", "二〇", "〇"}},
      {"invalid bytes separate", "转\xFF发\xE4\xBD", {"转", "发"}},
      {"overlong forms are invalid",
       "a\xC0\x80"
       "b",
       {"a", "b"}},
      {"control characters separate", std::string("转\0发\x1E", 8), {"转", "发"}},
      {"rare ideographs", "𠮷野家", {"𠮷", "𠮷野", "野", "野家", "家"}},
  };
  for (const TermsCase& c : cases) {
    EXPECT_THAT(terms_of(c.text), ElementsAreArray(c.terms)) << c.name;
  }
}

TEST(SearchText, BoundsWordsAndTags) {
  const std::string word(1U << 20, 'a');
  const auto terms = terms_of(word);
  ASSERT_EQ(terms.size(), 1U);
  EXPECT_LE(terms[0].size(), kSearchWordBytesMax);
  EXPECT_EQ(terms_of("#" + std::string(200, 'b') + "#").size(), 1U) << "too long for a hashtag";
  EXPECT_LE(terms_of("@" + std::string(200, 'c')).back().size(), kSearchTagBytesMax + 4);
}

// Whatever the bytes: nothing reads outside (under ASan), and every text finds itself.
TEST(SearchText, SurvivesRandomBytes) {
  std::mt19937 random(20261123);
  const std::vector<std::string> pieces = {"转",         "发",     "a",  "Z",  "9",    " ",
                                           "#",          "@",      "\"", "-",  "\xE4", "\xFF",
                                           "\U0001F602", "\u200D", "ｱ",  "　", "“",    "\n"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t length = random() % 24; length > 0; --length) {
      text += random() % 8 == 0 ? std::string(1, static_cast<char>(random()))
                                : pieces[random() % pieces.size()];
    }
    FoldedText folded;
    fold_text(text, folded);
    for (std::size_t i = 0; i < folded.units.size(); ++i) {
      ASSERT_FALSE(folded.unit(i).empty()) << "round " << round;
    }
    std::string quoted;
    for (const char c : text) quoted += c == '"' ? ' ' : c;
    const auto query = parse_search_query("\"" + quoted + "\"");
    ASSERT_TRUE(query.ok());
    // Curly quotes end the phrase early; what is left is still one that occurs, unless negative.
    bool negative = false;
    for (const SearchClause& clause : query->clauses) negative = negative || clause.negative;
    if (!negative && quoted.find('#') == std::string::npos) {
      fold_text(quoted, folded);
      ASSERT_TRUE(matches(*query, folded)) << "round " << round << ": " << text;
    }
  }
}

struct QueryCase {
  const char* query;
  std::vector<std::string> all;
  std::vector<std::string> none;
};

TEST(SearchQuery, AsksTheIndexForItsTerms) {
  const std::vector<QueryCase> cases = {
      {"转发", {"转发"}, {}},
      {"转", {"转"}, {}},
      {"转发微博", {"发微", "微博", "转发"}, {}},
      {"退款 客服", {"客服", "退款"}, {}},
      {"退款 -客服", {"退款"}, {"客服"}},
      {"退款 -转发微博", {"退款"}, {}},
      {"\"new york\"", {"new", "york"}, {}},
      {"\"unclosed phrase", {"phrase", "unclosed"}, {}},
      {"a OR b", {"a", "b", "or"}, {}},
      {"NEAR(a b)", {"a", "b", "near"}, {}},
      {"text:foo*", {"foo", "text"}, {}},
      {"- a", {"a"}, {}},
      {"“退款 难”", {"退款", "难"}, {}},
      {"退款　－客服", {"退款"}, {"客服"}},
      {"()*^\"\"'", {}, {}},
      {"", {}, {}},
  };
  for (const QueryCase& c : cases) {
    const auto query = parse_search_query(c.query);
    ASSERT_TRUE(query.ok()) << c.query;
    const IndexTerms terms = index_terms(*query);
    EXPECT_THAT(terms.all, ElementsAreArray(c.all)) << c.query;
    EXPECT_THAT(terms.none, ElementsAreArray(c.none)) << c.query;
  }
}

TEST(SearchQuery, RefusesOnlyWhatIsTooLong) {
  EXPECT_TRUE(parse_search_query(std::string(kSearchQueryBytesMax, 'a')).ok());
  const auto refused = parse_search_query(std::string(1U << 20, 'a'));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tidewatch
