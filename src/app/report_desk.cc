// SPDX-License-Identifier: Apache-2.0
#include "app/report_desk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "alert/report_message.h"
#include "core/rfc3339.h"
#include "core/thread_name.h"
#include "observe/log.h"
#include "report/collect_report.h"
#include "report/report_page.h"
#include "report/report_words.h"

namespace tidewatch {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kTick{30};

// Replaces a file: a crash leaves the old one or the new one, on disk.
Status write_file(const fs::path& file, std::string_view text) {
  const auto failed = [&](const char* what) {
    return Error{Code::kUnavailable, fmt::format("{}: {}: {}; is the disk full or read-only?",
                                                 file.string(), what, std::strerror(errno))};
  };
  const std::string fresh = file.string() + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed("cannot be made");
  bool good = true;
  for (std::string_view left = text; good && !left.empty();) {
    const ssize_t written = ::write(fd, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    if (good) left.remove_prefix(static_cast<std::size_t>(written));
  }
  good = good && ::fsync(fd) == 0;
  good = ::close(fd) == 0 && good;
  if (!good || ::rename(fresh.c_str(), file.c_str()) != 0) return failed("cannot be written");
  const int dir = ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
  return {};
}

std::string read_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

void forget_old(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> pages;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".html") pages.push_back(entry.path());
  }
  std::sort(pages.begin(), pages.end());
  for (std::size_t i = 0; i + kReportFilesMax < pages.size(); ++i) fs::remove(pages[i], error);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

ReportDesk::ReportDesk(Options options, const Clock& clock, Store& store,
                       std::function<void()> on_put)
    : options_(std::move(options)), clock_(clock), store_(store), on_put_(std::move(on_put)) {}

Result<std::unique_ptr<ReportDesk>> ReportDesk::create(Options options, const Clock& clock,
                                                       Store& store, std::function<void()> on_put) {
  for (const ReportSchedule& schedule : options.schedules) {
    const auto subject = report_subject(schedule.topic, options.known_topics);
    if (!subject) {
      return Error{subject.error().code,
                   fmt::format("[[reports]] '{}': {}", schedule.name, subject.error().message)};
    }
    std::error_code error;
    fs::create_directories(options.folder / schedule.name, error);
    if (error) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: cannot be made: {}", (options.folder / schedule.name).string(),
                               error.message())};
    }
  }
  return std::unique_ptr<ReportDesk>(
      new ReportDesk(std::move(options), clock, store, std::move(on_put)));
}

ReportDesk::~ReportDesk() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ReportDesk::start() {
  thread_ = std::jthread([this] { run(); });
}

void ReportDesk::run() {
  name_thread("reports");
  std::string told;
  while (true) {
    const Result<std::size_t> made = run_due(clock_.wall_now());
    const std::string reason = made ? "" : made.error().message;
    if (!reason.empty() && reason != told) {
      log(LogLevel::kError, "report", "a report cannot be made; it is tried again",
          {{"reason", reason}});
    }
    told = reason;
    const MutexLock lock(mu_);
    const SteadyTime until = clock_.steady_now() + kTick;
    while (!stopping_ && wake_.wait_until(mu_, until)) {
    }
    if (stopping_) return;
  }
}

Result<std::size_t> ReportDesk::run_due(EventTime now) {
  std::size_t made = 0;
  std::optional<Error> first;
  for (const ReportSchedule& schedule : options_.schedules) {
    const Result<std::size_t> count = run_schedule(schedule, now);
    if (count) {
      made += *count;
    } else if (!first) {
      first = Error{count.error().code, schedule.name + ": " + count.error().message};
    }
  }
  if (first) return *first;
  return made;
}

Result<std::size_t> ReportDesk::run_schedule(const ReportSchedule& schedule, EventTime now) {
  const fs::path folder = options_.folder / schedule.name;
  const fs::path done = folder / "done";
  const auto after = parse_rfc3339(read_line(done));
  if (!after) {  // a new schedule: nothing is owed
    TRY(write_file(done, to_rfc3339(now) + "\n"));
    return std::size_t{0};
  }
  const std::vector<ReportDue> due = reports_due(schedule, *after, now - options_.grace);
  for (const ReportDue& each : due) {
    TRY(make(schedule, each, now));
    TRY(write_file(done, to_rfc3339(each.until) + "\n"));
  }
  if (!due.empty()) forget_old(folder);
  return due.size();
}

Status ReportDesk::make(const ReportSchedule& schedule, const ReportDue& due, EventTime now) {
  ReportRequest request;
  request.topic = schedule.topic;
  request.since = due.since;
  request.until = due.until;
  request.known_topics = options_.known_topics;
  request.topic_probability_min = options_.topic_probability_min;
  request.empty_is_error = false;  // a silent day is worth knowing of
  request.name = schedule.name;
  request.zone = schedule.zone;
  request.public_url = options_.public_url;
  TRY_ASSIGN(const Report report, collect_report(store_, request, now));
  const fs::path page = fs::absolute(options_.folder / schedule.name / (due.stem + ".html"));
  TRY(write_file(page, report_page(report, schedule.language)));

  const bool zh = schedule.language == ReportLanguage::kChinese;
  ReportMessage message;
  message.title = report_title(report, schedule.language);
  message.lines.push_back(period_words(report, schedule.language));
  for (std::string& sentence : report_summary(report, schedule.language)) {
    message.lines.push_back(std::move(sentence));
  }
  message.file = page.string();
  message.lines.push_back((zh ? "文件 " : "File ") + message.file);
  if (!options_.public_url.empty()) {
    message.link = fmt::format("{}/v1/report?topic={}&since={}&until={}&lang={}",
                               options_.public_url, percent_encoded(to_string(report.subject)),
                               to_rfc3339(due.since), to_rfc3339(due.until), zh ? "zh" : "en");
    message.link_words = zh ? "查看报告" : "Open report";
  }
  const std::string body = to_json(message);
  for (const std::string& channel : schedule.channels) {
    OutboxMessage out;
    out.channel = channel;
    out.dedupe_key = fmt::format("report:{}:{}:{}", schedule.name, to_rfc3339(due.until), channel);
    out.body = body;
    out.next_attempt_at = now;
    out.created_at = now;
    TRY(store_.put(out));
  }
  log(LogLevel::kInfo, "report", "made", {{"name", schedule.name}, {"file", message.file}});
  if (!schedule.channels.empty() && on_put_) on_put_();
  return {};
}

}  // namespace tidewatch
