// SPDX-License-Identifier: Apache-2.0
#include "serve/router.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace tidewatch {
namespace {

constexpr RouteEntry kRoutes[] = {
    {"POST", "/v1/posts", Handler::kIngest},
    {"GET", "/v1/posts", Handler::kPosts},
    {"GET", "/v1/posts/{id}", Handler::kPost},
    {"GET", "/v1/posts/summary", Handler::kPostsSummary},
    {"POST", "/v1/classify", Handler::kClassify},
    {"GET", "/v1/stats", Handler::kStats},
    {"GET", "/v1/system", Handler::kSystem},
    {"GET", "/v1/trends", Handler::kTrends},
    {"GET", "/v1/topics/{key}/series", Handler::kSeries},
    {"GET", "/v1/alerts", Handler::kAlerts},
    {"GET", "/v1/alerts/{id}", Handler::kAlert},
    {"POST", "/v1/alerts/{id}/ack", Handler::kAcknowledge},
    {"POST", "/v1/alerts/{id}/escalate", Handler::kEscalate},
    {"POST", "/v1/alerts/{id}/resolve", Handler::kResolve},
    {"POST", "/v1/alerts/{id}/reopen", Handler::kReopen},
    {"POST", "/v1/alerts/{id}/mute", Handler::kMute},
    {"GET", "/v1/outbox", Handler::kOutbox},
    {"POST", "/v1/outbox/{id}/retry", Handler::kOutboxRetry},
    {"GET", "/v1/channels", Handler::kChannels},
    {"POST", "/v1/channels/{name}/retry", Handler::kChannelRetry},
    {"GET", "/v1/report", Handler::kReport},
    {"GET", "/v1/sources", Handler::kSources},
    {"GET", "/v1/rules", Handler::kRules},
    {"GET", "/v1/rules/{name}", Handler::kRule},
    {"PUT", "/v1/rules/{name}", Handler::kRulePut},
    {"DELETE", "/v1/rules/{name}", Handler::kRuleDelete},
    {"POST", "/v1/rules/validate", Handler::kRuleValidate},
    {"POST", "/v1/rules/preview", Handler::kRulePreview},
    {"GET", "/v1/live", Handler::kLive},
    {"GET", "/v1/models", Handler::kModels},
    {"POST", "/swap-engine", Handler::kSwap},
    {"POST", "/v1/models/{name}/swap", Handler::kSwap},
    {"POST", "/v1/models/{name}/rollback", Handler::kRollback},
    {"GET", "/v1/models/{name}/canary", Handler::kCanaryState},
    {"POST", "/v1/models/{name}/canary", Handler::kCanaryStart},
    {"DELETE", "/v1/models/{name}/canary", Handler::kCanaryEnd},
    {"POST", "/v1/models/{name}/canary/promote", Handler::kCanaryPromote},
    {"GET", "/metrics", Handler::kMetrics},
    {"GET", "/healthz", Handler::kHealth},
    {"GET", "/readyz", Handler::kReady},
    {"GET", "/openapi.json", Handler::kOpenApi},
    {"GET", "/v2", Handler::kInferServer},
    {"GET", "/v2/health/live", Handler::kInferLive},
    {"GET", "/v2/health/ready", Handler::kInferReady},
    {"GET", "/v2/models/{name}", Handler::kInferModel},
    {"GET", "/v2/models/{name}/ready", Handler::kInferModelReady},
    {"GET", "/v2/models/{name}/config", Handler::kInferConfig},
    {"GET", "/v2/models/{name}/stats", Handler::kInferStats},
    {"POST", "/v2/models/{name}/infer", Handler::kInfer},
    {"GET", "/v2/models/{name}/versions/{version}", Handler::kInferModel},
    {"GET", "/v2/models/{name}/versions/{version}/ready", Handler::kInferModelReady},
    {"GET", "/v2/models/{name}/versions/{version}/config", Handler::kInferConfig},
    {"GET", "/v2/models/{name}/versions/{version}/stats", Handler::kInferStats},
    {"POST", "/v2/models/{name}/versions/{version}/infer", Handler::kInfer},
    {"GET", "/v2/models/stats", Handler::kInferStats},
    {"POST", "/v2/repository/index", Handler::kInferIndex},
    {"POST", "/v2/repository/models/{name}/load", Handler::kInferLoad},
    {"POST", "/v2/repository/models/{name}/unload", Handler::kInferUnload},
};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error{Code::kInvalidArgument,
                     "the URL has a '%' that two hex digits do not follow; write it as %25"};
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos) {
    return Error{Code::kInvalidArgument, "the URL has a NUL character"};
  }
  if (!simdjson::validate_utf8(out.data(), out.size())) {
    return Error{Code::kInvalidArgument, "the URL is not UTF-8 once decoded"};
  }
  return out;
}

