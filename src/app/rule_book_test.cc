// SPDX-License-Identifier: Apache-2.0
#include "app/rule_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/rule_book_json.h"
#include "rules/rule_matcher.h"
#include "store/store_test_support.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class RuleBookTest : public testing::Test {
 protected:
  std::unique_ptr<Store> open_store() {
    return store_test::open_store(store_test::quiet_options(dir_.path()), clock_);
  }
  std::unique_ptr<RuleBook> open(Store& store, const std::vector<Rule>& file_rules = {},
                                 const LabelSchema& labels = store_test::labels()) {
    auto book = RuleBook::create(file_rules, {}, labels, store,
                                 [this](auto rules) { applied_.push_back(std::move(rules)); });
    EXPECT_TRUE(book.ok()) << book.error().message;
    return *std::move(book);
  }
  // The names that are watched now.
  std::vector<std::string> watched() const {
    std::vector<std::string> names;
    if (applied_.empty() || applied_.back() == nullptr) return names;
    for (const Rule& rule : applied_.back()->rules()) names.push_back(rule.name);
    return names;
  }
  using Names = std::vector<std::string>;

  store_test::TempDir dir_;
  ManualClock clock_{from_millis(1'700'000'000'000)};
  std::vector<std::shared_ptr<const RuleMatcher>> applied_;
};

TEST_F(RuleBookTest, ChangesAreWatchedAtOnceAndKept) {
  {
    auto store = open_store();
    auto book = open(*store);
    EXPECT_EQ(watched(), Names{});
    ASSERT_TRUE(book->put({"b", "退款", "", true}));
    ASSERT_TRUE(book->put({"a", "投诉", "", true}));
    EXPECT_EQ(watched(), (Names{"a", "b"}));
    ASSERT_TRUE(book->put({"b", "退款", "", false}));
    EXPECT_EQ(watched(), Names{"a"});
    ASSERT_TRUE(book->put({"c", "x", "", true}));
    ASSERT_TRUE(book->remove("a"));
    EXPECT_EQ(watched(), Names{"c"});
    EXPECT_EQ(book->remove("a").error().code, Code::kNotFound);
  }
  auto store = open_store();
  auto book = open(*store);
  EXPECT_EQ(watched(), Names{"c"});
  EXPECT_EQ(book->entries().size(), 2u);
}

// The configuration may have grown since: the engine starts all the same.
TEST_F(RuleBookTest, AStoredRuleThatIsOneTooManyIsPutAside) {
  const auto wordless = [](std::size_t i) {
    return Rule{"r" + std::to_string(100 + i), "/[0-9]{" + std::to_string(i + 1) + "}/", "", true};
  };
  {
    auto store = open_store();
    auto book = open(*store);
    for (std::size_t i = 0; i < kRegexesWithoutWordMax; ++i) {
      ASSERT_TRUE(book->put(wordless(i))) << i;
    }
  }
  auto store = open_store();
  auto book = open(*store, {{"own", "/[a-z]{9}/", "", true}});
  EXPECT_EQ(watched().size(), kRegexesWithoutWordMax);
  EXPECT_EQ(watched().front(), "own");
  std::size_t aside = 0;
  for (const RuleBook::Entry& entry : book->entries()) {
    if (entry.problem.empty()) continue;
    ++aside;
    EXPECT_FALSE(entry.from_file);
  }
  EXPECT_EQ(aside, 1u);
  EXPECT_EQ(store->rules()->size(), kRegexesWithoutWordMax) << "nothing is lost";
}

TEST_F(RuleBookTest, AWrongRuleChangesNothing) {
  auto store = open_store();
  auto book = open(*store);
  ASSERT_TRUE(book->put({"a", "退款", "", true}));
  const std::size_t times = applied_.size();
  EXPECT_EQ(book->put({"a", "退款 (", "", true}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(book->put({"b", "topic:nothing", "", true}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(book->put({"b/c", "退款", "", true}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(applied_.size(), times);
  EXPECT_EQ(store->rules()->size(), 1u);
}

TEST_F(RuleBookTest, TheConfigurationsRulesAreItsOwn) {
  auto store = open_store();
  ASSERT_TRUE(store->put_rule({"own", "x", "", true}));
  auto book = open(*store, {{"own", "退款", "", true}});
  EXPECT_EQ(watched(), Names{"own"});
  EXPECT_EQ(applied_.back()->rules()[0].query, "退款");
  EXPECT_EQ(book->put({"own", "y", "", true}).error().code, Code::kFailedPrecondition);
  EXPECT_EQ(book->remove("own").error().code, Code::kFailedPrecondition);
}

TEST_F(RuleBookTest, AStoredRuleThatNoLongerFitsIsToldAndKept) {
  auto store = open_store();
  {
    ASSERT_TRUE(open(*store)->put({"a", "topic:finance", "", true}));
  }
  LabelSchema other = store_test::labels();
  other.topics = {"sport"};
  auto book = open(*store, {}, other);
  EXPECT_EQ(watched(), Names{});
  ASSERT_EQ(book->entries().size(), 1u);
  EXPECT_THAT(book->entries()[0].problem, HasSubstr("'finance' is no topic"));
  ASSERT_TRUE(book->put({"b", "x", "", true}));  // and is not in the way
  EXPECT_EQ(watched(), Names{"b"});
}

TEST_F(RuleBookTest, AnswersRequests) {
  auto store = open_store();
  auto book = open(*store, {{"own", "退款", "", true}});
  const auto ask = [&](RuleAction action, const std::string& name, std::string_view body) {
    return answer_rules(*book, action, name, body);
  };
  const auto made = ask(RuleAction::kPut, "a", R"({"query":"投诉 OR 维权","description":"d"})");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(json::parse(*made),
            json::parse(R"({"name":"a","key":"rule:a","query":"投诉 OR 维权","description":"d",
                            "enabled":true,"origin":"api","problem":null})"));
  const json list = json::parse(*ask(RuleAction::kList, "", ""));
  ASSERT_EQ(list["rules"].size(), 2u);
  EXPECT_EQ(list["rules"][1]["origin"], "file");
  EXPECT_EQ(json::parse(*ask(RuleAction::kGet, "a", ""))["query"], "投诉 OR 维权");
  EXPECT_EQ(ask(RuleAction::kGet, "b", "").error().code, Code::kNotFound);
  EXPECT_EQ(json::parse(*ask(RuleAction::kDelete, "a", "")), json::parse(R"({"removed":"a"})"));

  const json good = json::parse(*ask(RuleAction::kValidate, "", R"({"query":"退款 投诉"})"));
  EXPECT_EQ(good, json::parse(R"({"valid":true,"query":"\"退款\" AND \"投诉\""})"));
  const json bad = json::parse(*ask(RuleAction::kValidate, "", R"({"query":"退款 topic:x"})"));
  EXPECT_EQ(bad["valid"], false);
  EXPECT_EQ(bad["column"], 10);

  for (const char* body : {"", "[]", "{}", R"({"query":1})", R"({"query":"a","querry":"b"})",
                           R"({"query":"a","name":"other"})", R"({"query":"a","enabled":"no"})"}) {
    EXPECT_EQ(ask(RuleAction::kPut, "a", body).error().code, Code::kInvalidArgument) << body;
  }
}

}  // namespace
}  // namespace tidewatch
