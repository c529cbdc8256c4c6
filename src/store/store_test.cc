// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <set>
#include <thread>

#include "store/partition.h"
#include "store/post_search.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/store_test_support.h"
#include "store/sync_vfs.h"

namespace tidewatch::store_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open() { return open_store(quiet_options(dir_.path()), clock_); }
  static std::vector<Store::Appended> append(Store& store, std::vector<ScoredPost> posts) {
    auto appended = store.append(posts, labels());
    EXPECT_EQ(problem(appended), "");
    return appended.ok() ? *appended : std::vector<Store::Appended>{};
  }
  TempDir dir_;
  ManualClock clock_{from_millis(1'700'000'000'000)};
};

TEST_F(StoreTest, KeepsRules) {
  {
    auto store = open();
    ASSERT_EQ(problem(store->put_rule({"z", "退款", "", true})), "");
    ASSERT_EQ(problem(store->put_rule({"a", "投诉", "why", false})), "");
    ASSERT_EQ(problem(store->put_rule({"z", "退款 OR 退钱", "", true})), "");
    ASSERT_EQ(problem(store->put_rule({"gone", "x", "", true})), "");
    ASSERT_EQ(problem(store->remove_rule("gone")), "");
  }
  const auto rules = open()->rules();
  ASSERT_EQ(problem(rules), "");
  EXPECT_EQ(*rules,
            (std::vector<Rule>{{"a", "投诉", "why", false}, {"z", "退款 OR 退钱", "", true}}));
}

TEST_F(StoreTest, GivesBackEveryFieldAfterReopening) {
  ScoredPost full = make_post("wb_4312345678901234", "手机 \U0001F602 #退款#\n第二行", -5);
  full.post.source = "weibo";
  full.post.author = "张三";
  full.post.region = "广东";
  full.post.repost_of = "wb_1";
  full.post.url = "https://example.org/1";
  full.post.likes = 0;
  full.post.reposts = std::numeric_limits<std::int64_t>::max();
  full.post.extra = R"("a":1,"b":[])";
  const ScoredPost bare = make_post("bare", "");
  {
    auto store = open();
    const auto appended = append(*store, {full, bare});
    ASSERT_EQ(appended.size(), 2U);
    EXPECT_EQ(appended[0].sequence.value, 1U);
    EXPECT_EQ(appended[1].sequence.value, 2U);
  }
  auto store = open();
  const auto found = store->post("wb_4312345678901234");
  ASSERT_EQ(problem(found), "");
  ASSERT_TRUE(found->has_value());
  const StoredPost& stored = **found;
  EXPECT_EQ(stored.sequence.value, 1U);
  EXPECT_EQ(stored.post.text, full.post.text);
  EXPECT_EQ(stored.post.time, full.post.time);
  EXPECT_EQ(stored.post.source, "weibo");
  EXPECT_EQ(stored.post.author, "张三");
  EXPECT_EQ(stored.post.region, "广东");
  EXPECT_EQ(stored.post.repost_of, "wb_1");
  EXPECT_EQ(stored.post.url, full.post.url);
  EXPECT_EQ(stored.post.likes, full.post.likes);
  EXPECT_EQ(stored.post.reposts, full.post.reposts);
  EXPECT_EQ(stored.post.extra, full.post.extra);
  EXPECT_EQ(stored.emotion, "angry");
  EXPECT_NEAR(stored.emotion_probability, 0.75F, 1e-5F);
  EXPECT_EQ(stored.topic, "health");
  EXPECT_NEAR(stored.topic_probability, 0.9F, 1e-5F);
  EXPECT_EQ(stored.text_hash, full.text_hash);

  const auto found_bare = store->post("bare");
  ASSERT_TRUE(found_bare.ok() && found_bare->has_value());
  EXPECT_EQ((*found_bare)->emotion, "neutral");
  EXPECT_EQ((*found_bare)->topic, "unknown");
  EXPECT_FALSE((*found_bare)->post.likes.has_value());
  EXPECT_EQ((*found_bare)->text_hash, 0U);
  const auto absent = store->post("nobody");
  ASSERT_TRUE(absent.ok());
  EXPECT_FALSE(absent->has_value());
}

TEST_F(StoreTest, WritesAnIdOnlyOnce) {
  auto store = open();
  append(*store, make_posts(3));
  std::vector<ScoredPost> again = {make_post("p1", "another text"), make_post("new", "n"),
                                   make_post("new", "n again"), make_post("p2", "x")};
  const auto appended = append(*store, again);
  ASSERT_EQ(appended.size(), 4U);
  EXPECT_FALSE(appended[0].is_new);
  EXPECT_EQ(appended[0].sequence.value, 2U);
  EXPECT_TRUE(appended[1].is_new);
  EXPECT_EQ(appended[1].sequence.value, 4U);
  EXPECT_FALSE(appended[2].is_new);
  EXPECT_EQ(appended[2].sequence.value, 4U);
  EXPECT_FALSE(appended[3].is_new);
  EXPECT_EQ(store->stats().posts, 4U);
  EXPECT_EQ((*store->post("p1"))->post.text, "今天天气真好1");
  store.reset();
  store = open();
  EXPECT_FALSE(append(*store, {make_post("new", "n")})[0].is_new);
  EXPECT_EQ(append(*store, {make_post("newer", "n")})[0].sequence.value, 5U);
  EXPECT_EQ(problem(store->check()), "");
}

// Ids whose keys are equal are still different ids.
TEST_F(StoreTest, TellsIdsWithEqualKeysApart) {
  const std::string a = "7";
  const std::string b = "0007";
  ASSERT_EQ(id_key(a), id_key(b));
  auto store = open();
  append(*store, {make_post(a, "a"), make_post(b, "b")});
  EXPECT_FALSE(append(*store, {make_post(b, "b")})[0].is_new);
  EXPECT_EQ((*store->post(a))->post.text, "a");
  EXPECT_EQ((*store->post(b))->post.text, "b");
  EXPECT_EQ(problem(store->check()), "");
}

