// SPDX-License-Identifier: Apache-2.0
#include "sources/feed_parser.h"

#include <gtest/gtest.h>

#include "core/rfc3339.h"
#include "sources/html_text.h"

namespace tidewatch {
namespace {

TEST(HtmlTextTest, Cases) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plain  text\n here", "plain text here"},
      {"<p>one</p><p>two<br/>three</p>", "one\ntwo\nthree"},
      {"a <b>bold</b> word", "a bold word"},
      {"&lt;tag&gt; &amp;amp; &nbsp;&#x1F600;&#233;", "<tag> &amp; 😀é"},
      {"&unknown; &; & 5 < 6 <3", "&unknown; &; & 5 < 6 <3"},
      {"<script>if (a < b) alert('</p>')</script>x<STYLE>p{}</style>y", "xy"},
      {"<!-- a > b -->x<!-- open", "x"},
      {"<a title=\"a > b\" href='x'>link</a>", "link"},
      {"<a never closed", ""},
      {"<![CDATA[x]]>", ""},
      {"退款<br>难&hellip;", "退款\n难…"},
      {"", ""},
  };
  for (const auto& [html, text] : cases) EXPECT_EQ(html_text(html), text) << html;
  EXPECT_EQ(html_text(std::string(1 << 20, '<')).size(), std::size_t{1} << 20);  // in linear time
}

std::vector<FeedEntry> entries(std::string_view feed, std::string_view type = "") {
  auto parsed = parse_feed(feed, type);
  if (!parsed) ADD_FAILURE() << parsed.error().message;
  return parsed ? *std::move(parsed) : std::vector<FeedEntry>{};
}

TEST(FeedParserTest, Rss) {
  const auto read = entries(R"(<?xml version="1.0"?>
<!DOCTYPE rss PUBLIC "-//x//DTD" "https://e.example/rss.dtd">
<rss version="2.0" xmlns:dc="d" xmlns:content="c" xmlns:media="m"><channel><title>feed</title>
<item><title>一 &amp; 二</title><link>https://e.example/1?a=1&amp;b=2</link><guid isPermaLink="false">g1</guid>
<description><![CDATA[<p>摘要</p>]]></description><content:encoded>&lt;p&gt;全文&nbsp;自己的&lt;/p&gt;</content:encoded>
<pubDate>Mon, 23 Nov 2026 08:05:00 +0800</pubDate><dc:creator>甲</dc:creator><media:title>不要</media:title></item>
<item><title>只有标题</title><link>https://e.example/2</link><author>乙</author><pubDate>2026-11-23 08:05</pubDate></item>
<item><description>没有别的</description><pubDate>someday</pubDate></item>
</channel></rss>)");
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].id, "g1");
  EXPECT_EQ(read[0].link, "https://e.example/1?a=1&b=2");
  EXPECT_EQ(read[0].text, "一 & 二\n全文 自己的");
  EXPECT_EQ(read[0].author, "甲");
  EXPECT_EQ(to_rfc3339(read[0].time.value()), "2026-11-23T00:05:00Z");
  EXPECT_EQ(read[1].id, "https://e.example/2");
  EXPECT_EQ(read[1].text, "只有标题");
  EXPECT_EQ(read[1].author, "乙");
  EXPECT_EQ(to_rfc3339(read[1].time.value()), "2026-11-23T00:05:00Z");
  EXPECT_EQ(read[2].text, "没有别的");
  EXPECT_EQ(read[2].id.size(), 16U);
  EXPECT_FALSE(read[2].time);
}

TEST(FeedParserTest, Atom) {
  const auto read = entries(
      R"(<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><author><name>全体</name></author>
<entry><id>tag:e.example,1</id><title type="html">退款&amp;hellip;</title>
<link rel="replies" href="https://e.example/replies"/><link href="https://e.example/1"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>退款<b>难</b></p><p>两段</p></div></content>
<author><name>丙</name><uri>https://e.example/c</uri></author>
<published>2026-11-23T08:05:00+08:00</published><updated>2026-11-24T00:00:00Z</updated></entry></feed>)");
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].id, "tag:e.example,1");
  EXPECT_EQ(read[0].link, "https://e.example/1");
  EXPECT_EQ(read[0].author, "丙");
  EXPECT_EQ(read[0].text, "退款 难 两段");  // its title is how it begins
  EXPECT_EQ(to_rfc3339(read[0].time.value()), "2026-11-23T00:05:00Z");
}

