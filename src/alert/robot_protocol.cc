// SPDX-License-Identifier: Apache-2.0
#include "alert/robot_protocol.h"

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>

#include "alert/signature.h"
#include "core/markup.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<std::string_view, 5> kNames{"dingtalk", "wecom", "feishu", "slack",
                                                 "telegram"};

// What the makers allow, in bytes (Slack, Telegram: characters, of which there are never more).
constexpr std::size_t kDingTalkBytesMax = 18'000;  // 20,000 for the whole message
constexpr std::size_t kWeComBytesMax = 4'096;
constexpr std::size_t kFeishuBytesMax = 18'000;  // 20 KB for the whole request
constexpr std::size_t kSlackHeaderMax = 150;
constexpr std::size_t kSlackSectionMax = 3'000;
constexpr std::size_t kTelegramMax = 4'096;

std::string dump(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Keeps what people wrote from being read as a link, a mention or markup.
std::string neutral_markdown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '[':
        out += "［";
        break;
      case ']':
        out += "］";
        break;
      case '<':
        out += "＜";
        break;
      case '>':
        out += "＞";
        break;
      case '*':
        out += "＊";
        break;
      case '`':
        out += "｀";
        break;
      case '\\':
        out += "＼";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Slack's and Telegram's escapes.
std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const std::string_view entity = markup_entity(c);
    entity.empty() ? out.append(1, c) : out.append(entity);
  }
  return out;
}

// Renders with all posts, and with one fewer while that is too long; at last it is cut.
std::string fitted(const MessageText& text, std::size_t bytes_max,
                   const std::function<std::string(const MessageText&)>& render) {
  MessageText less = text;
  std::string out = render(less);
  while (out.size() > bytes_max && !less.posts.empty()) {
    less.posts.pop_back();
    out = render(less);
  }
  while (out.size() > bytes_max && less.facts.size() > 1) {
    less.facts.pop_back();
    out = render(less);
  }
  if (out.size() <= bytes_max) return out;
  less.headline = shorten(less.headline, bytes_max / 4);
  for (std::string& fact : less.facts) fact = shorten(fact, bytes_max / 4);
  less.link.clear();
  return render(less);
}

std::string markdown(const MessageText& text, std::string_view heading) {
  std::string out = std::string(heading) + neutral_markdown(text.headline) + "\n\n";
  for (const std::string& fact : text.facts) out += "> " + neutral_markdown(fact) + "\n\n";
  for (const ShownPost& post : text.posts) {
    out += "- ";
    if (!post.author.empty()) out += neutral_markdown(post.author) + ": ";
    out += neutral_markdown(post.text);
    if (!post.url.empty()) out += " [↗](" + post.url + ")";
    out += "\n";
  }
  if (!text.link.empty()) out += "\n[" + text.link_words + "](" + text.link + ")";
  return out;
}

HttpRequest dingtalk(const RobotSecrets& secrets, const std::string& target,
                     const MessageText& text, EventTime now) {
  HttpRequest request;
  request.target = target;
  if (!secrets.secret.empty()) {
    const std::string time = std::to_string(now.time_since_epoch().count());
    const std::string sign = base64(hmac_sha256(secrets.secret, time + "\n" + secrets.secret));
    request.target += (target.find('?') == std::string::npos ? "?" : "&");
    request.target += "timestamp=" + time + "&sign=" + percent_encode(sign);
  }
  const std::string body =
      fitted(text, kDingTalkBytesMax, [](const MessageText& t) { return markdown(t, "#### "); });
  request.body = dump({{"msgtype", "markdown"},
                       {"markdown", {{"title", shorten(text.headline, 120)}, {"text", body}}},
                       {"at", {{"isAtAll", false}}}});
  return request;
}

HttpRequest wecom(const std::string& target, const MessageText& text) {
  HttpRequest request;
  request.target = target;
  const std::string body =
      fitted(text, kWeComBytesMax, [](const MessageText& t) { return markdown(t, "### "); });
  request.body = dump({{"msgtype", "markdown"}, {"markdown", {{"content", body}}}});
  return request;
}

Json feishu_content(const MessageText& text) {
  Json lines = Json::array();
  for (const std::string& fact : text.facts) {
    lines.push_back(Json::array({{{"tag", "text"}, {"text", fact}}}));
  }
  for (const ShownPost& post : text.posts) {
    const std::string author = post.author.empty() ? "" : post.author + ": ";
    Json line = Json::array({{{"tag", "text"}, {"text", "· " + author + post.text + " "}}});
    if (!post.url.empty()) line.push_back({{"tag", "a"}, {"text", "↗"}, {"href", post.url}});
    lines.push_back(std::move(line));
  }
  if (!text.link.empty()) {
    lines.push_back(Json::array({{{"tag", "a"}, {"text", text.link_words}, {"href", text.link}}}));
  }
  return {{"title", text.headline}, {"content", std::move(lines)}};
}

HttpRequest feishu(const RobotSecrets& secrets, const std::string& target, const MessageText& text,
                   EventTime now) {
  HttpRequest request;
  request.target = target;
  Json body = Json::object();
  if (!secrets.secret.empty()) {
    // The key is what others sign, and nothing is signed: so the maker wants it.
    const auto second = std::chrono::floor<seconds>(now).time_since_epoch().count();
    const std::string time = std::to_string(second);
    body["timestamp"] = time;
    body["sign"] = base64(hmac_sha256(time + "\n" + secrets.secret, ""));
  }
  body["msg_type"] = "post";
  const std::string content =
      fitted(text, kFeishuBytesMax, [](const MessageText& t) { return dump(feishu_content(t)); });
  body["content"] = {{"post", {{"zh_cn", Json::parse(content)}}}};
  request.body = dump(body);
  return request;
}

std::string slack_section(const MessageText& text) {
  std::string out;
  for (const std::string& fact : text.facts) out += escape_markup(fact) + "\n";
  for (const ShownPost& post : text.posts) {
    out += "• ";
    if (!post.author.empty()) out += escape_markup(post.author) + ": ";
    out += escape_markup(post.text);
    if (!post.url.empty()) out += " <" + escape_markup(post.url) + "|↗>";
    out += "\n";
  }
  if (!text.link.empty()) out += "<" + escape_markup(text.link) + "|" + text.link_words + ">";
  return out;
}