// Calls `each(part)` for what stands between separators, until it fails.
template <typename F>
Status split(std::string_view text, char separator, F&& each) {
  while (true) {
    const std::size_t end = text.find(separator);
    TRY(each(text.substr(0, end)));
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

Status parse_query(std::string_view query, Target& target) {
  return split(query, '&', [&](std::string_view pair) -> Status {
    if (pair.empty()) return {};
    if (target.params.size() >= Target::kParamsMax) {
      return Error{Code::kInvalidArgument, "the URL has more than 64 parameters"};
    }
    const std::size_t equals = pair.find('=');
    TRY_ASSIGN(std::string name, percent_decode(pair.substr(0, equals), true));
    TRY_ASSIGN(
        std::string value,
        percent_decode(
            equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true));
    target.params.emplace_back(std::move(name), std::move(value));
    return {};
  });
}

bool is_placeholder(std::string_view segment) { return segment.starts_with('{'); }

// Whether the path fits the pattern; sets `arguments` when it does.
bool fits(std::string_view pattern, const Target& target, std::array<std::string, 2>& arguments) {
  std::size_t taken = 0;
  pattern.remove_prefix(1);
  for (std::size_t i = 0; i < target.segments.size(); ++i) {
    const std::size_t end = pattern.find('/');
    const std::string_view wanted = pattern.substr(0, end);
    const std::string& segment = target.segments[i];
    if (is_placeholder(wanted) ? segment.empty() : segment != wanted) return false;
    if (is_placeholder(wanted)) arguments[taken++] = segment;
    if (end == std::string_view::npos) return i + 1 == target.segments.size();
    pattern.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

std::optional<std::string> Target::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<Target> parse_target(std::string_view raw) {
  Target target;
  if (raw == "*") return target;
  raw = raw.substr(0, raw.find('#'));
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!raw.starts_with(scheme)) continue;
    raw.remove_prefix(scheme.size());
    const std::size_t end = std::min(raw.find_first_of("/?"), raw.size());
    target.authority = raw.substr(0, end);
    raw.remove_prefix(end);
    if (target.authority.empty()) {
      return Error{Code::kInvalidArgument, "the URL names no host"};
    }
    if (raw.empty() || raw.front() == '?') {
      target.raw_path = "/";
      if (!raw.empty()) TRY(parse_query(raw.substr(1), target));
      return target;
    }
  }
  if (!raw.starts_with('/')) {
    return Error{Code::kInvalidArgument, "the request's path must begin with '/'"};
  }
  const std::size_t query = raw.find('?');
  const std::string_view path = raw.substr(0, query);
  target.raw_path = path;
  if (path.size() > 1) {
    // Split before decoding: an encoded slash belongs to its segment.
    TRY(split(path.substr(1), '/', [&](std::string_view segment) -> Status {
      TRY_ASSIGN(std::string decoded, percent_decode(segment, false));
      target.segments.push_back(std::move(decoded));
      return {};
    }));
  }
  if (query != std::string_view::npos) TRY(parse_query(raw.substr(query + 1), target));
  return target;
}

std::span<const RouteEntry> route_table() noexcept { return kRoutes; }

RouteMatch find_route(std::string_view method, const Target& target) {
  RouteMatch match;
  bool get = false;
  bool post = false;
  bool put = false;
  bool del = false;
  for (const RouteEntry& entry : kRoutes) {
    std::array<std::string, 2> arguments;
    if (!fits(entry.pattern, target, arguments)) continue;
    get = get || entry.method == "GET";
    post = post || entry.method == "POST";
    put = put || entry.method == "PUT";
    del = del || entry.method == "DELETE";
    if (entry.method == method || (method == "HEAD" && entry.method == "GET")) {
      match.entry = &entry;
      match.argument = std::move(arguments[0]);
      match.second = std::move(arguments[1]);
    }
  }
  if (get) match.allow = "GET, HEAD";
  if (post) match.allow += get ? ", POST" : "POST";
  if (put) match.allow += get || post ? ", PUT" : "PUT";
  if (del) match.allow += get || post || put ? ", DELETE" : "DELETE";
  if (get || post || put || del) match.allow += ", OPTIONS";
  return match;
}

bool is_api_path(const Target& target) noexcept {
  if (target.segments.empty()) return false;
  const std::string& first = target.segments.front();
  static constexpr std::array<std::string_view, 6> kRoots = {"v1",      "v2",     "metrics",
                                                             "healthz", "readyz", "swap-engine"};
  return std::find(kRoots.begin(), kRoots.end(), first) != kRoots.end();
}

}  // namespace tidewatch