TEST_F(StoreTest, IdKeysFollowTheNumberAtTheEnd) {
  EXPECT_EQ(id_key("wb_1002") - id_key("wb_1001"), 1);
  EXPECT_EQ(id_key("4312345678901235") - id_key("4312345678901234"), 1);
  EXPECT_EQ(id_key("tw-1-10") - id_key("tw-1-9"), 1);
  EXPECT_NE(id_key("wb_1001"), id_key("tw_1001"));
  EXPECT_GE(id_key("99999999999999999999999"), 0);
  // Equal numbers after many prefixes do not crowd into a few keys.
  std::set<std::int64_t> keys;
  for (int i = 0; i < 100'000; ++i) keys.insert(id_key("thread" + std::to_string(i) + "-0001"));
  EXPECT_EQ(keys.size(), 100'000U);
}

TEST_F(StoreTest, RefusesAPostWithoutIdAndWritesNothing) {
  auto store = open();
  std::vector<ScoredPost> posts = {make_post("a", "a"), make_post("", "b")};
  const auto appended = store->append(posts, labels());
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().code, Code::kInvalidArgument);
  EXPECT_EQ(posts[0].sequence.value, 0U);
  EXPECT_EQ(store->stats().posts, 0U);
}

TEST_F(StoreTest, LabelsStayWhatTheyWereAfterAModelSwap) {
  LabelSchema swapped = labels();
  std::swap(swapped.emotions[0], swapped.emotions[4]);
  swapped.topics = {"politics", "finance"};
  auto store = open();
  append(*store, {make_post("old", "旧")});
  std::vector<ScoredPost> posts = {make_post("new", "新")};
  ASSERT_EQ(problem(store->append(posts, swapped)), "");
  store.reset();
  store = open();
  EXPECT_EQ((*store->post("old"))->emotion, "angry");
  EXPECT_EQ((*store->post("old"))->topic, "health");
  EXPECT_EQ((*store->post("new"))->emotion, "sad");
  EXPECT_EQ((*store->post("new"))->topic, "finance");
  EXPECT_NEAR((*store->post("new"))->topic_probability, 0.9F, 1e-5F);
}

// ---- opening

TEST_F(StoreTest, RefusesAFolderThatIsInUse) {
  auto store = open();
  const auto second = Store::open(quiet_options(dir_.path()), clock_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(second.error().message, HasSubstr(dir_.path().string()));
  EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
  EXPECT_THAT(second.error().message, HasSubstr("--data-dir"));
  store.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(StoreTest, RefusesAPathThatIsNoFolder) {
  std::ofstream(dir_.path() / "file") << "x";
  const auto opened = Store::open(quiet_options(dir_.path() / "file"), clock_);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr((dir_.path() / "file").string()));
}

TEST_F(StoreTest, RefusesAReadOnlyFolder) {
  if (::geteuid() == 0) {
    // Root may write anywhere but here.
    const auto opened = Store::open(quiet_options("/proc/tidewatch"), clock_);
    ASSERT_FALSE(opened.ok());
    EXPECT_THAT(opened.error().message, HasSubstr("/proc/tidewatch"));
    EXPECT_THAT(opened.error().message, HasSubstr("--data-dir"));
    return;
  }
  std::filesystem::permissions(
      dir_.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const auto opened = Store::open(quiet_options(dir_.path()), clock_);
  std::filesystem::permissions(dir_.path(), std::filesystem::perms::owner_all);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kPermissionDenied);
}

TEST_F(StoreTest, RefusesADamagedFileAndLeavesItAlone) {
  const std::string garbage(8'192, 'x');
  std::ofstream(dir_.path() / "posts.db") << garbage;
  const auto opened = Store::open(quiet_options(dir_.path()), clock_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kDataLoss);
  EXPECT_THAT(opened.error().message, HasSubstr("posts.db"));
  EXPECT_THAT(opened.error().message, HasSubstr("backup"));
  EXPECT_EQ(std::filesystem::file_size(dir_.path() / "posts.db"), garbage.size());
}

TEST_F(StoreTest, RefusesANewerSchema) {
  open().reset();
  {
    auto db = Database::open(dir_.path() / "posts.db", Database::Mode::kReadWrite, "unix");
    ASSERT_EQ(problem((*db)->exec("UPDATE meta SET value=999 WHERE name='schema_version'")), "");
  }
  const auto opened = Store::open(quiet_options(dir_.path()), clock_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(opened.error().message, HasSubstr("newer"));
}

TEST_F(StoreTest, RebuildsADamagedIndex) {
  {
    auto store = open();
    append(*store, make_posts(20));
    ASSERT_EQ(problem(store->index_now()), "");
    EXPECT_EQ(store->stats().index_lag_posts, 0U);
  }
  std::ofstream(partition_search_path(dir_.path(), 1), std::ios::trunc) << std::string(8'192, 'x');
  auto store = open();
  EXPECT_EQ(store->stats().index_lag_posts, 20U);
  ASSERT_EQ(problem(store->index_now()), "");
  const auto page = store->posts({.q = "天气", .limit = 100});
  ASSERT_EQ(problem(page), "");
  EXPECT_EQ(page->posts.size(), 20U);
}

TEST_F(StoreTest, CheckSeesWhatIsWrong) {
  const std::pair<const char*, const char*> damages[] = {
      {"DELETE FROM posts WHERE sequence=3", "5 sequences"},
      {"INSERT INTO posts SELECT 3, 'p3', text, time, source, author, region, repost_of, url, "
       "likes,"
       " reposts, extra, label_set, emotion, topic, probabilities, text_hash, id_key"
       " FROM posts WHERE id='p3'",
       "twice"},
  };
  auto store = open();
  append(*store, make_posts(5));
  EXPECT_EQ(problem(store->check()), "");
  for (const auto& [sql, message] : damages) {
    auto db =
        Database::open(partition_posts_path(dir_.path(), 1), Database::Mode::kReadWrite, "unix");
    ASSERT_EQ(problem((*db)->exec(sql)), "");
    const Status checked = store->check();
    ASSERT_FALSE(checked.ok()) << sql;
    EXPECT_EQ(checked.error().code, Code::kDataLoss);
    EXPECT_THAT(checked.error().message, HasSubstr(message));
  }
}

// ---- minutes

MinuteCounts minute_of(std::string key, std::int64_t minute, std::uint32_t posts) {
  MinuteCounts counts;
  counts.key = std::move(key);
  counts.minute = minute;
  counts.counts.posts = posts;
  counts.counts.negative = posts / 2;
  counts.counts.new_authors = posts + 1;
  counts.counts.new_texts = 200;
  counts.counts.bare_reposts = 1;
  counts.counts.emotions = {posts, 0, 300};
  return counts;
}

TEST_F(StoreTest, SumsMinutesOverSteps) {
  auto store = open();
  constexpr std::int64_t kMidnight = std::int64_t{86'400} * 20'000;
  const std::vector<MinuteCounts> minutes = {
      minute_of("finance@*", kMidnight - 120, 2), minute_of("finance@*", kMidnight - 60, 4),
      minute_of("finance@*", kMidnight, 8), minute_of("finance@*", kMidnight + 60, 16),
      minute_of("*@*", kMidnight, 1'000)};
  ASSERT_EQ(problem(store->put_minutes(minutes, labels())), "");
  // A minute told again is replaced, not added.
  const std::vector<MinuteCounts> corrected = {minute_of("finance@*", kMidnight, 10)};
  ASSERT_EQ(problem(store->put_minutes(corrected, labels())), "");

  const EventTime since = from_millis((kMidnight - 120) * 1'000);
  const auto by_minute = store->series("finance@*", since, since + seconds{180}, seconds{60});
  ASSERT_EQ(problem(by_minute), "");
  ASSERT_EQ(by_minute->size(), 3U);
  EXPECT_EQ((*by_minute)[2].posts, 10U);
  EXPECT_EQ((*by_minute)[2].time, from_millis(kMidnight * 1'000));

  const auto by_two = store->series("finance@*", since, since + seconds{240}, seconds{120});
  ASSERT_EQ(problem(by_two), "");
  ASSERT_EQ(by_two->size(), 2U);
  EXPECT_EQ((*by_two)[0].posts, 6U);
  EXPECT_EQ((*by_two)[0].negative, 3U);
  EXPECT_EQ((*by_two)[0].authors, 8U);
  EXPECT_EQ((*by_two)[0].texts, 400U);
  EXPECT_EQ((*by_two)[0].bare_reposts, 2U);
  EXPECT_THAT((*by_two)[0].emotions,
              ElementsAre(std::pair<std::string, std::uint64_t>{"angry", 6},
                          std::pair<std::string, std::uint64_t>{"happy", 600}));
  EXPECT_EQ((*by_two)[1].posts, 26U);

  EXPECT_THAT(*store->series("health@*", since, since + hours{1}, seconds{60}), IsEmpty());
  EXPECT_THAT(*store->series("finance@*", since, since, seconds{60}), IsEmpty());
}

// Points lie on multiples of the step; the first counts only what is of the time asked for.
TEST_F(StoreTest, SeriesCountNothingFromBeforeTheirBeginning) {
  auto store = open();
  constexpr std::int64_t kHour = std::int64_t{3'600} * 480'000;
  std::vector<MinuteCounts> minutes = {minute_of("k@*", kHour + 1'800, 2),
                                       minute_of("k@*", kHour + 3'600, 4)};
  ASSERT_EQ(problem(store->put_minutes(minutes, labels())), "");
  const EventTime since = from_millis((kHour + 1'800) * 1'000);
  const auto read = [&] { return *store->series("k@*", since, since + hours{2}, seconds{3'600}); };
  const auto before = read();
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before[0].time, from_millis(kHour * 1'000));
  EXPECT_EQ(before[0].posts, 2U);
  EXPECT_EQ(before[1].posts, 4U);
  minutes.clear();
  for (int i = 0; i < 30; ++i) minutes.push_back(minute_of("k@*", kHour + std::int64_t{60} * i, 9));
  ASSERT_EQ(problem(store->put_minutes(minutes, labels())), "");
  const auto after = read();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].posts, 2U);
}

TEST_F(StoreTest, SeriesKeepTheirLabelsAcrossAModelSwap) {
  auto store = open();
  LabelSchema swapped = labels();
  swapped.emotions = {"happy", "angry"};
  const std::vector<MinuteCounts> first = {minute_of("k@*", 60, 5)};
  const std::vector<MinuteCounts> second = {minute_of("k@*", 120, 7)};
  ASSERT_EQ(problem(store->put_minutes(first, labels())), "");
  ASSERT_EQ(problem(store->put_minutes(second, swapped)), "");
  const auto series = store->series("k@*", from_millis(0), from_millis(3'600'000), seconds{3'600});
  ASSERT_EQ(series->size(), 1U);
  EXPECT_THAT((*series)[0].emotions,
              ElementsAre(std::pair<std::string, std::uint64_t>{"angry", 5},
                          std::pair<std::string, std::uint64_t>{"happy", 307}));
}

TEST_F(StoreTest, RefusesSeriesThatAreTooLong) {
  auto store = open();
  const EventTime start = from_millis(0);
  for (const auto step : {seconds{0}, seconds{1}, seconds{61}, seconds{-60}}) {
    EXPECT_FALSE(store->series("k", start, start + hours{1}, step).ok()) << step.count();
  }
  const auto too_many = store->series("k", start, start + hours{24 * 365}, seconds{60});
  ASSERT_FALSE(too_many.ok());
  EXPECT_EQ(too_many.error().code, Code::kInvalidArgument);
  EXPECT_FALSE(store->series("k", EventTime::min(), EventTime::max(), seconds{60}).ok());
}

// ---- alerts and outbox

Alert make_alert(const std::string& id, std::int64_t opened_ms, std::string state = "open") {
  Alert alert;
  alert.id = id;
  alert.key = "finance@广东";
  alert.topic = "finance";
  alert.region = "广东";
  alert.kind = "negative";
  alert.severity = "warning";
  alert.state = std::move(state);
  alert.title = "财经 · 广东";
  alert.opened_at = from_millis(opened_ms);
  alert.updated_at = from_millis(opened_ms + 1);
  alert.from_rate = 0.2;
  alert.to_rate = 0.7;
  alert.score = 3.1;
  alert.posts = 120;
  alert.authors = 98;
  alert.texts = 77;
  alert.emotions = {{"angry", 0.6}, {"sad", 0.2}};
  alert.terms = {"退款", "\"quoted\""};
  alert.evidence = {"id1", "id2", "id3"};
  return alert;
}

OutboxMessage make_message(std::string key, std::int64_t due_ms = 0) {
  return {.id = 0,
          .dedupe_key = std::move(key),
          .channel = "webhook",
          .body = "{\"a\":1}",
          .attempts = 0,
          .next_attempt_at = from_millis(due_ms),
          .last_error = "",
          .collapse_key = "",
          .held = false,
          .created_at = {},
          .dead_at = {}};
}

TEST_F(StoreTest, KeepsAlertsWithTheirLists) {
  {
    auto store = open();
    const std::vector<OutboxMessage> messages = {make_message("al_1/opened/webhook")};
    ASSERT_EQ(problem(store->put_alert(make_alert("al_1", 5), messages)), "");
  }
  auto store = open();
  const auto found = store->alert("al_1");
  ASSERT_EQ(problem(found), "");
  ASSERT_TRUE(found->has_value());
  const Alert& alert = **found;
  const Alert expected = make_alert("al_1", 5);
  EXPECT_EQ(alert.key, expected.key);
  EXPECT_EQ(alert.title, expected.title);
  EXPECT_EQ(alert.emotions, expected.emotions);
  EXPECT_EQ(alert.terms, expected.terms);
  EXPECT_EQ(alert.evidence, expected.evidence);
  EXPECT_EQ(alert.opened_at, expected.opened_at);
  EXPECT_FALSE(alert.closed_at.has_value());
  EXPECT_DOUBLE_EQ(alert.to_rate, 0.7);
  EXPECT_EQ(*store->size(), 1U);
  EXPECT_FALSE((*store->alert("al_2")).has_value());
}

TEST_F(StoreTest, PagesThroughAlertsNewestFirst) {
  auto store = open();
  for (int i = 0; i < 5; ++i) {
    const std::string state = i % 2 == 0 ? "open" : "closed";
    ASSERT_EQ(problem(store->put_alert(make_alert("al_" + std::to_string(i), i / 2, state), {})),
              "");
  }
  std::vector<std::string> ids;
  AlertQuery query{.state = AlertQuery::State::kAll, .limit = 2, .before = ""};
  for (int pages = 0; pages < 5; ++pages) {
    const auto page = store->alerts(query);
    ASSERT_EQ(problem(page), "");
    for (const Alert& alert : page->alerts) ids.push_back(alert.id);
    if (!page->next) break;
    query.before = *page->next;
  }
  EXPECT_THAT(ids, ElementsAre("al_4", "al_3", "al_2", "al_1", "al_0"));
  const auto closed =
      store->alerts({.state = AlertQuery::State::kClosed, .limit = 50, .before = ""});
  EXPECT_EQ(closed->alerts.size(), 2U);
  const auto open_ones =
      store->alerts({.state = AlertQuery::State::kOpen, .limit = 50, .before = ""});
  EXPECT_EQ(open_ones->alerts.size(), 3U);
}

TEST_F(StoreTest, KeepsTheHistoryOfAnAlert) {
  auto store = open();
  Alert alert = make_alert("al_1", 5);
  alert.state = "acknowledged";
  alert.muted_until = from_millis(9'000);
  alert.shape = {80, {{"ann", 3, 9}}, {"root", 70, 2, 60}};
  alert.forecast = AlertForecast{from_millis(99), 1.5, 2, 3};
  alert.provinces = {"广东", "浙江"};
  alert.acceleration = -0.25;
  const AlertHistoryEntry entries[] = {
      {from_millis(5), "opened", "tidewatch", "", "open"},
      {from_millis(9), "acknowledged", "李", "看过", "acknowledged"}};
  ASSERT_EQ(problem(store->put_alert(alert, {}, entries)), "");
  store.reset();
  store = open();
  EXPECT_EQ((*store->alert("al_1"))->state, "acknowledged");
  const Alert kept = **store->alert("al_1");
  EXPECT_EQ(kept.muted_until, from_millis(9'000));
  EXPECT_EQ(kept.shape.posts, 80U);
  EXPECT_EQ(kept.shape.accounts, alert.shape.accounts);
  EXPECT_EQ(kept.shape.cascade, alert.shape.cascade);
  ASSERT_TRUE(kept.forecast);
  EXPECT_EQ(kept.provinces, alert.provinces);
  EXPECT_EQ(kept.acceleration, alert.acceleration);
  EXPECT_EQ(kept.forecast->at, from_millis(99));
  EXPECT_EQ(kept.forecast->low, 1.5);
  auto history = store->history("al_1");
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[1].by, "李");
  EXPECT_EQ((*history)[1].at, from_millis(9));
  EXPECT_THAT(*store->history("al_2"), IsEmpty());

  // Bounded: the oldest entries go.
  for (std::size_t i = 0; i < kHistoryEntriesMax; ++i) {
    const AlertHistoryEntry muted{from_millis(static_cast<std::int64_t>(100 + i)), "muted", "a", "",
                                  "open"};
    ASSERT_EQ(problem(store->put_alert(alert, {}, {&muted, 1})), "");
  }
  history = store->history("al_1");
  ASSERT_EQ(history->size(), kHistoryEntriesMax);
  EXPECT_EQ(history->front().at, from_millis(100));
}

constexpr const char* kDowngradeTo1 = R"sql(
DROP TABLE partitions;
DROP TABLE alert_history;
DROP TABLE alert_tellings;
ALTER TABLE alerts DROP COLUMN muted_until;
ALTER TABLE alerts DROP COLUMN details;
DROP INDEX outbox_waiting;
DROP INDEX outbox_undelivered;
ALTER TABLE outbox DROP COLUMN collapse_key;
ALTER TABLE outbox DROP COLUMN held;
ALTER TABLE outbox DROP COLUMN created_at;
ALTER TABLE outbox DROP COLUMN dead_at;
CREATE INDEX outbox_waiting ON outbox(next_attempt_at) WHERE delivered_at IS NULL;
)sql";

// A folder of version 1: its acknowledgements become history.
TEST_F(StoreTest, BringsOlderTablesUpToDate) {
  {
    auto store = open();
    ASSERT_EQ(problem(store->put_alert(make_alert("al_1", 5), {})), "");
  }
  {
    auto db = Database::open(posts_path(dir_.path()), Database::Mode::kReadWrite, "unix");
    ASSERT_EQ(problem((*db)->exec(kDowngradeTo1)), "");
    ASSERT_EQ(problem((*db)->exec("UPDATE alerts SET acknowledged_at=7, state='acknowledged';"
                                  "UPDATE meta SET value=1 WHERE name='schema_version'")),
              "");
  }
  auto store = open();
  EXPECT_EQ((*store->alert("al_1"))->state, "acknowledged");
  const auto history = store->history("al_1");
  ASSERT_EQ(history->size(), 1U);
  EXPECT_EQ((*history)[0].at, from_millis(7));
}

TEST_F(StoreTest, KeepsWhatSubscribersWereTold) {
  auto store = open();
  Telling told;
  told.subscriber = "desk";
  told.alert_id = "al_1";
  told.key = "finance@*";
  told.first_at = from_millis(5);
  told.last_at = from_millis(7);
  told.severity = Severity::kCritical;
  told.escalations = 2;
  told.openings = {from_millis(5), from_millis(6)};
  Telling over;
  over.subscriber = "desk";
  over.alert_id = "al_0";
  over.key = "*@*";
  over.ended = true;
  over.openings = {from_millis(3)};
  const Telling both[] = {told, over};
  ASSERT_EQ(problem(store->put_alert(make_alert("al_1", 5), {}, {}, both)), "");
  store.reset();
  store = open();
  const auto recent = store->tellings(from_millis(4));
  ASSERT_EQ(recent->size(), 1U);
  EXPECT_EQ((*recent)[0].first_at, told.first_at);
  EXPECT_EQ((*recent)[0].last_at, told.last_at);
  EXPECT_EQ((*recent)[0].severity, told.severity);
  EXPECT_EQ((*recent)[0].escalations, 2U);
  EXPECT_EQ((*recent)[0].openings, told.openings);
  const auto all = store->tellings(from_millis(3));
  ASSERT_EQ(all->size(), 2U);
  EXPECT_FALSE((*all)[0].first_at);
}

TEST_F(StoreTest, DeadLettersStayVisibleAndMayBeTriedAgain) {
  auto store = open();
  for (const char* key : {"a", "b", "c"}) ASSERT_EQ(problem(store->put(make_message(key))), "");
  OutboxMessage stranger = make_message("d");
  stranger.channel = "gone's";
  ASSERT_EQ(problem(store->put(stranger)), "");
  ASSERT_EQ(problem(store->give_up(1, "answered 404", from_millis(60))), "");
  ASSERT_EQ(problem(store->give_up(1, "again", from_millis(70))), "");
  EXPECT_EQ(*store->size(), 3U);
  const std::string channels[] = {"webhook"};
  EXPECT_EQ(*store->give_up_unknown(channels, from_millis(80)), 1U);
  EXPECT_EQ(*store->size(), 2U);

  store.reset();
  store = open();
  EXPECT_EQ(*store->size(), 2U);
  EXPECT_EQ(store->due(from_millis(100), "webhook", 10)->size(), 2U);
  auto dead = store->outbox({.state = OutboxQuery::State::kDead});
  ASSERT_EQ(dead->messages.size(), 2U);
  EXPECT_EQ(dead->messages[0].last_error, "channel 'gone's' is not configured");
  EXPECT_EQ(dead->messages[1].last_error, "answered 404");
  EXPECT_EQ(dead->messages[1].attempts, 1U);
  EXPECT_EQ(dead->messages[1].dead_at, from_millis(60));
  const auto counts = store->outbox_counts();
  ASSERT_EQ(counts->size(), 2U);
  EXPECT_EQ((*counts)[1].channel, "webhook");
  EXPECT_EQ((*counts)[1].waiting, 2U);
  EXPECT_EQ((*counts)[1].dead, 1U);
  const auto page = store->outbox({.channel = "webhook", .limit = 2});
  ASSERT_EQ(page->messages.size(), 2U);
  ASSERT_TRUE(page->next);
  EXPECT_EQ(store->outbox({.limit = 2, .before = *page->next})->messages.size(), 1U);

  EXPECT_EQ(*store->retry_message(2), 0U) << "waits already";
  EXPECT_EQ(*store->retry_message(1), 1U);
  EXPECT_EQ(*store->retry_channel("gone's"), 1U);
  EXPECT_EQ(*store->size(), 4U);
  const auto due = store->due(clock_.wall_now(), "webhook", 10);
  ASSERT_EQ(due->size(), 3U);
  EXPECT_EQ((*due)[0].attempts, 0U);
}

TEST_F(StoreTest, AHeldMessageIsReplacedByTheNextAboutTheSame) {
  auto store = open();
  const auto held = [](const std::string& key, bool is_held) {
    OutboxMessage made = make_message(key, is_held ? 9'000 : 0);
    made.collapse_key = "al_1";
    made.held = is_held;
    return made;
  };
  ASSERT_EQ(problem(store->put(held("opened", true))), "");
  ASSERT_EQ(problem(store->put(held("updated", true))), "");
  EXPECT_EQ(*store->size(), 1U);
  ASSERT_EQ(problem(store->put(held("critical", false))), "");
  EXPECT_EQ(*store->size(), 1U);
  ASSERT_EQ(problem(store->put(held("closed", true))), "");
  ASSERT_EQ(problem(store->put(held("closed", true))), "");
  EXPECT_EQ(*store->size(), 2U) << "one that is not held stays";
}

TEST_F(StoreTest, OutboxDeliversEachMessageOnce) {
  auto store = open();
  ASSERT_EQ(problem(store->put(make_message("a", 100))), "");
  ASSERT_EQ(problem(store->put(make_message("b", 0))), "");
  ASSERT_EQ(problem(store->put(make_message("b", 0))), "");
  EXPECT_EQ(*store->size(), 2U);
  auto due = store->due(from_millis(50), "webhook", 10);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_EQ((*due)[0].dedupe_key, "b");
  EXPECT_EQ((*due)[0].body, "{\"a\":1}");
  ASSERT_EQ(problem(store->failed((*due)[0].id, "HTTP 500", from_millis(200))), "");
  EXPECT_THAT(*store->due(from_millis(50), "webhook", 10), IsEmpty());

  store.reset();
  store = open();
  due = store->due(from_millis(300), "webhook", 10);
  ASSERT_EQ(due->size(), 2U);
  EXPECT_EQ((*due)[0].dedupe_key, "a");
  EXPECT_EQ((*due)[1].attempts, 1U);
  EXPECT_EQ((*due)[1].last_error, "HTTP 500");
  EXPECT_EQ(store->due(from_millis(300), "webhook", 1)->size(), 1U);
  for (const OutboxMessage& message : *due) {
    ASSERT_EQ(problem(store->delivered(message.id)), "");
    ASSERT_EQ(problem(store->delivered(message.id)), "");
  }
  EXPECT_EQ(*store->size(), 0U);
  // What was delivered is not sent again, however often it is put.
  ASSERT_EQ(problem(store->put(make_message("a", 0))), "");
  EXPECT_THAT(*store->due(from_millis(9'999), "webhook", 10), IsEmpty());
  EXPECT_EQ(*store->size(), 0U);
}

TEST_F(StoreTest, AFullOutboxRefusesAndKeepsWhatItHas) {
  StoreOptions options = quiet_options(dir_.path());
  options.outbox_messages_max = 2;
  auto store = open_store(options, clock_);
  ASSERT_EQ(problem(store->put(make_message("a"))), "");
  const std::vector<OutboxMessage> two = {make_message("b"), make_message("c")};
  const Status refused = store->put_alert(make_alert("al_1", 5), two);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_FALSE(store->alert("al_1")->has_value()) << "all or nothing";
  EXPECT_EQ(*store->size(), 1U);
  ASSERT_EQ(problem(store->put_alert(make_alert("al_1", 5), std::span(two).first(1))), "");
  EXPECT_EQ(store->put(make_message("d")).error().code, Code::kResourceExhausted);
  EXPECT_EQ(problem(store->put(make_message("a"))), "") << "known already: nothing to add";
  EXPECT_EQ(store->due(from_millis(1), "webhook", 10)->size(), 2U);
}

// ---- retention

// Partitions go as a whole, once the youngest post of them is old enough.
TEST_F(StoreTest, RemovesPostsByTheAgeOfTheirStorage) {
  StoreOptions options = quiet_options(dir_.path());
  options.retention = hours{10};
  auto store = open_store(options, clock_);
  append(*store, make_posts(6'000, "old"));
  ASSERT_EQ(problem(store->index_now()), "");
  clock_.advance(hours{8});
  append(*store, make_posts(5'000, "new"));
  ASSERT_EQ(problem(store->index_now()), "");
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_EQ(store->stats().posts, 11'000U) << "nothing is old enough";
  EXPECT_EQ(store->stats().partitions, 2U) << "a partition takes a thirtieth of the retention";

  clock_.advance(hours{3});
  const std::uint64_t used_before = store->stats().bytes_used;
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_EQ(store->stats().first.value, 6'001U);
  EXPECT_EQ(store->stats().posts, 5'000U);
  EXPECT_EQ(store->stats().posts_expired, 6'000U);
  EXPECT_EQ(store->stats().partitions_removed_by_age, 1U);
  EXPECT_LT(store->stats().bytes_used, used_before);
  EXPECT_FALSE(store->post("old0")->has_value());
  EXPECT_TRUE(store->post("new0")->has_value());
  EXPECT_FALSE(std::filesystem::exists(partition_posts_path(dir_.path(), 1)));
  EXPECT_FALSE(std::filesystem::exists(partition_search_path(dir_.path(), 1)));
  EXPECT_EQ(store->posts({.q = "天气", .limit = 1'000})->posts.size(), 1'000U);
  EXPECT_EQ(problem(store->check()), "");

  clock_.advance(hours{24});
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_EQ(store->stats().posts, 0U);
  EXPECT_EQ(store->stats().last.value, 0U);
  EXPECT_THAT(store->posts({.q = "天气"})->posts, IsEmpty());
  store.reset();
  store = open_store(options, clock_);
  // Sequences go on where they were, and an id that is gone may come again.
  EXPECT_EQ(append(*store, {make_post("old0", "again")})[0].sequence.value, 11'001U);
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_EQ(store->posts({.q = "again"})->posts.size(), 1U);
  EXPECT_EQ(problem(store->check()), "");
}

// No more room for the files of partitions (with `logs`: nor for their logs).
class FullForPosts final : public FileHooks {
 public:
  int before_write(const std::string& file, std::int64_t /*offset*/, int /*size*/) override {
    const bool hit = file.starts_with("posts-") && (logs || file.ends_with(".db"));
    return full && hit ? SQLITE_FULL : SQLITE_OK;
  }
  std::atomic<bool> full{false};
  std::atomic<bool> logs{true};
};

TEST_F(StoreTest, AFullDiskDoesNotEndRetention) {
  FullForPosts disk;
  StoreOptions options = quiet_options(dir_.path());
  options.retention = hours{40};
  options.hooks = &disk;
  auto store = open_store(options, clock_);
  append(*store, make_posts(100, "old"));
  clock_.advance(hours{30});
  append(*store, make_posts(100, "new"));  // closes the first
  clock_.advance(hours{20});
  disk.full = true;
  const Status done = store->retain_now();
  ASSERT_FALSE(done.ok()) << "the next partition could not be made";
  EXPECT_EQ(done.error().code, Code::kResourceExhausted);
  EXPECT_EQ(store->stats().first.value, 101U);
  EXPECT_EQ(store->stats().partitions_removed_by_age, 1U);
}

TEST_F(StoreTest, OneDamagedPartitionDoesNotKeepTheOthersFromBeingFinished) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 100;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 3; ++i) append(*store, make_posts(100, "b" + std::to_string(i) + "_"));
  const auto change = [&](std::int64_t number, const std::string& sql) {
    auto db = Database::open(partition_posts_path(dir_.path(), number), Database::Mode::kReadWrite,
                             "unix");
    ASSERT_EQ(problem((*db)->exec(sql)), "");
  };
  change(1, "DROP INDEX posts_by_id_key");
  EXPECT_FALSE(store->retain_now().ok());
  auto db = Database::open(partition_posts_path(dir_.path(), 2), Database::Mode::kReadOnly, "unix");
  EXPECT_EQ(*(*db)->number("SELECT count(*) FROM id_filter"), 1);
}

TEST_F(StoreTest, AFailingCheckpointDoesNotEndRetention) {
  FullForPosts disk;
  disk.logs = false;
  StoreOptions options = quiet_options(dir_.path());
  options.retention = hours{40};
  options.wal_bytes_max = 1U << 20;  // a commit wakes the maintenance thread
  options.hooks = &disk;
  options.background = true;
  auto store = open_store(options, clock_);
  append(*store, make_posts(100, "old"));
  clock_.advance(hours{30});
  append(*store, make_posts(100, "new"));
  clock_.advance(hours{20});
  disk.full = true;
  append(*store, make_posts(3'000, "more"));
  while (store->stats().partitions_removed_by_age == 0) std::this_thread::yield();
  EXPECT_EQ(store->stats().first.value, 101U);
}

TEST_F(StoreTest, RemovesTheOldestPartitionsByTotalSize) {
  StoreOptions options = quiet_options(dir_.path());
  options.bytes_max = 4U << 20;
  std::vector<std::string> said;
  options.say = [&](const std::string& what) { said.push_back(what); };
  auto store = open_store(options, clock_);
  for (int i = 0; i < 30; ++i) {
    append(*store, make_posts(1'000, "batch" + std::to_string(i) + "_"));
    ASSERT_EQ(problem(store->index_now()), "");
    ASSERT_EQ(problem(store->retain_now()), "");
    EXPECT_LE(store->stats().bytes_used, options.bytes_max) << "batch " << i;
  }
  const StoreStats stats = store->stats();
  EXPECT_GT(stats.posts, 2'000U);
  EXPECT_LT(stats.posts, 30'000U);
  EXPECT_EQ(stats.last.value, 30'000U);
  EXPECT_GT(stats.partitions_removed_by_size, 0U);
  EXPECT_FALSE(stats.over_budget);
  ASSERT_FALSE(said.empty());
  EXPECT_THAT(said.front(), HasSubstr("removed partition 1 ("));
  EXPECT_TRUE(store->post("batch29_999")->has_value());
  EXPECT_FALSE(store->post("batch0_0")->has_value());
  EXPECT_EQ(problem(store->check()), "");
}

// What no search could have found yet is kept, and the store says that it is too large.
TEST_F(StoreTest, KeepsWhatIsNotIndexedBeyondTheSizeLimit) {
  StoreOptions options = quiet_options(dir_.path());
  options.bytes_max = 1U << 20;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 10; ++i) append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_EQ(store->stats().posts, 10'000U);
  EXPECT_TRUE(store->stats().over_budget);
  ASSERT_EQ(problem(store->index_now()), "");
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_LT(store->stats().posts, 10'000U);
  EXPECT_LE(store->stats().bytes_used, options.bytes_max);
  EXPECT_FALSE(store->stats().over_budget);
}

TEST_F(StoreTest, APartitionThatCannotBeIndexedHoldsUpNothing) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 1'000;
  options.bytes_max = 1U << 20;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 10; ++i) append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
  const std::uint64_t partitions = store->stats().partitions;
  const auto damage = [&](std::int64_t number) {
    auto db = Database::open(partition_posts_path(dir_.path(), number), Database::Mode::kReadWrite,
                             "unix");
    EXPECT_EQ(problem((*db)->exec("ALTER TABLE posts RENAME TO gone")), "");
  };
  damage(1);
  damage(3);
  const Status indexed = store->index_now();
  ASSERT_FALSE(indexed.ok());
  EXPECT_THAT(indexed.error().message, HasSubstr("posts-000003.db"));
  EXPECT_LE(store->stats().index_lag_posts, 2'000U) << "all but the damaged ones";
  store->retain_now().ignore("a damaged partition may be left that cannot be finished");
  EXPECT_LT(store->stats().partitions, partitions);
  EXPECT_LE(store->stats().bytes_used, options.bytes_max);
  EXPECT_FALSE(store->stats().over_budget);
}

TEST_F(StoreTest, AFileThatIsMostlyFreeGetsSmaller) {
  StoreOptions options = quiet_options(dir_.path());
  auto store = open_store(options, clock_);
  std::vector<MinuteCounts> minutes;
  minutes.reserve(20'000);
  for (int i = 0; i < 20'000; ++i)
    minutes.push_back(minute_of("key" + std::to_string(i % 50), std::int64_t{60} * i, 1));
  ASSERT_EQ(problem(store->put_minutes(minutes, labels())), "");
  clock_.advance(options.retention + hours{1});
  ASSERT_EQ(problem(store->retain_now()), "");
  store.reset();
  const auto size = [&] { return std::filesystem::file_size(dir_.path() / "posts.db"); };
  const auto full = size();
  {
    auto db = open_posts_db(dir_.path(), "unix");
    ASSERT_EQ(problem(db), "");
    auto released = release_free_pages(**db, 1'000'000);
    ASSERT_EQ(problem(released), "");
    EXPECT_FALSE(*released) << "too few to bother";
    do {
      released = release_free_pages(**db, 1);
      ASSERT_EQ(problem(released), "");
    } while (*released);
  }
  EXPECT_LT(size(), full / 4);
  EXPECT_EQ(problem(open()->check()), "");
}

// ---- partitions

TEST_F(StoreTest, AnIdIsWrittenOnceAcrossPartitions) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 1'000;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 5; ++i) append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
  EXPECT_EQ(store->stats().partitions, 5U);
  const auto resent = [&] {
    for (int i = 0; i < 5; ++i) {
      const auto again = append(*store, make_posts(10, "b" + std::to_string(i) + "_"));
      for (std::size_t k = 0; k < again.size(); ++k) {
        EXPECT_FALSE(again[k].is_new);
        EXPECT_EQ(again[k].sequence.value, static_cast<std::uint64_t>(i) * 1'000 + k + 1);
      }
    }
  };
  resent();  // by asking the files
  ASSERT_EQ(problem(store->retain_now()), "");
  resent();  // by the filters made now
  store.reset();
  store = open_store(options, clock_);
  resent();  // by the filters as they were kept
  EXPECT_EQ(store->stats().posts, 5'000U);
  EXPECT_EQ(append(*store, {make_post("fresh", "x")})[0].sequence.value, 5'001U);
  EXPECT_EQ((*store->post("b1_7"))->sequence.value, 1'008U);
  EXPECT_EQ(problem(store->check()), "");
}

TEST_F(StoreTest, CheckSeesAnIdInTwoPartitions) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 100;
  auto store = open_store(options, clock_);
  append(*store, make_posts(100, "a"));
  append(*store, make_posts(100, "b"));
  {
    auto db =
        Database::open(partition_posts_path(dir_.path(), 2), Database::Mode::kReadWrite, "unix");
    const std::string key = std::to_string(id_key("a5"));
    ASSERT_EQ(
        problem((*db)->exec("UPDATE posts SET id='a5', id_key=" + key + " WHERE sequence=150")),
        "");
  }
  const Status checked = store->check();
  ASSERT_FALSE(checked.ok());
  EXPECT_THAT(checked.error().message, HasSubstr("post 150 is there twice"));
}

TEST_F(StoreTest, CompactionChangesNothingThatIsFound) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 5'000;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 15; ++i) {
    append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
    ASSERT_EQ(problem(store->index_now()), "");
  }
  const auto found = [&] {
    std::vector<std::string> ids;
    PostQuery query{.q = "真好7 OR 真好77", .limit = 1'000};
    const auto page = store->posts(query);
    EXPECT_EQ(problem(page), "");
    return ids_of(*page);
  };
  const auto before = found();
  EXPECT_EQ(before.size(), 30U);
  ASSERT_EQ(problem(store->compact_now()), "");
  EXPECT_EQ(store->stats().partitions, 3U);
  EXPECT_EQ(store->stats().partitions_compacted, 2U) << "not the one that is written to";
  EXPECT_GT(store->stats().bytes_compacted, 0U);
  EXPECT_EQ(found(), before);
  store.reset();
  store = open_store(options, clock_);
  EXPECT_EQ(store->stats().partitions_compacted, 2U);
  EXPECT_EQ(found(), before);
  EXPECT_EQ(problem(store->check()), "");
}

// Readers that have the old file open, too, find what the new index has.
TEST_F(StoreTest, AnIndexFoundDamagedByCompactionIsMadeAnewWhileTheStoreIsOpen) {
  const std::pair<const char*, const char*> damages[] = {
      {"what opening reads", "DROP TABLE meta"},
      {"what merging reads", "DELETE FROM post_terms_data WHERE id > 10"},
  };
  for (const auto& [what, sql] : damages) {
    SCOPED_TRACE(what);
    const TempDir dir;
    StoreOptions options = quiet_options(dir.path());
    options.partition_posts_max = 5'000;
    options.tail_scan_posts_max = 0;  // by the index alone
    std::string said;
    options.say = [&](const std::string& line) { said = line; };
    auto store = open_store(options, clock_);
    for (int i = 0; i < 6; ++i) {
      append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
      ASSERT_EQ(problem(store->index_now()), "");
    }
    const auto found = [&] {
      const auto page = store->posts({.q = "真好77", .limit = 1'000});
      EXPECT_EQ(problem(page), "");
      return page.ok() ? page->posts.size() : 0;
    };
    ASSERT_EQ(found(), 6U);
    {
      auto db =
          Database::open(partition_search_path(dir.path(), 1), Database::Mode::kReadWrite, "unix");
      ASSERT_EQ(problem((*db)->exec(sql)), "");
    }
    ASSERT_EQ(problem(store->compact_now()), "");
    EXPECT_THAT(said, HasSubstr("search-000001.db"));
    EXPECT_EQ(store->stats().index_lag_posts, 5'000U);
    EXPECT_EQ(store->stats().partitions_compacted, 0U);
    EXPECT_EQ(found(), 1U) << "what lies in the other partition";
    ASSERT_EQ(problem(store->index_now()), "");
    EXPECT_EQ(found(), 6U);
    ASSERT_EQ(problem(store->compact_now()), "");
    EXPECT_EQ(store->stats().partitions_compacted, 1U);
    EXPECT_EQ(found(), 6U);
    EXPECT_EQ(problem(store->check()), "");
  }
}

// What the disk says to writes of search indexes.
class IndexDisk : public FileHooks {
 public:
  int before_write(const std::string& file, std::int64_t /*offset*/, int /*size*/) override {
    return file.starts_with("search-") ? answer.load() : SQLITE_OK;
  }
  std::atomic<int> answer{SQLITE_OK};
};

// A store of two partitions with 5,000 posts each, searched by the index alone, whose first index
// can be damaged.
class IndexDamageTest : public StoreTest {
 protected:
  IndexDamageTest() {
    options_.partition_posts_max = 5'000;
    options_.tail_scan_posts_max = 0;
    options_.hooks = &disk_;
    options_.say = [this](const std::string& line) {
      said_.push_back(line);
      if (full_when_told_) disk_.answer = SQLITE_FULL;
      if (search_when_told_) found();
    };
  }
  void fill() {
    reopen();
    for (int i = 0; i < 10; ++i) {
      append(*store_, make_posts(1'000, "b" + std::to_string(i) + "_"));
      ASSERT_EQ(problem(store_->index_now()), "");
    }
    ASSERT_EQ(problem(store_->close_partition()), "");
  }
  void reopen() {
    store_.reset();
    store_ = open_store(options_, clock_);
  }
  void damage(const std::string& sql = "DELETE FROM post_terms_data WHERE id > 10") {
    auto db =
        Database::open(partition_search_path(dir_.path(), 1), Database::Mode::kReadWrite, "unix");
    ASSERT_EQ(problem((*db)->exec(sql)), "");
  }
  std::size_t found() {
    const auto page = store_->posts({.q = "真好77", .limit = 1'000});
    EXPECT_EQ(problem(page), "");
    return page.ok() ? page->posts.size() : 0;
  }

  IndexDisk disk_;
  StoreOptions options_ = quiet_options(dir_.path());
  std::vector<std::string> said_;
  bool full_when_told_ = false, search_when_told_ = false;
  std::unique_ptr<Store> store_;
};

// Readers that have the removed file open must not go on with it.
TEST_F(IndexDamageTest, AnIndexThatCannotBeMadeAnewAtOnceIsFilledLater) {
  fill();
  ASSERT_EQ(found(), 10U);
  damage();
  full_when_told_ = true;
  const Status made = store_->compact_now();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kResourceExhausted);
  EXPECT_EQ(store_->stats().index_lag_posts, 5'000U);
  disk_.answer = SQLITE_OK;
  EXPECT_EQ(problem(store_->index_now()), "");
  EXPECT_EQ(found(), 10U);
  EXPECT_EQ(problem(store_->check()), "");
}

TEST_F(IndexDamageTest, AnIndexIsMadeAnewTwiceAndThenReported) {
  fill();
  for (int i = 0; i < 2; ++i) {
    damage();
    EXPECT_EQ(problem(store_->compact_now()), "") << i;
    EXPECT_EQ(problem(store_->index_now()), "") << i;
    EXPECT_EQ(found(), 10U) << i;
  }
  damage();
  const Status given_up = store_->compact_now();
  ASSERT_FALSE(given_up.ok());
  EXPECT_EQ(given_up.error().code, Code::kDataLoss);
  EXPECT_THAT(given_up.error().message, HasSubstr("search-000001.db"));
  EXPECT_THAT(given_up.error().message, HasSubstr("check the disk"));
  EXPECT_EQ(problem(store_->compact_now()), "") << "the others go on";
  EXPECT_EQ(store_->stats().partitions_compacted, 1U);
  EXPECT_THAT(store_->stats().index_error, HasSubstr("search-000001.db"));
  EXPECT_EQ(said_.size(), 2U);
}

// An error that says nothing of what the index holds must not cost it.
TEST_F(IndexDamageTest, CompactionTakesNoOtherErrorForDamage) {
  fill();
  disk_.answer = SQLITE_PROTOCOL;
  const Status failed = store_->compact_now();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_EQ(found(), 10U);
}

TEST_F(IndexDamageTest, AnIndexFoundDamagedByTheIndexerIsMadeAnew) {
  for (const char* sql : {"DELETE FROM post_terms_data", "DROP TABLE post_terms_idx",
                          "DELETE FROM meta WHERE name='indexed_until'"}) {
    SCOPED_TRACE(sql);
    const TempDir dir;
    options_.dir = dir.path();
    store_ = open_store(options_, clock_);
    append(*store_, make_posts(1'000, "a"));
    ASSERT_EQ(problem(store_->index_now()), "");
    ASSERT_EQ(found(), 1U);
    {
      auto db =
          Database::open(partition_search_path(dir.path(), 1), Database::Mode::kReadWrite, "unix");
      ASSERT_EQ(problem((*db)->exec(sql)), "");
    }
    append(*store_, make_posts(1'000, "b"));
    store_->index_now().ignore("a missing table is seen when the file is opened the next time");
    EXPECT_EQ(problem(store_->index_now()), "");
    EXPECT_EQ(store_->stats().index_lag_posts, 0U);
    EXPECT_EQ(found(), 2U);
    EXPECT_EQ(problem(store_->check()), "");
    store_.reset();
  }
  EXPECT_EQ(said_.size(), 3U);
}

// The search answers what it can and says how many posts it could not look at.
TEST_F(IndexDamageTest, AnIndexFoundDamagedBySearchesIsMadeAnew) {
  for (const char* sql :
       {"DELETE FROM post_terms_data WHERE id > 10", "DROP TABLE meta", "DELETE FROM meta",
        "DELETE FROM post_terms_config", "UPDATE post_terms_config SET v=99 WHERE k='version'"}) {
    SCOPED_TRACE(sql);
    said_.clear();
    fill();
    ASSERT_EQ(problem(store_->compact_now()), "");
    reopen();
    damage(sql);
    const PostQuery query{.q = "真好77", .limit = 1'000};
    const auto page = store_->posts(query);
    ASSERT_EQ(problem(page), "");
    EXPECT_EQ(page->posts.size(), 5U) << "what lies in the other partition";
    EXPECT_EQ(page->index_lag_posts, 5'000U);
    const auto summary = store_->summary(query, 10);
    ASSERT_EQ(problem(summary), "");
    EXPECT_EQ(summary->posts, 5U);
    EXPECT_FALSE(summary->exact);
    EXPECT_EQ(summary->index_lag_posts, 5'000U);
    EXPECT_EQ(problem(store_->compact_now()), "");
    EXPECT_EQ(said_.size(), 1U);
    EXPECT_EQ(problem(store_->index_now()), "");
    const auto whole = store_->posts(query);
    ASSERT_EQ(problem(whole), "");
    EXPECT_EQ(whole->posts.size(), 10U);
    EXPECT_EQ(whole->index_lag_posts, 0U);
    store_.reset();
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      std::filesystem::remove_all(entry.path());
    }
  }
}

// What a search meets while the index is being made anew is the same damage once more.
TEST_F(IndexDamageTest, OneDamageMetTwiceIsMendedOnce) {
  search_when_told_ = true;
  fill();
  ASSERT_EQ(problem(store_->compact_now()), "");
  reopen();
  damage();
  EXPECT_EQ(found(), 5U);
  EXPECT_EQ(problem(store_->compact_now()), "");
  EXPECT_EQ(problem(store_->index_now()), "");
  EXPECT_EQ(problem(store_->compact_now()), "");
  EXPECT_EQ(said_.size(), 1U);
  EXPECT_EQ(found(), 10U);
}

// As when the files are replaced between a search's look at the partitions and its opening them.
TEST_F(IndexDamageTest, ASearchThatFindsTheFileReplacedLooksAgain) {
  fill();
  store_.reset();
  const LabelSets label_sets;
  const BlockMap blocks;
  PartitionMap partitions;
  const Partition before{.number = 1, .first = 1, .last = 5'000, .indexed_until = 5'000};
  Partition now = before;
  now.indexed_until = 0;
  now.index_made = 1;
  partitions.add(now);
  bool told = false;
  const SearchPlace place{label_sets, blocks, partitions, 0,
                          [&](const Partition&, const Error&) { told = true; }};
  const auto reader = Reader::open(dir_.path(), "unix", clock_);
  ASSERT_EQ(problem(reader), "");
  for (const bool half_made : {false, true}) {
    remove_database_files(partition_search_path(dir_.path(), 1));
    if (half_made) std::ofstream{partition_search_path(dir_.path(), 1)};
    auto opened = OpenPartition::open(**reader, place, before, true);
    ASSERT_EQ(problem(opened), "");
    EXPECT_EQ(opened->indexed_end(), 1);
    EXPECT_EQ(opened->end(), 5'001);
  }
  remove_database_files(partition_search_path(dir_.path(), 1));
  partitions.remove(1);
  partitions.add(before);
  EXPECT_FALSE(OpenPartition::open(**reader, place, before, true).ok()) << "nobody replaced it";
  EXPECT_FALSE(told);
}

// Else nobody would compact it after a restart.
TEST_F(IndexDamageTest, AnIndexMadeAnewIsNotCompactedAfterARestartEither) {
  fill();
  ASSERT_EQ(problem(store_->compact_now()), "");
  ASSERT_EQ(store_->stats().partitions_compacted, 2U);
  store_.reset();
  std::ofstream(partition_search_path(dir_.path(), 1), std::ios::trunc) << std::string(8'192, 'x');
  reopen();
  ASSERT_EQ(problem(store_->index_now()), "");
  reopen();
  EXPECT_EQ(store_->stats().partitions_compacted, 1U);
  store_.reset();
  remove_database_files(partition_search_path(dir_.path(), 2));
  reopen();
  EXPECT_EQ(store_->stats().partitions_compacted, 0U) << "a file that is gone";
  ASSERT_EQ(problem(store_->index_now()), "");
  ASSERT_EQ(problem(store_->compact_now()), "");
  EXPECT_EQ(store_->stats().partitions_compacted, 2U);
  EXPECT_EQ(found(), 10U);
}

// The count of memory is behind a lock that all connections share.
TEST_F(StoreTest, SqliteCountsNoMemory) {
  auto store = open();
  append(*store, make_posts(10));
  EXPECT_EQ(sqlite3_memory_used(), 0);
}

TEST_F(StoreTest, RemovesTheFileOfAPartitionThatWasNeverBegun) {
  open().reset();
  std::ofstream(partition_posts_path(dir_.path(), 2)) << "";
  std::ofstream(partition_search_path(dir_.path(), 2)) << "";
  EXPECT_NE(open(), nullptr);
  EXPECT_FALSE(std::filesystem::exists(partition_posts_path(dir_.path(), 2)));
  EXPECT_FALSE(std::filesystem::exists(partition_search_path(dir_.path(), 2)));
}

// Files that do not belong together, as after half a restore: nothing is removed, nothing is lost.
TEST_F(StoreTest, RefusesPartitionsThatDoNotFit) {
  {
    auto store = open();
    append(*store, make_posts(10));
  }
  const auto posts = partition_posts_path(dir_.path(), 1);
  const auto aside = dir_.path() / "aside";
  std::filesystem::rename(posts, aside);
  const auto without = Store::open(quiet_options(dir_.path()), clock_);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().code, Code::kDataLoss);
  EXPECT_THAT(without.error().message, HasSubstr("posts-000001.db"));
  std::filesystem::rename(aside, posts);
  {
    TempDir other;
    open_store(quiet_options(other.path()), clock_).reset();
    std::filesystem::copy_file(posts, partition_posts_path(other.path(), 2));
    const auto unknown = Store::open(quiet_options(other.path()), clock_);
    ASSERT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.error().code, Code::kDataLoss);
    EXPECT_TRUE(std::filesystem::exists(partition_posts_path(other.path(), 2)));
    std::filesystem::remove(partition_posts_path(other.path(), 2));
    std::filesystem::copy_file(posts, partition_posts_path(other.path(), 1),
                               std::filesystem::copy_options::overwrite_existing);
    const auto foreign = Store::open(quiet_options(other.path()), clock_);
    ASSERT_FALSE(foreign.ok());
    EXPECT_THAT(foreign.error().message, HasSubstr("another store"));
  }
  EXPECT_EQ(open()->stats().posts, 10U);
}

TEST_F(StoreTest, RemovesOldMinutesAlertsAndDeliveredMessages) {
  StoreOptions options = quiet_options(dir_.path());
  options.retention = hours{10};
  options.alert_retention = hours{20};
  auto store = open_store(options, clock_);
  std::vector<MinuteCounts> minutes;
  minutes.reserve(5'000);
  for (int i = 0; i < 5'000; ++i)
    minutes.push_back(minute_of("k" + std::to_string(i % 50), std::int64_t{60} * i, 1));
  ASSERT_EQ(problem(store->put_minutes(minutes, labels())), "");
  ASSERT_EQ(problem(store->put_alert(make_alert("al_closed", 1, "closed"), {})), "");
  ASSERT_EQ(problem(store->put_alert(make_alert("al_open", 1, "open"), {})), "");
  ASSERT_EQ(problem(store->put(make_message("sent"))), "");
  ASSERT_EQ(problem(store->delivered(1)), "");

  const auto points = [&] {
    return store->series("k0", from_millis(0), from_millis(86'400'000 * 4LL), hours{1})->size();
  };
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_GT(points(), 10U);
  clock_.advance(hours{11});
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_EQ(points(), 0U);
  EXPECT_TRUE(store->alert("al_closed")->has_value());
  ASSERT_EQ(problem(store->put(make_message("sent"))), "");
  EXPECT_EQ(*store->size(), 1U) << "forgotten after the retention time";
  clock_.advance(hours{10});
  ASSERT_EQ(problem(store->retain_now()), "");
  EXPECT_FALSE(store->alert("al_closed")->has_value());
  EXPECT_TRUE(store->alert("al_open")->has_value());
}

// ---- scanning and background threads

TEST_F(StoreTest, ScansFromASequenceAndATime) {
  auto store = open();
  append(*store, make_posts(10'000));
  std::vector<std::uint64_t> seen;
  const auto collect = [&](const StoredPost& stored) {
    seen.push_back(stored.sequence.value);
    return seen.size() < 3'000;
  };
  ASSERT_EQ(problem(store->scan_posts({}, from_millis(0), collect)), "");
  ASSERT_EQ(seen.size(), 3'000U);
  EXPECT_EQ(seen.front(), 1U);
  EXPECT_EQ(seen.back(), 3'000U);
  seen.clear();
  ASSERT_EQ(problem(store->scan_posts({9'990}, from_millis(0), collect)), "");
  EXPECT_EQ(seen.size(), 10U);
  seen.clear();
  ASSERT_EQ(problem(store->scan_posts({}, from_millis(9'995'000), collect)), "");
  EXPECT_EQ(seen.size(), 5U);
}

TEST_F(StoreTest, BackgroundThreadsIndexAndStop) {
  StoreOptions options = quiet_options(dir_.path());
  options.background = true;
  auto store = open_store(options, clock_);
  for (int i = 0; i < 5; ++i) append(*store, make_posts(2'000, "b" + std::to_string(i) + "_"));
  while (store->stats().index_lag_posts > 0) std::this_thread::yield();
  EXPECT_EQ(store->stats().index_error, "");
  EXPECT_EQ(store->posts({.q = "天气", .limit = 7})->posts.size(), 7U);
}

// Everything at once, small bounds, so that checkpoints, retention and the index all run meanwhile.
TEST_F(StoreTest, ReadsWritesAndRetentionGoOnTogether) {
  StoreOptions options = quiet_options(dir_.path());
  options.background = true;
  options.bytes_max = 4U << 20;
  options.wal_bytes_max = 256U << 10;
  options.partition_posts_max = 1'000;
  auto store = open_store(options, clock_);
  std::atomic<bool> done{false};
  {
    std::vector<std::jthread> readers;
    for (const char* q : {"天气", "", "-天气 -x", "真好9"}) {
      readers.emplace_back([&, q] {
        while (!done) {
          const auto page = store->posts({.q = q, .limit = 20});
          EXPECT_EQ(problem(page), "") << q;
          std::uint64_t before = std::numeric_limits<std::uint64_t>::max();
          for (const StoredPost& stored : page->posts) {
            EXPECT_LT(stored.sequence.value, before);
            before = stored.sequence.value;
          }
          const StoreStats stats = store->stats();
          EXPECT_EQ(stats.index_error, "");
          EXPECT_EQ(stats.maintenance_error, "");
        }
      });
    }
    readers.emplace_back([&] {
      while (!done) {
        const std::vector<MinuteCounts> minutes = {minute_of("k@*", 60, 5)};
        EXPECT_EQ(problem(store->put_minutes(minutes, labels())), "");
        EXPECT_EQ(problem(store->series("k@*", from_millis(0), from_millis(600'000), seconds{60})),
                  "");
        EXPECT_EQ(problem(store->retain_now()), "");
      }
    });
    for (int i = 0; i < 30; ++i) append(*store, make_posts(1'000, "b" + std::to_string(i) + "_"));
    done = true;
  }
  // The index counts towards the bound, and on a full machine it may not have come far.
  ASSERT_EQ(problem(store->index_now()), "");
  ASSERT_EQ(problem(store->retain_now()), "");
  const StoreStats stats = store->stats();
  EXPECT_EQ(stats.last.value, 30'000U);
  EXPECT_GT(stats.posts_expired, 0U);
  for (const auto& file : std::filesystem::directory_iterator(dir_.path())) {
    if (file.path().extension() == ".db-wal") {
      EXPECT_LT(file.file_size(), 8U << 20) << file;
    }
  }
  EXPECT_EQ(problem(store->check()), "");
}

// Holds up the thread that gives the log of the second partition its size.
class Gate final : public FileHooks {
 public:
  int before_write(const std::string& file, std::int64_t /*offset*/, int size) override {
    constexpr int kSqlitePage = 4'096;  // SQLite writes a log in pages
    if (file != "posts-000002.db-wal" || size <= kSqlitePage) return SQLITE_OK;
    reached.store(true);
    open.wait(false);
    return SQLITE_OK;
  }
  void release() {
    open.store(true);
    open.notify_all();
  }
  std::atomic<bool> reached{false};
  std::atomic<bool> open{false};
};

// The partition fills up while the file of the next is being made: nothing may be written to it
// yet.
TEST_F(StoreTest, GoesOnInTheOpenPartitionWhileTheNextIsMade) {
  Gate gate;
  StoreOptions options = quiet_options(dir_.path());
  options.background = true;
  options.hooks = &gate;
  options.partition_posts_max = 1'000;
  options.wal_bytes_max = 256U << 10;  // so that a commit wakes the maintenance thread
  auto store = open_store(options, clock_);
  append(*store, make_posts(600, "half"));
  while (!gate.reached) std::this_thread::yield();
  for (int i = 0; i < 8; ++i) append(*store, make_posts(100, "b" + std::to_string(i) + "_"));
  EXPECT_EQ(store->stats().partitions, 1U);
  gate.release();
  std::uint64_t posts = 1'400;
  for (; store->stats().partitions < 2; ++posts) {
    append(*store, {make_post("later" + std::to_string(posts), "x")});
  }
  store.reset();
  store = open();
  EXPECT_EQ(store->stats().posts, posts);
  EXPECT_EQ(problem(store->check()), "");
  EXPECT_TRUE(store->post("b7_99")->has_value());
}

TEST_F(StoreTest, ReportsStats) {
  auto store = open();
  EXPECT_FALSE(store->stats().oldest.has_value());
  append(*store, make_posts(100));
  const StoreStats stats = store->stats();
  EXPECT_EQ(stats.posts, 100U);
  EXPECT_EQ(stats.first.value, 1U);
  EXPECT_EQ(stats.last.value, 100U);
  EXPECT_EQ(stats.oldest, from_millis(0));
  EXPECT_EQ(stats.newest, from_millis(99'000));
  EXPECT_EQ(stats.commits, 1U);
  EXPECT_GE(stats.fsyncs, 1U);
  EXPECT_EQ(stats.index_lag_posts, 100U);
  EXPECT_FALSE(stats.index_behind);
  EXPECT_GT(stats.bytes, 10'000U);
  EXPECT_GT(stats.bytes_used, 10'000U);
}

TEST_F(StoreTest, ReportsAnIndexBehindItsBound) {
  StoreOptions options = quiet_options(dir_.path());
  options.index_lag_max = 50;
  options.tail_scan_posts_max = 10;
  auto store = open_store(options, clock_);
  append(*store, make_posts(60));
  EXPECT_TRUE(store->stats().index_behind);
  // The newest are found all the same, and the answer says how many were not looked at.
  const auto page = store->posts({.q = "天气"});
  ASSERT_EQ(problem(page), "");
  EXPECT_EQ(page->posts.size(), 10U);
  EXPECT_EQ(page->index_lag_posts, 50U);
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_FALSE(store->stats().index_behind);
  EXPECT_EQ(store->posts({.q = "天气", .limit = 100})->posts.size(), 60U);
}

}  // namespace
}  // namespace tidewatch::store_test
