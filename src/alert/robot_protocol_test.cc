// SPDX-License-Identifier: Apache-2.0
#include "alert/robot_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "alert/mail_text.h"
#include "alert/signature.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr RobotKind kAll[] = {RobotKind::kDingTalk, RobotKind::kWeCom, RobotKind::kFeishu,
                              RobotKind::kSlack, RobotKind::kTelegram};
constexpr EventTime kNow{std::chrono::milliseconds{1'700'000'000'123}};

AlertMessage message() {
  AlertMessage made;
  made.alert.id = "al_1";
  made.alert.key = "finance@广东";
  made.alert.kind = "negative";
  made.alert.severity = "critical";
  made.alert.title = "财经 · 广东:负面占比升至 68%";
  made.alert.from_rate = 0.21;
  made.alert.to_rate = 0.68;
  made.alert.onset_at = kNow;
  made.alert.posts = 120;
  made.alert.emotions = {{"angry", 0.61}, {"sad", 0.2}};
  made.alert.terms = {"退款", "<!channel> [x](http://evil.example)"};
  made.alert.shape = {120, {{"大V", 3, 41}}, {"root", 70, 2, 60}};
  made.alert.forecast = AlertForecast{kNow + std::chrono::minutes{30}, 80, 120, 200};
  made.alert.provinces = {"广东", "浙江"};
  made.alert.acceleration = 0.1;
  made.event = "opened";
  made.link = "https://tw.example/#/alerts/al_1";
  made.evidence_posts = {{"p1", "气死\n我了 <b>&", "ann", "https://p.example/1", kNow},
                         {"p2", "", "", "javascript:alert(1)", kNow}};
  return made;
}

MessageText text(MessageLanguage language = MessageLanguage::kChinese) {
  return message_text(message(), language, *TimeZone::parse("Asia/Shanghai"));
}

HttpRequest request(RobotKind kind, const MessageText& of) {
  return robot_request(kind, {.secret = "s3cret", .chat_id = "-1"}, "/x?token=t", of, kNow);
}

