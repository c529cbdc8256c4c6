// SPDX-License-Identifier: Apache-2.0
#include "query/folded_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "store/search_query.h"
#include "store/snippet.h"

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
    std::vector<UnitPlace> places;
    FoldedText again;
    fold_text(text, again, places);
    ASSERT_EQ(again.bytes, folded.bytes);
    ASSERT_EQ(places.size(), folded.units.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      ASSERT_LT(places[i].begin, places[i].end) << "round " << round;
      ASSERT_LE(places[i].end, text.size()) << "round " << round;
    }
    // Curly quotes end a phrase early: leave those out.
    const auto query = SearchQuery::parse("\"" + quoted + "\"", nullptr);
    if (query.ok() && quoted.find("“") == std::string::npos &&
        quoted.find('#') == std::string::npos) {
      SearchText searched;
      searched.set(quoted);
      ASSERT_TRUE(query->matches({.text = quoted}, searched)) << "round " << round << ": " << text;
    }
  }
}

struct QueryCase {
  const char* query;
  const char* expression;  // empty: any post may match
};

TEST(SearchQuery, AsksTheIndexForItsTerms) {
  const std::vector<QueryCase> cases = {
      {"转发", R"("转发")"},
      {"转", R"("转")"},
      {"转发微博", R"(("发微" AND "微博" AND "转发"))"},
      {"退款 客服", R"(("退款" AND "客服"))"},
      {"退款 -客服", R"(("退款" NOT "客服"))"},
      {"退款 -转发微博", R"("退款")"},
      {"退款 -(客服 OR topic:sport)", R"(("退款" NOT ("客服" OR "t=sport")))"},
      {"\"new york\"", R"(("new" AND "york"))"},
      {"\"哈 哈\" -\"a a\"", R"("哈")"},
      {"a OR b", R"(("a" OR "b"))"},
      {"(a b) OR c", R"((("a" AND "b") OR "c"))"},
      {"a OR -b", ""},
      {"a NEAR/3 b", R"(("a" AND "b"))"},
      {"a /b.*c/", R"("a")"},
      {"/b.*c/", ""},
      {"-a", ""},
      {"region:广东省深圳市", R"("r=广东 深圳")"},
      {"author:A source:Weibo", R"(("a=a" AND "s=weibo"))"},
      {"退款　－客服", R"(("退款" NOT "客服"))"},
      {"", ""},
      {" \t　", ""},
  };
  for (const QueryCase& c : cases) {
    const auto query = SearchQuery::parse(c.query, nullptr);
    ASSERT_TRUE(query.ok()) << c.query;
    EXPECT_EQ(query->index_expression().value_or(""), c.expression) << c.query;
  }
}

struct SnippetCase {
  const char* name;
  std::string q;
  std::string text;
  std::string snippet;
  std::vector<std::string> highlights;
};

// The characters of [begin, end) in UTF-16 code units, of texts without surrogates.
std::string utf16_part(const std::string& text, std::uint32_t begin, std::uint32_t end) {
  std::string part;
  std::uint32_t units = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    if (!continues) units += static_cast<unsigned char>(text[i]) >= 0xF0 ? 2 : 1;
    if (units > begin && units <= end) part.push_back(text[i]);
  }
  return part;
}

TEST(SnippetTest, ShowsWhatMatched) {
  std::string before;
  std::string after;
  for (int i = 0; i < 100; ++i) before += "前";
  for (int i = 0; i < 300; ++i) after += "后";
  const std::vector<SnippetCase> cases = {
      {"short", "退款", "我要退款!", "我要退款!", {"退款"}},
      {"every place", "退款 OR 客服", "退款,客服,退款", "退款,客服,退款", {"退款", "客服", "退款"}},
      {"neighbours are one", "退款 款难", "退款难", "退款难", {"退款难"}},
      {"not what is excluded", "退款 -客服", "退款", "退款", {"退款"}},
      {"folded", "iphone", "新 ｉＰｈｏｎｅ 机", "新 ｉＰｈｏｎｅ 机", {"ｉＰｈｏｎｅ"}},
      {"a phrase with its signs",
       "\"new york\"",
       "I love New-York",
       "I love New-York",
       {"New-York"}},
      {"after an emoji", "退款", "\U0001F602退款", "\U0001F602退款", {"退款"}},
      {"line ends", "b", "a\nb", "a b", {"b"}},
      {"nothing to show", "", "全文", "全文", {}},
      {"empty", "", "", "", {}},
      {"the middle of a long text",
       "中",
       before + "中" + after,
       "…" + before.substr(0, 40 * 3) + "中" + after.substr(0, 119 * 3) + "…",
       {"中"}},
      {"the end of a long text",
       "中",
       before + before + "中",
       "…" + (before + before).substr(0, 159 * 3) + "中",
       {"中"}},
  };
  for (const SnippetCase& c : cases) {
    auto maker = SnippetMaker::create(c.q, nullptr);
    ASSERT_TRUE(maker.ok()) << c.name;
    const Snippet snippet = maker->make(c.text);
    EXPECT_EQ(snippet.text, c.snippet) << c.name;
    std::vector<std::string> parts;
    for (const auto& [begin, end] : snippet.highlights) {
      parts.push_back(utf16_part(snippet.text, begin, end));
    }
    EXPECT_THAT(parts, ElementsAreArray(c.highlights)) << c.name;
  }
}

}  // namespace
}  // namespace tidewatch