TEST(FeedParserTest, RdfAndGbk) {
  const std::string gbk =
      "<?xml version=\"1.0\" encoding=\"gb2312\"?><rdf:RDF xmlns:rdf=\"r\"><channel/>"
      "<item><title>\xCD\xCB\xBF\xEE</title><link>l</link></item></rdf:RDF>";
  EXPECT_EQ(entries(gbk).at(0).text, "退款");
  EXPECT_EQ(entries("<rss><channel><item><title>\xCD\xCB</title></item></channel></rss>",
                    "text/xml; charset=GBK")
                .at(0)
                .text,
            "退");
}

TEST(FeedParserTest, WhatIsNoFeedIsSaidSo) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"<html><body>hi</body></html>", "neither RSS nor Atom"},
      {"", "not a feed"},
      {"{\"a\":1}", "line 1"},
      {"<rss><channel><item></channel></rss>", "mismatched"},
      {"<?xml version='1.0' encoding='klingon'?><rss/>", "klingon"},
  };
  for (const auto& [bytes, said] : cases) {
    const auto parsed = parse_feed(bytes, "");
    ASSERT_FALSE(parsed) << bytes;
    EXPECT_NE(parsed.error().message.find(said), std::string::npos) << parsed.error().message;
  }
}

TEST(FeedParserTest, NothingIsFetchedAndNothingGrowsWithoutBound) {
  const auto outside = entries(
      "<!DOCTYPE rss [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
      "<rss><channel><item><title>a&x;b</title></item></channel></rss>");
  EXPECT_EQ(outside.at(0).text, "ab");
  std::string bomb = "<!DOCTYPE rss [<!ENTITY a0 \"0123456789\">";
  for (int i = 1; i < 12; ++i) {
    bomb += "<!ENTITY a" + std::to_string(i) + " \"";
    for (int k = 0; k < 10; ++k) bomb += "&a" + std::to_string(i - 1) + ";";
    bomb += "\">";
  }
  bomb += "]><rss><channel><item><title>&a11;</title></item></channel></rss>";
  EXPECT_FALSE(parse_feed(bomb, ""));
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_feed(deep, ""));
  std::string many = "<rss><channel>";
  for (int i = 0; i < 3'000; ++i) many += "<item><title>x</title></item>";
  EXPECT_EQ(entries(many + "</channel></rss>").size(), kFeedEntriesMax);
}

TEST(FeedParserTest, NothingIsDeclaredThatGrows) {
  for (const char* declared : {R"(<!ENTITY own "x">)", R"(<!ENTITY % own "x">)",
                               R"(<!ATTLIST link href CDATA "https://e.example/">)"}) {
    const auto read = parse_feed(
        "<!DOCTYPE rss [" + std::string(declared) + "]><rss><item><title>x</title></item></rss>",
        "");
    ASSERT_FALSE(read) << declared;
    EXPECT_NE(read.error().message.find("declares entities or default attributes"),
              std::string::npos)
        << read.error().message;
  }
}

TEST(FeedParserTest, AnAuthorIsBoundedAsOtherFields) {
  std::string author;
  for (int i = 0; i < 400; ++i) author += std::string(10'000, 'a') + "<x/>";
  for (const char* name : {"author", "creator"}) {
    const auto read = entries("<rss><item><title>x</title><" + std::string(name) + ">" + author +
                              "</" + name + "></item></rss>");
    ASSERT_EQ(read.size(), 1U);
    EXPECT_LE(read[0].author.size(), std::size_t{2} << 20) << name;
  }
}

TEST(FeedParserTest, TheTextOfAllEntriesIsBounded) {
  const std::string item = "<item><title>" + std::string(1'000'000, 'a') + "</title></item>";
  std::string feed = "<rss>";
  for (int i = 0; i < 30; ++i) feed += item;
  EXPECT_EQ(entries(feed + "</rss>").size(), 30U);
  for (int i = 0; i < 10; ++i) feed += item;
  const auto read = parse_feed(feed + "</rss>", "");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("more than 32 MiB"), std::string::npos);
}

}  // namespace
}  // namespace tidewatch
