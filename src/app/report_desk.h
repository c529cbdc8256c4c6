// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "report/report_schedule.h"
#include "store/store.h"

namespace tidewatch {

inline constexpr std::size_t kReportFilesMax = 400;  // kept of each schedule; the oldest go

// Makes the scheduled reports and hands them to the outbox, each once.
//   FOLDER/NAME/2026-11-25.html   the page, there before anyone is told of it
//   FOLDER/NAME/done              until when reports are made and told: written last
// A crash in between makes the page again and puts the messages again; their dedupe keys keep one
// of each. Reports that were missed while the engine was away are made at start, the newest
// kReportsOwedMax of them; a new schedule owes nothing of the past.
// Ownership: clock and store must outlive it. Threads: run_due() is for one thread at a time: the
// tests, or its own thread after start(). Errors of one schedule do not keep back the others.
// Life cycle: create(), start(); the destructor stops (a report that is being made is finished).
class ReportDesk {
 public:
  struct Options {
    std::vector<ReportSchedule> schedules;
    std::filesystem::path folder;
    std::vector<std::string> known_topics;
    double topic_probability_min = 0.5;
    std::string public_url;
    std::chrono::seconds grace{95};  // after its time, so that its last minute is counted
  };

  // kInvalidArgument: a schedule's topic is none; kUnavailable: the folder cannot be made.
  static Result<std::unique_ptr<ReportDesk>> create(Options options, const Clock& clock,
                                                    Store& store, std::function<void()> on_put);
  ~ReportDesk();
  ReportDesk(const ReportDesk&) = delete;
  ReportDesk& operator=(const ReportDesk&) = delete;

  void start();
  // Makes what is due at the wall time `now`; returns how many. The first error, after all.
  Result<std::size_t> run_due(EventTime now);

 private:
  ReportDesk(Options options, const Clock& clock, Store& store, std::function<void()> on_put);
  Result<std::size_t> run_schedule(const ReportSchedule& schedule, EventTime now);
  Status make(const ReportSchedule& schedule, const ReportDue& due, EventTime now);
  void run();

  const Options options_;
  const Clock& clock_;
  Store& store_;
  const std::function<void()> on_put_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace tidewatch
