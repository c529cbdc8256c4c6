// SPDX-License-Identifier: Apache-2.0
#include "report/report_tables.h"

#include <nlohmann/json.hpp>

#include "core/rfc3339.h"
#include "report/report_words.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

Json sums_json(const ReportSums& sums) {
  return {{"posts", sums.posts},
          {"negative", sums.negative},
          {"negative_share", sums.negative_share()}};
}

Json shares_json(const std::vector<ReportShare>& shares, bool negative) {
  Json list = Json::array();
  for (const ReportShare& share : shares) {
    Json entry{{"name", share.name}, {"posts", share.posts}};
    if (negative) entry["negative"] = share.negative;
    list.push_back(std::move(entry));
  }
  return list;
}

Json optional_text(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json post_json(const ReportPost& shown) {
  const Post& post = shown.stored.post;
  return {{"id", post.id},
          {"text", post.text},
          {"time", to_rfc3339(post.time)},
          {"author", optional_text(post.author)},
          {"region", optional_text(post.region)},
          {"source", optional_text(post.source)},
          {"url", optional_text(post.url)},
          {"likes", post.likes ? Json(*post.likes) : Json()},
          {"reposts", post.reposts ? Json(*post.reposts) : Json()},
          {"reposts_seen", shown.reposted},
          {"emotion", shown.stored.emotion},
          {"topic", shown.stored.topic}};
}

// One table being written.
class Table {
 public:
  explicit Table(std::initializer_list<std::string_view> names) {
    text_ = "\xEF\xBB\xBF";
    for (const std::string_view name : names) cell(name);
    end();
  }
  Table& cell(std::string_view value) {
    if (!first_) text_ += ',';
    first_ = false;
    std::string out(value);
    if (!out.empty() && std::string_view("=+-@\t\r").find(out[0]) != std::string_view::npos)
      out.insert(0, "'");
    if (out.find_first_of(",\"\r\n") == std::string::npos) {
      text_ += out;
      return *this;
    }
    text_ += '"';
    for (const char c : out) text_ += c == '"' ? std::string("\"\"") : std::string(1, c);
    text_ += '"';
    return *this;
  }
  Table& cell(std::uint64_t number) { return cell(std::string_view(std::to_string(number))); }
  void end() {
    text_ += "\r\n";
    first_ = true;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  bool first_ = true;
};

std::string share_table(const char* name, const std::vector<ReportShare>& shares, bool negative) {
  Table table = negative ? Table{name, "posts", "negative"} : Table{name, "posts"};
  for (const ReportShare& share : shares) {
    table.cell(share.name).cell(share.posts);
    if (negative) table.cell(share.negative);
    table.end();
  }
  return table.take();
}

std::string series_table(const Report& report) {
  Table table{"time", "posts", "negative"};
  for (const ReportPoint& point : report.points) {
    table.cell(to_rfc3339(point.time)).cell(point.posts).cell(point.negative).end();
  }
  return table.take();
}

std::string accounts_table(const Report& report) {
  Table table{"author", "posts", "reposted"};
  for (const ReportAccount& account : report.accounts) {
    table.cell(account.author).cell(account.posts).cell(account.reposted).end();
  }
  return table.take();
}

std::string posts_table(const Report& report) {
  Table table{"id",      "time",  "author",       "region", "source",
              "emotion", "topic", "reposts_seen", "url",    "text"};
  for (const ReportPost& shown : report.posts) {
    const Post& post = shown.stored.post;
    table.cell(post.id)
        .cell(to_rfc3339(post.time))
        .cell(post.author)
        .cell(post.region)
        .cell(post.source);
    table.cell(shown.stored.emotion)
        .cell(shown.stored.topic)
        .cell(shown.reposted)
        .cell(post.url)
        .cell(post.text);
    table.end();
  }
  return table.take();
}

std::string alerts_table(const Report& report) {
  Table table{"id",        "key",       "kind",  "severity", "state",
              "opened_at", "closed_at", "posts", "authors",  "title"};
  for (const Alert& alert : report.alerts) {
    table.cell(alert.id).cell(alert.key).cell(alert.kind).cell(alert.severity).cell(alert.state);
    table.cell(to_rfc3339(alert.opened_at))
        .cell(alert.closed_at ? to_rfc3339(*alert.closed_at) : "");
    table.cell(alert.posts).cell(alert.authors).cell(alert.title).end();
  }
  return table.take();
}

}  // namespace

std::string report_json(const Report& report, ReportLanguage language) {
  Json points = Json::array();
  for (const ReportPoint& point : report.points) {
    points.push_back(
        {{"time", to_rfc3339(point.time)}, {"posts", point.posts}, {"negative", point.negative}});
  }
  Json accounts = Json::array();
  for (const ReportAccount& account : report.accounts) {
    accounts.push_back(
        {{"author", account.author}, {"posts", account.posts}, {"reposted", account.reposted}});
  }
  Json posts = Json::array();
  for (const ReportPost& post : report.posts) posts.push_back(post_json(post));
  Json alerts = Json::array();
  for (const Alert& alert : report.alerts) alerts.push_back(Json::parse(to_json(alert)));
  const Json json{{"title", report_title(report, language)},
                  {"key", to_string(report.subject)},
                  {"since", to_rfc3339(report.since)},
                  {"until", to_rfc3339(report.until)},
                  {"made_at", to_rfc3339(report.made_at)},
                  {"summary", report_summary(report, language)},
                  {"sums", sums_json(report.sums)},
                  {"before", sums_json(report.before)},
                  {"step_seconds", report.step.count()},
                  {"points", std::move(points)},
                  {"emotions", shares_json(report.emotions, false)},
                  {"topics", shares_json(report.topics, true)},
                  {"regions", shares_json(report.regions, true)},
                  {"terms", shares_json(report.terms, true)},
                  {"accounts", std::move(accounts)},
                  {"posts", std::move(posts)},
                  {"alerts", std::move(alerts)},
                  {"posts_looked_at", report.posts_looked_at},
                  {"looked_at_all", report.looked_at_all}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::pair<std::string, std::string>> report_tables(const Report& report) {
  return {{"series", series_table(report)},
          {"emotions", share_table("emotion", report.emotions, false)},
          {"topics", share_table("topic", report.topics, true)},
          {"regions", share_table("region", report.regions, true)},
          {"terms", share_table("term", report.terms, true)},
          {"accounts", accounts_table(report)},
          {"posts", posts_table(report)},
          {"alerts", alerts_table(report)}};
}

}  // namespace tidewatch
