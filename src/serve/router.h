// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// A request target taken apart. Everything is percent-decoded and valid UTF-8 without NUL.
struct Target {
  std::string raw_path;               // as it came, without query
  std::vector<std::string> segments;  // "/v1/alerts/al_1" is {"v1", "alerts", "al_1"}; "/" is {}
  std::vector<std::pair<std::string, std::string>> params;  // at most kParamsMax, in order
  std::string authority;  // of an absolute-form target ("http://host/path"); else empty

  static constexpr std::size_t kParamsMax = 64;
  // The first parameter of that name.
  std::optional<std::string> param(std::string_view name) const;
};

// Reads origin-form, absolute-form and "*". kInvalidArgument says what is wrong with it.
Result<Target> parse_target(std::string_view raw);

enum class Handler : std::uint8_t {
  kIngest,
  kClassify,
  kStats,
  kSystem,
  kTrends,
  kSeries,
  kAlerts,
  kAlert,
  kAcknowledge,
  kEscalate,
  kResolve,
  kReopen,
  kMute,
  kOutbox,
  kOutboxRetry,
  kChannels,
  kChannelRetry,
  kSources,
  kPosts,
  kPostsSummary,
  kPost,
  kReport,
  kRules,
  kRule,
  kRulePut,
  kRuleDelete,
  kRuleValidate,
  kRulePreview,
  kLive,
  kModels,
  kSwap,
  kRollback,
  kCanaryState,
  kCanaryStart,
  kCanaryPromote,
  kCanaryEnd,
  kMetrics,
  kHealth,
  kReady,
  kOpenApi,
  kInferServer,
  kInferLive,
  kInferReady,
  kInferModel,
  kInferModelReady,
  kInferConfig,
  kInferStats,
  kInfer,
  kInferIndex,
  kInferLoad,
  kInferUnload,
};

// One line of the API. "{…}" in a pattern stands for one segment. Where two fit, the later does.
struct RouteEntry {
  std::string_view method;
  std::string_view pattern;
  Handler handler;
};

// Every route but the dashboard's files. openapi.json describes exactly these.
std::span<const RouteEntry> route_table() noexcept;

struct RouteMatch {
  const RouteEntry* entry = nullptr;  // nothing: no such path, or see `allow`
  std::string argument;               // what stood for the first "{…}"
  std::string second;                 // and for the second
  std::string allow;  // the path's methods ("GET, HEAD, OPTIONS"); empty: no such path
};

// HEAD finds GET's route. OPTIONS finds none; `allow` is its answer.
RouteMatch find_route(std::string_view method, const Target& target);

// True when the path belongs to the API, whether or not it exists: never answered with the
// dashboard's page.
bool is_api_path(const Target& target) noexcept;

}  // namespace tidewatch