TEST(MessageText, SaysWhatChangedWhereAndWho) {
  const MessageText zh = text();
  EXPECT_EQ(zh.headline, "【严重·新预警】财经 · 广东:负面占比升至 68%");
  EXPECT_EQ(zh.facts[0], "负面占比 21% → 68%,始于 11-15 06:13");
  const std::string all = plain_text(zh);
  for (const char* part :
       {"愤怒 61%、悲伤 20%", "退款", "大V(发 3,被转 41)", "深 2 层",
        "预计 11-15 06:43 120 条/分(80–200)", "集中在 广东、浙江", "仍在加速,每分钟 +11 %",
        "气死 我了", "https://p.example/1", "(转发)", "https://tw.example/"}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
  EXPECT_THAT(all, Not(HasSubstr("javascript")));
  const MessageText en = text(MessageLanguage::kEnglish);
  EXPECT_EQ(en.headline, "[critical, opened] finance@广东 (negative)");
  EXPECT_EQ(en.facts[0], "Negative share 21% → 68%, since 11-15 06:13");
}

// Expected values by Python's hmac, after the makers' documents.
TEST(RobotProtocol, SignsAsTheMakersSay) {
  EXPECT_THAT(request(RobotKind::kDingTalk, text()).target,
              HasSubstr("/x?token=t&timestamp=1700000000123&sign=Q%2FGu1K6gif%2F%"
                        "2FXkCNhmmMXCz3dFOshDi118WieTgZpto%3D"));
  const json feishu = json::parse(request(RobotKind::kFeishu, text()).body);
  EXPECT_EQ(feishu["timestamp"], "1700000000");
  EXPECT_EQ(feishu["sign"], "IX3eHI0/v/Td7jqJ0ynSEK3Dq5JY3HUZeoeMgVZeZGo=");
}

TEST(RobotProtocol, LeavesNoMarkupOfStrangers) {
  for (const RobotKind kind : kAll) {
    SCOPED_TRACE(robot_name(kind));
    const std::string body = request(kind, text()).body;
    EXPECT_TRUE(json::accept(body));
    EXPECT_THAT(body, HasSubstr("tw.example"));
    if (kind == RobotKind::kFeishu) continue;  // its text is plain
    EXPECT_THAT(body, Not(HasSubstr("<!channel>")));
    const bool reads_markdown = kind == RobotKind::kDingTalk || kind == RobotKind::kWeCom;
    EXPECT_EQ(body.find("](http://evil") != std::string::npos, !reads_markdown);
    EXPECT_THAT(body, Not(HasSubstr("<b>&")));
  }
}

TEST(RobotProtocol, KeepsWithinTheMakersLimits) {
  AlertMessage long_one = message();
  std::string words;
  for (int i = 0; i < 4'000; ++i) words += "很长<&";
  for (ShownPost& post : long_one.evidence_posts) post.text = words;
  long_one.alert.title = words.substr(0, 600);
  long_one.alert.terms = {words.substr(0, 3'000)};
  const MessageText made = message_text(long_one, MessageLanguage::kChinese, TimeZone());
  for (const RobotKind kind : kAll) {
    SCOPED_TRACE(robot_name(kind));
    const json body = json::parse(request(kind, made).body);
    switch (kind) {
      case RobotKind::kDingTalk:
        EXPECT_LE(body.dump().size(), 20'000U);
        break;
      case RobotKind::kWeCom:
        EXPECT_LE(body["markdown"]["content"].get<std::string>().size(), 4'096U);
        break;
      case RobotKind::kFeishu:
        EXPECT_LE(body.dump().size(), 20'480U);
        break;
      case RobotKind::kSlack:
        EXPECT_LE(body["blocks"][0]["text"]["text"].get<std::string>().size(), 150U);
        EXPECT_LE(body["blocks"][1]["text"]["text"].get<std::string>().size(), 3'000U);
        break;
      case RobotKind::kTelegram:
        EXPECT_LE(body["text"].get<std::string>().size(), 4'096U);
        break;
    }
  }
}

TEST(RobotProtocol, UnderstandsAnswers) {
  struct Case {
    RobotKind kind;
    unsigned status;
    const char* body;
    Code code;
    milliseconds wait;
  };
  using K = RobotKind;
  const Case cases[] = {
      {K::kDingTalk, 200, R"({"errcode":0,"errmsg":"ok"})", Code::kOk, {}},
      {K::kDingTalk,
       200,
       R"({"errcode":310000,"errmsg":"sign not match"})",
       Code::kPermissionDenied,
       {}},
      {K::kDingTalk, 200, R"({"errcode":130101,"errmsg":"send too fast"})",
       Code::kResourceExhausted, milliseconds{600'000}},
      {K::kDingTalk, 200, R"({"errcode":-1,"errmsg":"system busy"})", Code::kUnavailable, {}},
      {K::kDingTalk, 200, R"({"errcode":460101,"errmsg":"too long"})", Code::kInvalidArgument, {}},
      {K::kDingTalk, 200, "<html>captive portal</html>", Code::kUnavailable, {}},
      {K::kDingTalk, 502, "bad gateway", Code::kUnavailable, {}},
      {K::kWeCom, 200, R"({"errcode":45009,"errmsg":"freq out of limit"})",
       Code::kResourceExhausted, milliseconds{60'000}},
      {K::kWeCom,
       200,
       R"({"errcode":93000,"errmsg":"invalid webhook url"})",
       Code::kPermissionDenied,
       {}},
      {K::kFeishu, 200, R"({"code":0,"msg":"success","data":{}})", Code::kOk, {}},
      {K::kFeishu, 200, R"({"StatusCode":0,"StatusMessage":"success"})", Code::kOk, {}},
      {K::kFeishu, 200, R"({"code":19021,"msg":"sign match fail"})", Code::kPermissionDenied, {}},
      {K::kFeishu, 429, R"({"code":11232,"msg":"frequency limited"})", Code::kResourceExhausted,
       milliseconds{60'000}},
      {K::kSlack, 200, "ok", Code::kOk, {}},
      {K::kSlack, 404, "no_service", Code::kInvalidArgument, {}},
      {K::kSlack, 500, "rollup_error", Code::kUnavailable, {}},
      {K::kTelegram, 200, R"({"ok":true,"result":{}})", Code::kOk, {}},
      {K::kTelegram, 429,
       R"({"ok":false,"error_code":429,"description":"Too Many","parameters":{"retry_after":7}})",
       Code::kResourceExhausted, milliseconds{7'000}},
      {K::kTelegram,
       401,
       R"({"ok":false,"error_code":401,"description":"Unauthorized"})",
       Code::kPermissionDenied,
       {}},
      {K::kTelegram,
       400,
       R"({"ok":false,"error_code":400,"description":"chat not found"})",
       Code::kInvalidArgument,
       {}},
      {K::kTelegram, 503, "<html>", Code::kUnavailable, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    HttpAnswer answer;
    answer.status = c.status;
    answer.body = c.body;
    const Status status = judge_robot(c.kind, "robot", answer);
    EXPECT_EQ(status.ok() ? Code::kOk : status.error().code, c.code);
    EXPECT_EQ(status.ok() ? milliseconds{0} : status.error().retry_after, c.wait);
  }
}

TEST(MailText, IsAMailThatNothingCanBreak) {
  MailHead head;
  head.from = "Tidewatch <tw@example.org>";
  head.to = {"a@example.org", "B <b@example.org>"};
  head.subject = "【严重·新预警】财经 · 广东:讨论量升至 3 倍(120 条,98 人)\r\nBcc: x@example.org";
  head.message_id = "id@example.org";
  head.date = kNow;
  const std::string mail = mail_message(head, "第一行\n.\nFrom: x\n");
  EXPECT_THAT(mail, HasSubstr("\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
  EXPECT_THAT(mail, HasSubstr("To: a@example.org,\r\n B <b@example.org>\r\n"));
  EXPECT_THAT(mail, Not(HasSubstr("Bcc:")));
  std::size_t start = 0;
  while (start < mail.size()) {
    const std::size_t end = mail.find("\r\n", start);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - start, 76U + 9U) << mail.substr(start, end - start);
    start = end + 2;
  }
  EXPECT_EQ(mail_address("Li <li@example.org>"), "li@example.org");
  for (const char* wrong : {"", "li", "@x", "x@", "a@b\r\nc", "a b@c", "<a@b"}) {
    EXPECT_EQ(mail_address(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace tidewatch
