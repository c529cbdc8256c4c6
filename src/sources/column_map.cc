// SPDX-License-Identifier: Apache-2.0
#include "sources/column_map.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ingest/post_rules.h"
#include "observe/json_text.h"
#include "sources/sheet_date.h"

namespace tidewatch {
namespace {

constexpr std::array<std::string_view, kPostFields> kLabels{
    "text", "id", "time", "source", "author", "region", "repost_of", "url", "likes", "reposts"};

// Names of columns as tables have them, the surest first.
const std::array<std::vector<std::string_view>, kPostFields>& known_names() {
  static const std::array<std::vector<std::string_view>, kPostFields> kNames{{
      {"text",          "正文", "内容",     "微博内容", "微博正文", "全文",    "全文内容",
       "文本",          "博文", "帖子内容", "评论内容", "文章内容", "原文",    "content",
       "full_text",     "body", "message",  "post",     "tweet",    "comment", "评论",
       "标题/微博内容", "摘要", "标题",     "title"},
      {"id", "mid", "微博id", "帖子id", "post_id", "tweet_id", "status_id", "评论id", "编号"},
      {"time", "发布时间", "发表时间", "发布日期", "时间", "日期", "评论时间", "创建时间",
       "created_at", "publish_time", "published_at", "published", "pubdate", "timestamp",
       "datetime", "date", "created", "采集时间"},
      {"source", "平台", "来源", "媒体", "站点", "渠道", "数据来源", "来源平台", "platform", "site",
       "channel", "media"},
      {"author", "作者", "用户名", "用户昵称", "昵称", "博主", "发布者", "发布人", "用户",
       "作者名称", "user_name", "username", "screen_name", "nickname", "user", "user_id", "用户id",
       "账号"},
      {"region", "ip属地", "ip归属地", "属地", "发布地区", "地区", "地域", "省份", "省", "所在地",
       "城市", "province", "city", "location"},
      {"repost_of", "转发自", "原微博id", "源微博id", "retweet_of", "retweeted_status_id"},
      {"url", "链接", "原文链接", "微博链接", "网址", "link", "permalink", "href"},
      {"likes", "点赞数", "点赞", "赞", "赞数", "like_count", "favorite_count", "favourites"},
      {"reposts", "转发数", "转发", "转发量", "分享数", "retweets", "retweet_count", "share_count",
       "shares"},
  }};
  return kNames;
}

std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
  }
  return out;
}

std::optional<std::size_t> find_column(const std::vector<std::string>& header,
                                       std::string_view name) {
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (folded(header[i]) == folded(name)) return i;
  }
  return std::nullopt;
}

std::string listed(const std::vector<std::string>& header) {
  std::string out;
  for (std::size_t i = 0; i < header.size() && i < 40; ++i) {
    out += fmt::format("{}#{} {}", i == 0 ? "" : ", ", i + 1, header[i].substr(0, 40));
  }
  return out;
}

Result<std::optional<std::size_t>> wanted_column(const std::vector<std::string>& header,
                                                 std::string_view name) {
  if (name.empty()) return std::optional<std::size_t>{};
  if (const auto column = find_column(header, name)) return column;
  if (name.starts_with('#')) {
    const auto number = parse_table_count(name.substr(1));
    if (number && *number >= 1 && static_cast<std::size_t>(*number) <= header.size()) {
      return std::optional<std::size_t>{static_cast<std::size_t>(*number) - 1};
    }
  }
  return Error{Code::kInvalidArgument,
               fmt::format("--map: there is no column '{}'; there are {}", name, listed(header))};
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

}  // namespace

std::string_view field_label(PostField field) noexcept {
  return kLabels[static_cast<std::size_t>(field)];
}

std::vector<std::size_t> ColumnMap::others() const {
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::find(columns.begin(), columns.end(), std::optional<std::size_t>{i}) == columns.end()) {
      rest.push_back(i);
    }
  }
  return rest;
}

Result<ColumnMap> map_columns(const std::vector<std::string>& header,
                              const std::vector<std::string>& wanted) {
  ColumnMap map;
  map.names = header;
  std::set<std::size_t> taken;
  std::set<std::size_t> decided;
  for (const std::string& one : wanted) {
    const std::size_t equals = one.find('=');
    const auto label = std::find(kLabels.begin(), kLabels.end(), one.substr(0, equals));
    if (equals == std::string::npos || label == kLabels.end()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("--map: '{}' must be MEMBER=COLUMN; members are {}", one,
                               fmt::join(kLabels, ", "))};
    }
    const auto field = static_cast<std::size_t>(label - kLabels.begin());
    TRY_ASSIGN(map.columns[field], wanted_column(header, one.substr(equals + 1)));
    decided.insert(field);
    if (map.columns[field]) taken.insert(*map.columns[field]);
  }
  for (std::size_t field = 0; field < kPostFields; ++field) {
    if (decided.contains(field)) continue;
    for (const std::string_view name : known_names()[field]) {
      const auto column = find_column(header, name);
      if (!column || taken.contains(*column)) continue;
      map.columns[field] = column;
      taken.insert(*column);
      break;
    }
  }
  if (!map.column(PostField::kText) && header.size() == 1) map.columns[0] = 0;
  if (!map.column(PostField::kText)) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("no column looks like the text; say which with --map text=COLUMN; there "
                    "are {}",
                    listed(header))};
  }
  return map;
}