HttpRequest slack(const std::string& target, const MessageText& text) {
  HttpRequest request;
  request.target = target;
  const std::string section = fitted(text, kSlackSectionMax, slack_section);
  request.body =
      dump({{"text", escape_markup(text.headline)},
            {"blocks",
             Json::array(
                 {{{"type", "header"},
                   {"text",
                    {{"type", "plain_text"}, {"text", shorten(text.headline, kSlackHeaderMax)}}}},
                  {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", section}}}}})}});
  return request;
}

std::string telegram_html(const MessageText& text) {
  std::string out = "<b>" + escape_markup(text.headline) + "</b>\n";
  for (const std::string& fact : text.facts) out += escape_markup(fact) + "\n";
  for (const ShownPost& post : text.posts) {
    out += "• ";
    if (!post.author.empty()) out += escape_markup(post.author) + ": ";
    out += escape_markup(post.text);
    if (!post.url.empty()) out += " <a href=\"" + escape_markup(post.url) + "\">↗</a>";
    out += "\n";
  }
  if (!text.link.empty()) {
    out +=
        "<a href=\"" + escape_markup(text.link) + "\">" + escape_markup(text.link_words) + "</a>";
  }
  return out;
}

HttpRequest telegram(const RobotSecrets& secrets, const std::string& target,
                     const MessageText& text) {
  HttpRequest request;
  request.target = target;
  request.body = dump({{"chat_id", secrets.chat_id},
                       {"text", fitted(text, kTelegramMax, telegram_html)},
                       {"parse_mode", "HTML"},
                       {"link_preview_options", {{"is_disabled", true}}}});
  return request;
}

// What an error code of a robot's JSON answer means.
struct KnownCode {
  std::int64_t code;
  Code means;
  seconds wait;
  std::string_view remedy;
};

constexpr KnownCode kDingTalkCodes[] = {
    {-1, Code::kUnavailable, {}, "the system is busy"},
    {130101, Code::kResourceExhausted, minutes{10},
     "more than 20 a minute; it refuses for 10 minutes"},
    {410100, Code::kResourceExhausted, minutes{1}, "too fast"},
    {310000,
     Code::kPermissionDenied,
     {},
     "check secret, keywords and addresses in the robot's security settings"},
    {300001, Code::kPermissionDenied, {}, "the access_token is wrong"},
    {300005, Code::kPermissionDenied, {}, "the access_token is wrong"},
    {400101, Code::kPermissionDenied, {}, "the access_token is wrong"},
    {400013, Code::kInvalidArgument, {}, "the group was dissolved"},
    {400102, Code::kInvalidArgument, {}, "the robot was switched off"},
};
constexpr KnownCode kWeComCodes[] = {
    {-1, Code::kUnavailable, {}, "the system is busy"},
    {45009, Code::kResourceExhausted, minutes{1}, "more than 20 a minute"},
    {45033, Code::kResourceExhausted, seconds{10}, "too many at once"},
    {93000, Code::kPermissionDenied, {}, "the key is wrong, or the robot was removed"},
    {93008, Code::kPermissionDenied, {}, "the robot is not in the group"},
};
constexpr KnownCode kFeishuCodes[] = {
    {9499, Code::kResourceExhausted, minutes{1}, "too fast, or a bad request"},
    {11232, Code::kResourceExhausted, minutes{1}, "more than 100 a minute or 5 a second"},
    {19021, Code::kPermissionDenied, {}, "check the secret and this machine's clock"},
    {19022, Code::kPermissionDenied, {}, "this machine's address is not on the robot's list"},
    {19024, Code::kInvalidArgument, {}, "the robot wants a keyword that the message lacks"},
    {19001, Code::kPermissionDenied, {}, "the token is wrong"},
};

Error robot_error(const std::string& label, std::int64_t code, const std::string& words,
                  std::span<const KnownCode> known) {
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const KnownCode& k) { return k.code == code; });
  std::string message = label + ": answered code " + std::to_string(code);
  if (!words.empty()) message += " (" + quoted_answer(words) + ")";
  if (found == known.end()) return Error{Code::kInvalidArgument, std::move(message)};
  return Error{found->means, message + ": " + std::string(found->remedy), found->wait};
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::optional<std::int64_t> code_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

// {"errcode":0,"errmsg":"ok"}; Feishu: {"code":0,"msg":"success"}, before {"StatusCode":0,…}.
Status judge_code(const std::string& label, const HttpAnswer& answer, RobotKind kind) {
  const Json object = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  std::optional<std::int64_t> code;
  std::string words;
  std::span<const KnownCode> known = kDingTalkCodes;
  if (object.is_object() && kind == RobotKind::kFeishu) {
    known = kFeishuCodes;
    code = code_of(object, "code");
    if (!code) code = code_of(object, "StatusCode");
    words = text_of(object, "msg");
  } else if (object.is_object()) {
    if (kind == RobotKind::kWeCom) known = kWeComCodes;
    code = code_of(object, "errcode");
    words = text_of(object, "errmsg");
  }
  if (code && *code == 0 && answer.status / 100 == 2) return {};
  if (code && *code != 0) {
    Error error = robot_error(label, *code, words, known);
    if (answer.status == 429) error.code = Code::kResourceExhausted;
    if (answer.retry_after.count() > 0) error.retry_after = answer.retry_after;
    return error;
  }
  TRY(judge_status(label, answer));
  return Error{Code::kUnavailable, label +
                                       ": the answer is not that of a robot, a proxy's perhaps: " +
                                       quoted_answer(answer.body)};
}

Status judge_telegram(const std::string& label, const HttpAnswer& answer) {
  const Json object = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("ok")) {
    TRY(judge_status(label, answer));
    return Error{Code::kUnavailable,
                 label + ": the answer is not Telegram's: " + quoted_answer(answer.body)};
  }
  if (object["ok"] == true) return {};
  const std::int64_t code = code_of(object, "error_code").value_or(answer.status);
  const std::string words = text_of(object, "description");
  const Json parameters = object.value("parameters", Json::object());
  std::string message = label + ": answered " + std::to_string(code) + ": " + quoted_answer(words);
  if (code == 429) {
    const auto wait = code_of(parameters, "retry_after").value_or(0);
    return Error{Code::kResourceExhausted, std::move(message), seconds{wait}};
  }
  if (const auto moved = code_of(parameters, "migrate_to_chat_id")) {
    message += "; the group has a new chat_id: " + std::to_string(*moved);
  }
  if (code == 401 || code == 403 || code == 404) {
    return Error{Code::kPermissionDenied,
                 message + "; check the token, and that the bot is in the chat"};
  }
  return Error{code >= 500 ? Code::kUnavailable : Code::kInvalidArgument, std::move(message)};
}

}  // namespace

std::string_view robot_name(RobotKind kind) noexcept {
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<RobotKind> parse_robot(std::string_view name) noexcept {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<RobotKind>(found - kNames.begin());
}

HttpRequest robot_request(RobotKind kind, const RobotSecrets& secrets, const std::string& target,
                          const MessageText& text, EventTime now) {
  switch (kind) {
    case RobotKind::kDingTalk:
      return dingtalk(secrets, target, text, now);
    case RobotKind::kWeCom:
      return wecom(target, text);
    case RobotKind::kFeishu:
      return feishu(secrets, target, text, now);
    case RobotKind::kSlack:
      return slack(target, text);
    case RobotKind::kTelegram:
      return telegram(secrets, target, text);
  }
  return {};
}

Status judge_robot(RobotKind kind, const std::string& label, const HttpAnswer& answer) {
  switch (kind) {
    case RobotKind::kSlack:
      return judge_status(label, answer);
    case RobotKind::kTelegram:
      return judge_telegram(label, answer);
    case RobotKind::kDingTalk:
    case RobotKind::kWeCom:
    case RobotKind::kFeishu:
      break;
  }
  return judge_code(label, answer, kind);
}

std::vector<RateLimit> robot_limits(RobotKind kind) {
  switch (kind) {
    case RobotKind::kDingTalk:
    case RobotKind::kWeCom:
      return {{19, minutes{1}}};
    case RobotKind::kFeishu:
      return {{99, minutes{1}}, {4, seconds{1}}};
    case RobotKind::kSlack:
      return {{1, seconds{1}}};
    case RobotKind::kTelegram:
      return {{19, minutes{1}}, {1, seconds{1}}};
  }
  return {};
}

}  // namespace tidewatch
