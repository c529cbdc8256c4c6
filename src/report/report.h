// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/window_counts.h"
#include "alert/alert.h"
#include "alert/time_zone.h"
#include "core/clock.h"
#include "store/stored_post.h"

namespace tidewatch {

enum class ReportLanguage : std::uint8_t { kChinese, kEnglish };
enum class ReportFormat : std::uint8_t { kHtml, kJson, kCsv };

// Counts of one step of the period. Steps without posts are there, with zeros.
struct ReportPoint {
  EventTime time{};
  std::uint64_t posts = 0;
  std::uint64_t negative = 0;
};

struct ReportSums {
  std::uint64_t posts = 0;
  std::uint64_t negative = 0;
  std::uint64_t authors =
      0;                    // summed over ten-minute windows: an author of every hour counts often
  std::uint64_t texts = 0;  // likewise
  double negative_share() const {
    return posts == 0 ? 0.0 : static_cast<double>(negative) / static_cast<double>(posts);
  }
};

// A place, topic, emotion or word with how many posts it has.
struct ReportShare {
  std::string name;
  std::uint64_t posts = 0;
  std::uint64_t negative = 0;
};

struct ReportAccount {
  std::string author;
  std::uint64_t posts = 0;
  std::uint64_t reposted = 0;  // by posts that were looked at
};

struct ReportPost {
  StoredPost stored;
  std::uint64_t reposted = 0;  // by posts that were looked at
};

// Everything that a report says, in no language and no format: the page, the JSON and the CSV are
// made of it. A plain value.
struct Report {
  std::string name;  // of a scheduled one; else empty
  KeyName subject;
  EventTime since{};  // inclusive
  EventTime until{};  // exclusive
  EventTime made_at{};
  std::chrono::seconds step{60};
  TimeZone zone;           // in which the page tells times
  std::string public_url;  // of the dashboard, for links; empty: none

  ReportSums sums;
  ReportSums before;  // the same length of time before it
  std::vector<ReportPoint> points;
  std::vector<ReportShare> emotions;  // the most first, like all below
  std::vector<ReportShare> topics;    // only when the subject is no single topic
  std::vector<ReportShare> regions;   // provinces; only when the subject is no single region
  // From the posts that were looked at: the newest of the period.
  std::uint64_t posts_looked_at = 0;
  bool looked_at_all = true;
  std::vector<ReportShare> terms;
  std::vector<ReportAccount> accounts;
  std::vector<ReportPost> posts;
  std::vector<Alert> alerts;  // that were open at some time of the period, oldest first
  bool alerts_cut = false;    // there were more than kReportAlertsMax
};

inline constexpr std::size_t kReportAlertsMax = 100;
inline constexpr std::size_t kReportPostsMax = 12;
inline constexpr std::size_t kReportTermsMax = 20;
inline constexpr std::size_t kReportAccountsMax = 10;
inline constexpr std::size_t kReportScanMax = 200'000;      // posts looked at
inline constexpr std::size_t kReportBytesMax = 128U << 20;  // of their texts
inline constexpr std::chrono::hours kReportPeriodMax{24 * 366};

}  // namespace tidewatch