RowReader::RowReader(ColumnMap map, Options options, const DecodeLimits& limits, EventTime arrival)
    : map_(std::move(map)),
      others_(map_.others()),
      options_(std::move(options)),
      limits_(limits),
      arrival_(arrival) {}

std::variant<Post, RowFault> RowReader::read(const TableRow& row) const {
  Post post;
  if (auto fault = fill(row, post)) return *std::move(fault);
  if (post.id.empty()) {
    XXH64_state_t* const state = XXH64_createState();
    XXH64_reset(state, 0);
    const auto add = [&](std::string_view text) {
      XXH64_update(state, text.data(), text.size());
      XXH64_update(state, "\0", 1);
    };
    add(options_.name);
    for (const TableCell& cell : row.cells) add(cell.text);
    post.id = fmt::format("import-{:016x}-{}", XXH64_digest(state), row.line);
    XXH64_freeState(state);
  }
  if (post.source.empty()) post.source = options_.source;
  post.extra = extra(row);
  FreshIds unused("import");
  if (auto error = PostRules(limits_, unused).apply(post, arrival_)) {
    for (std::size_t field = 0; field < kPostFields; ++field) {
      if (kLabels[field] != error->field || !map_.columns[field]) continue;
      return RowFault{map_.names[*map_.columns[field]], std::move(error->reason)};
    }
    return RowFault{"", fmt::format("{}: {}", error->field, error->reason)};
  }
  return post;
}

std::optional<RowFault> RowReader::fill(const TableRow& row, Post& post) const {
  const auto cell = [&](PostField field) -> const TableCell* {
    const auto column = map_.column(field);
    return column && *column < row.cells.size() ? &row.cells[*column] : nullptr;
  };
  const auto fault = [&](PostField field, std::string_view what) {
    return RowFault{map_.names[*map_.column(field)],
                    fmt::format("'{}' is {}", cell(field)->text.substr(0, 60), what)};
  };
  const std::pair<PostField, std::string*> texts[] = {{PostField::kId, &post.id},
                                                      {PostField::kSource, &post.source},
                                                      {PostField::kAuthor, &post.author},
                                                      {PostField::kRegion, &post.region},
                                                      {PostField::kRepostOf, &post.repost_of},
                                                      {PostField::kUrl, &post.url}};
  for (const auto& [field, to] : texts) {
    if (const TableCell* from = cell(field)) *to = trimmed(from->text);
  }
  if (const TableCell* from = cell(PostField::kText)) post.text = from->text;
  if (row.cells.size() > map_.names.size()) {
    return RowFault{"",
                    fmt::format("{} columns, but the header has {}; a field with a separator or a "
                                "line break must stand in quotes",
                                row.cells.size(), map_.names.size())};
  }
  const TableCell* time = cell(PostField::kTime);
  if (time != nullptr && !trimmed(time->text).empty()) {
    const auto read = time->serial ? from_serial_date(*time->serial, options_.utc_offset)
                                   : parse_table_time(time->text, options_.utc_offset);
    if (!read) {
      return fault(PostField::kTime,
                   "not a time from 1970 to 2100; write it as 2026-11-23 08:05:00");
    }
    post.time = *read;
  }
  const std::pair<PostField, std::optional<std::int64_t>*> counts[] = {
      {PostField::kLikes, &post.likes}, {PostField::kReposts, &post.reposts}};
  for (const auto& [field, to] : counts) {
    const TableCell* from = cell(field);
    if (from == nullptr) continue;
    const std::string text = trimmed(from->text);
    // What tables put where nothing was counted, or where the button's name was copied.
    if (text.empty() || text == "-" || text == "--" || text == "转发" || text == "赞") continue;
    *to = parse_table_count(text);
    if (!*to) return fault(field, "not a count");
  }
  return std::nullopt;
}

std::string RowReader::extra(const TableRow& row) const {
  std::string out;
  std::set<std::string_view> used(kLabels.begin(), kLabels.end());
  for (const std::size_t column : others_) {
    if (column >= row.cells.size() || row.cells[column].text.empty()) continue;
    const std::string& name = map_.names[column];
    if (name.empty() || !used.insert(name).second) continue;
    out += out.empty() ? '{' : ',';
    append_json_string(out, name);
    out += ':';
    append_json_string(out, row.cells[column].text);
  }
  return out.empty() ? out : out + '}';
}

}  // namespace tidewatch
