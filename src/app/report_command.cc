// SPDX-License-Identifier: Apache-2.0
// report: a page of a period, from a data folder or from a running engine.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/engine_client.h"
#include "infer/manifest.h"
#include "report/collect_report.h"
#include "report/report_page.h"
#include "report/report_tables.h"
#include "store/store.h"

namespace tidewatch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTables[] = {"series", "emotions", "topics", "regions",
                                   "terms",  "accounts", "posts",  "alerts"};

Status write_text(const std::string& file, std::string_view text) {
  if (file == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
  }
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) return Error{Code::kUnavailable, file + ": cannot be written; is its folder there?"};
  fmt::print("wrote {}\n", file);
  return {};
}

Status make_csv_dir(const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return Error{Code::kUnavailable, dir + ": cannot be made: " + error.message()};
  return {};
}

// The labels of every model there is: a store may hold posts of any.
std::vector<std::string> model_topics(const fs::path& models) {
  std::vector<std::string> topics;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(models, error)) {
    const auto manifest = read_manifest(entry.path());
    if (!manifest) continue;
    topics.insert(topics.end(), manifest->labels.topics.begin(), manifest->labels.topics.end());
  }
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += std::isalnum(static_cast<unsigned char>(c)) != 0
               ? std::string(1, c)
               : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<std::string> ask(const ReportCommandOptions& options, const std::string& format) {
  std::string target =
      fmt::format("/v1/report?topic={}&since={}&lang={}&time_zone={}&{}", encoded(options.topic),
                  encoded(options.since), options.language, encoded(options.time_zone), format);
  if (!options.until.empty()) target += "&until=" + encoded(options.until);
  TRY_ASSIGN(const WebhookUrl url, parse_engine_url(options.url));
  TRY_ASSIGN(EngineAnswer answer, get_from_engine(url, target));
  if (answer.status == 200) return std::move(answer.body);
  const auto problem = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const bool said =
      problem.is_object() && problem.contains("detail") && problem["detail"].is_string();
  return Error{Code::kFailedPrecondition, said ? problem["detail"].get<std::string>()
                                               : fmt::format("{} answered {}; is Tidewatch there?",
                                                             options.url, answer.status)};
}

Status from_engine(const ReportCommandOptions& options) {
  if (!options.output.empty()) {
    TRY_ASSIGN(const std::string page, ask(options, "format=html"));
    TRY(write_text(options.output, page));
  }
  if (!options.json_file.empty()) {
    TRY_ASSIGN(const std::string json, ask(options, "format=json"));
    TRY(write_text(options.json_file, json + "\n"));
  }
  if (options.csv_dir.empty()) return {};
  TRY(make_csv_dir(options.csv_dir));
  for (const std::string table : kTables) {
    TRY_ASSIGN(const std::string text, ask(options, "format=csv&table=" + table));
    TRY(write_text((fs::path(options.csv_dir) / (table + ".csv")).string(), text));
  }
  return {};
}

Status from_folder(const ReportCommandOptions& options) {
  TRY_ASSIGN(Config config, resolve_config(options.common));
  if (!options.data_dir.empty()) config.store.dir = options.data_dir;
  if (config.store.dir.empty()) config.store.dir = "tidewatch-data";
  std::error_code error;
  if (!fs::exists(config.store.dir / "posts.db", error) &&
      !fs::exists(config.store.dir / "lock", error)) {
    return Error{Code::kNotFound, config.store.dir.string() +
                                      ": no data folder of an engine; name it with --data-dir"};
  }
  SystemClock clock;
  const EventTime now = clock.wall_now();
  ReportRequest request;
  request.topic = options.topic;
  TRY_ASSIGN(request.since, report_since(options.since, now));
  request.until = now;
  if (!options.until.empty()) {
    TRY_ASSIGN(request.until, report_since(options.until, now));
  }
  TRY_ASSIGN(request.zone, TimeZone::parse(options.time_zone));
  request.known_topics = model_topics(config.models());
  request.topic_probability_min = static_cast<double>(config.aggregate.topic_probability_min);
  request.public_url = config.public_url;
  config.store.background = false;  // nothing is indexed or removed by looking
  auto store = Store::open(config.store, clock);
  if (!store) {
    const bool busy = store.error().code == Code::kFailedPrecondition;
    return Error{
        store.error().code,
        store.error().message +
            (busy ? "; of a running engine: tidewatch report --url http://127.0.0.1:8000" : "")};
  }
  TRY_ASSIGN(const Report report, collect_report(**store, request, now));
  const ReportLanguage language =
      options.language == "en" ? ReportLanguage::kEnglish : ReportLanguage::kChinese;
  if (!options.output.empty()) TRY(write_text(options.output, report_page(report, language)));
  if (!options.json_file.empty()) {
    TRY(write_text(options.json_file, report_json(report, language) + "\n"));
  }
  if (options.csv_dir.empty()) return {};
  TRY(make_csv_dir(options.csv_dir));
  for (const auto& [name, text] : report_tables(report)) {
    TRY(write_text((fs::path(options.csv_dir) / (name + ".csv")).string(), text));
  }
  return {};
}

Status report(const ReportCommandOptions& options) {
  if (options.output.empty() && options.csv_dir.empty() && options.json_file.empty()) {
    return Error{Code::kInvalidArgument,
                 "say where to: --output FILE.html, --csv DIR or --json FILE"};
  }
  if (options.url.empty()) return from_folder(options);
  if (!options.data_dir.empty()) {
    return Error{Code::kInvalidArgument, "--url and --data-dir are two places; give one"};
  }
  return from_engine(options);
}

}  // namespace

int run_report(const ReportCommandOptions& options) {
  const Status status = report(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch
