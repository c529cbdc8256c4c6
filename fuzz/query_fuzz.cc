// SPDX-License-Identifier: Apache-2.0
// The query parser and the matcher of many rules. The first line is a query, the rest a text. What
// parses must be written and read again as the same; the matcher must say what the slow evaluator
// says; an error must stand within the query and say what to do.
#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "query/match_query.h"
#include "rules/rule_matcher.h"

namespace {

using namespace tidewatch;

const LabelSchema kLabels{
    {"angry", "happy", "neutral"}, {true, false, false}, {"car", "finance", "house"}, 2};

const TopicTree& tree() {
  static const TopicTree made = *TopicTree::create(kLabels, {});
  return made;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "query_fuzz: %s\n", what);
  std::abort();
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void compare(const Rule& rule, const QueryNode& query, const QueryPost& post) {
  const auto matcher =
      RuleMatcher::create({rule, {"other", "退款 OR a", "", true}}, tree(), kLabels);
  if (!matcher) {
    require(!check_names(query, tree()).ok(), "a rule with known names is refused");
    return;
  }
  RuleMatcher::Scratch scratch;
  std::vector<std::uint32_t> found;
  (*matcher)->match(post, scratch, found);
  const bool fast = std::any_of(found.begin(), found.end(), [&](std::uint32_t place) {
    return (*matcher)->rules()[place].name == rule.name;
  });
  require(fast == matches(query, post, tree(), kLabels), "matcher and evaluator differ");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string query_text{input.substr(0, line)};
  const std::string_view text = input.substr(std::min(line + 1, input.size()));
  QueryError error;
  const auto query = parse_query(query_text, &error);
  if (!query) {
    require(error.column >= 1 && error.column <= characters(query_text) + 1,
            "an error stands outside of the query");
    require(!error.reason.empty() && !error.remedy.empty(), "an error says too little");
    return 0;
  }
  const std::string written = to_string(*query);
  if (written.size() <= kQueryBytesMax) {
    const auto again = parse_query(written);
    require(again.ok(), "what was written does not parse");
    require(to_string(*again) == written, "what was written reads otherwise");
  }
  const QueryPost post{.text = text,
                       .topic = 1,
                       .emotion = 0,
                       .region = {"广东", "深圳"},
                       .source = "weibo",
                       .author = "u1"};
  compare({"fuzzed", query_text, "", true}, *query, post);
  return 0;
}
